//! Rotates the signing keys when it is time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::Clock;
use crate::keys::ring::KeyRing;
use crate::protocol::time::Timestamp;
use crate::random;
use crate::storage::audit::{Actor, Event, Outcome};
use crate::storage::db::Db;
use crate::telemetry::metrics::job_ran;

/// How often the schedule is looked at. Its steps are hours or days apart; of several nodes, the one that comes first does them.
const INTERVAL: Duration = Duration::from_mins(5);

/// Looks after the keys as long as the server runs: spawn it, it doesn't end. [`KeyRing::open`] has just done so when it begins.
pub async fn run(keys: Arc<KeyRing>, db: Db, clock: Clock) {
    let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let event = by_the_server(clock.now());
        let maintained = keys.maintain(&db, &event).await;
        job_ran("key_rotation", clock.now(), &maintained);
        if let Err(error) = maintained {
            tracing::warn!(%error, "the signing keys could not be looked after; the next attempt follows in five minutes");
        }
    }
}

/// For the audit log: done by the server itself, at `now`. The ring fills in what was done.
pub fn by_the_server(now: Timestamp) -> Event {
    Event {
        at: now,
        kind: "key.created",
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::System,
        client_id: None,
        user_id: None,
        address: None,
        trace_id: random::identifier(),
        count: 1,
        details: serde_json::Map::new(),
    }
}
