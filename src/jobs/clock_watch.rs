//! Raises the alarm when the system's clock was set back.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::clock::{Clock, TOLERANCE};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How often it is said again.
const AGAIN: Duration = Duration::from_mins(10);

/// Watches the clock for as long as the server runs: spawn it, it doesn't end.
pub async fn run(clock: Clock) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let behind = clock.behind();
        if behind <= TOLERANCE {
            said = None;
        } else if said.is_none_or(|said| said.elapsed() >= AGAIN) {
            tracing::error!(
                seconds = behind.as_secs(),
                "the system's clock was set back: time goes on from where it was. If the clock is right now, restart the server"
            );
            said = Some(Instant::now());
        }
    }
}
