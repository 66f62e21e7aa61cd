//! Keeps the hasher informed of what kinds of hashes people have: [`crate::authn::password::learn`].

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::authn::password::{PasswordHasher, learn};
use crate::storage::db::Db;

/// How often.
const INTERVAL: Duration = Duration::from_mins(10);

/// Looks for as long as the server runs: spawn it, it doesn't end.
pub async fn run(hasher: PasswordHasher, db: Db) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = learn(&hasher, &db).await {
            tracing::warn!(%error, "the kinds of password hashes could not be counted; the next attempt follows in ten minutes");
        }
    }
}
