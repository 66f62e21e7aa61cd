//! Deletes what has expired, in small batches.
//!
//! Nothing here decides anything: what has expired counts no longer, whether its row is still there or not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::pace::delete_all;
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
    delete_all!(db, |tx, rows| authorization_codes::delete_expired(tx, remembered, rows));
    let ended = now - Seconds(config.tokens.authorization_request);
    delete_all!(db, |tx, rows| pushed_requests::delete_expired(tx, ended, rows));
    let undecided = now - UNDECIDED;
    delete_all!(db, |tx, rows| device_codes::delete_expired(tx, remembered, undecided, rows));
    delete_all!(db, |tx, rows| access_tokens::delete_expired(tx, now, rows));
    delete_all!(db, |tx, rows| access_tokens::delete_expired_revocations(tx, now, rows));
    delete_all!(db, |tx, rows| refresh_tokens::delete_expired(tx, remembered, rows));
    delete_all!(db, |tx, rows| grants::delete_expired(tx, remembered, rows));
    delete_all!(db, |tx, rows| sessions::delete_expired(tx, now, idle, rows));
    let devices = Seconds::days(config.limits.device_days.into());
    delete_all!(db, |tx, rows| login_failures::delete_expired(tx, now, devices, rows));
    let counted = now - Seconds::days(31);
    delete_all!(db, |tx, rows| mail_counts::delete_expired(tx, counted, rows));
    delete_all!(db, |tx, rows| email_codes::delete_expired(tx, now, rows));
    delete_all!(db, |tx, rows| invitations::delete_expired(tx, remembered, rows));
    let explained = now - Seconds::days(config.explain.days.into());
    delete_all!(db, |tx, rows| explanations::delete_expired(tx, explained, rows));
    delete_all!(db, |tx, rows| client_registrations::delete_expired_initial(tx, now, rows));
    let unused = now - Seconds::days(config.client_id_metadata_documents.unused_days.into());
    let origin = Origin { at: now, address: None, trace_id: random::identifier() };
    let forgotten = Event { actor: Actor::System, ..audit::event(Kind::ClientDeleted, origin) };
    delete_all!(db, |tx, rows| client_documents::delete_unused(tx, unused, rows, &forgotten));
    let unused = now - Seconds::days(config.client_registration.unused_days.into());
    delete_all!(db, |tx, rows| client_registrations::delete_unused(tx, unused, rows, &forgotten));
    // A request is judged by the time when its head came, and nodes may be a little apart.
    let long_spent = now - Seconds::minutes(5);
    delete_all!(db, |tx, rows| spent::delete_expired(tx, long_spent, rows));
    Ok(())
}
