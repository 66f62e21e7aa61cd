//! Deletes the people who wanted it, when their time to think it over has passed.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::audit::{self, Kind, Origin};
use crate::clock::Clock;
use crate::config::AdminConfig;
use crate::outbound::mail::{self, Message, Outbox};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;
use crate::storage::administrators::{last_holders, scopes_of};
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::db::{Db, Tx};
use crate::storage::error::Error;
use crate::storage::sessions::{self, Ending};
use crate::storage::users::{self, User};
use crate::telemetry::TraceId;
use crate::telemetry::metrics::job_ran;

/// How often.
const INTERVAL: Duration = Duration::from_mins(10);

/// People looked up at once.
const BATCH: i64 = 100;

/// Deletes for as long as the server runs: spawn it, it doesn't end.
pub async fn run(db: Db, clock: Clock, outbox: Outbox, admin: AdminConfig) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let deleted = delete_due(&db, clock.now(), &outbox, &admin).await;
        job_ran("deletion", clock.now(), &deleted);
        if let Err(error) = deleted {
            tracing::warn!(%error, "accounts that are due could not be deleted; the next attempt follows in ten minutes");
        }
    }
}

/// Deletes everybody who was due by `now`, and tells how many that were. Several nodes may do it at once.
pub async fn delete_due(db: &Db, now: Timestamp, outbox: &Outbox, admin: &AdminConfig) -> Result<u64, Error> {
    let mut deleted = 0;
    loop {
        let due = users::due_for_deletion(&mut db.read().await?, now, BATCH).await?;
        let mut gone = 0;
        for user in &due {
            gone += u64::from(delete_one(db, user, now, outbox, admin).await?);
        }
        deleted += gone;
        // Whoever was spared is found again, and must not keep this going.
        if gone == 0 {
            return Ok(deleted);
        }
    }
}

async fn delete_one(db: &Db, user: &User, now: Timestamp, outbox: &Outbox, admin: &AdminConfig) -> Result<bool, Error> {
    let origin = Origin { at: now, address: None, trace_id: TraceId::random().to_string() };
    let event = Event { actor: Actor::System, user_id: Some(user.id.clone()), ..audit::event(Kind::UserDeleted, origin) };
    let scopes = scopes_of(&user.roles, admin);
    let deleted = db.write(async |tx| {
        // The others may have gone meanwhile, on the command line for one.
        if !last_holders(tx, &user.id, &scopes, admin).await?.is_empty() {
            return Ok(None);
        }
        take_leave(tx, outbox, &user.id, now).await?;
        // The applications hear of it.
        sessions::end_all(tx, &user.id, None, Ending::of_everything(now)).await?;
        if !users::delete_due(tx, &user.id, now).await? {
            // The mail is taken back with everything else.
            return Err(Error::Conflict);
        }
        record(tx, &event).await?;
        Ok(Some(()))
    });
    match deleted.await {
        Ok(Some(())) => Ok(true),
        Ok(None) => {
            tracing::warn!(user_id = %user.id, "the last administrator is due to be deleted and stays until there is another one");
            Ok(false)
        }
        Err(Error::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells a person that they are deleted, as long as it is known where they are reached.
pub async fn take_leave(tx: &mut Tx, outbox: &Outbox, user: &UserId, now: Timestamp) -> Result<(), Error> {
    mail::notify(tx, outbox, user, Message::AccountDeleted, now).await
}
