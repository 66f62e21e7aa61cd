//! Deletes what has expired, in small batches.
//!
//! Nothing here decides anything: what has expired counts no longer, whether its row is still there or not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::retention;
use crate::audit::{self, Kind, Origin};
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::evidence::EvidenceKey;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::{
    access_tokens, authorization_codes, client_documents, client_registrations, device_codes, email_codes, explanations, grants,
    invitations, login_failures, mail_counts, pushed_requests, refresh_tokens, sessions, spent,
};
use crate::telemetry::metrics::job_ran;

/// How often.
const INTERVAL: Duration = Duration::from_mins(10);

/// Rows deleted in one transaction: few enough that nobody waits for it.
const BATCH: i64 = 500;

/// How long a spent code is remembered after its end, so that a late replay still revokes what it gave out.
const MEMORY: Seconds = Seconds::hours(24);

/// How long a device code that nobody decided about stays after its end, so that its device is told that it expired.
const UNDECIDED: Seconds = Seconds::minutes(10);

/// Cleans up for as long as the server runs: spawn it, it doesn't end.
pub async fn run(db: Db, clock: Clock, config: Config, evidence: Arc<EvidenceKey>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut cleaned = clean(&db, clock.now(), &config).await;
        if cleaned.is_ok() {
            cleaned = retention::prune(&db, &evidence, clock.now(), config.audit.retention_days).await;
        }
        job_ran("cleanup", clock.now(), &cleaned);
        if let Err(error) = cleaned {
            tracing::warn!(%error, "expired rows could not be deleted; the next attempt follows in ten minutes");
        }
    }
}

/// Deletes everything that had expired by `now`, but for the audit log.
pub async fn clean(db: &Db, now: Timestamp, config: &Config) -> Result<(), Error> {
    let idle = Seconds(config.session.idle);
    let remembered = now - MEMORY;
    while db.write(async |tx| authorization_codes::delete_expired(tx, remembered, BATCH).await).await? > 0 {}
    let ended = now - Seconds(config.tokens.authorization_request);
    while db.write(async |tx| pushed_requests::delete_expired(tx, ended, BATCH).await).await? > 0 {}
    let undecided = now - UNDECIDED;
    while db.write(async |tx| device_codes::delete_expired(tx, remembered, undecided, BATCH).await).await? > 0 {}
    while db.write(async |tx| access_tokens::delete_expired(tx, now, BATCH).await).await? > 0 {}
    while db.write(async |tx| access_tokens::delete_expired_revocations(tx, now, BATCH).await).await? > 0 {}
    while db.write(async |tx| refresh_tokens::delete_expired(tx, remembered, BATCH).await).await? > 0 {}
    while db.write(async |tx| grants::delete_expired(tx, remembered, BATCH).await).await? > 0 {}
    while db.write(async |tx| sessions::delete_expired(tx, now, idle, BATCH).await).await? > 0 {}
    let devices = Seconds::days(config.limits.device_days.into());
    while db.write(async |tx| login_failures::delete_expired(tx, now, devices, BATCH).await).await? > 0 {}
    let counted = now - Seconds::days(31);
    while db.write(async |tx| mail_counts::delete_expired(tx, counted, BATCH).await).await? > 0 {}
    while db.write(async |tx| email_codes::delete_expired(tx, now, BATCH).await).await? > 0 {}
    while db.write(async |tx| invitations::delete_expired(tx, remembered, BATCH).await).await? > 0 {}
    let explained = now - Seconds::days(config.explain.days.into());
    while db.write(async |tx| explanations::delete_expired(tx, explained, BATCH).await).await? > 0 {}
    while db.write(async |tx| client_registrations::delete_expired_initial(tx, now, BATCH).await).await? > 0 {}
    let unused = now - Seconds::days(config.client_id_metadata_documents.unused_days.into());
    let origin = Origin { at: now, address: None, trace_id: random::identifier() };
    let forgotten = Event { actor: Actor::System, ..audit::event(Kind::ClientDeleted, origin) };
    while db.write(async |tx| client_documents::delete_unused(tx, unused, BATCH, &forgotten).await).await? > 0 {}
    let unused = now - Seconds::days(config.client_registration.unused_days.into());
    while db.write(async |tx| client_registrations::delete_unused(tx, unused, BATCH, &forgotten).await).await? > 0 {}
    // A request is judged by the time when its head came, and nodes may be a little apart.
    let long_spent = now - Seconds::minutes(5);
    while db.write(async |tx| spent::delete_expired(tx, long_spent, BATCH).await).await? > 0 {}
    Ok(())
}
