//! How long jobs that bring something to another server wait.

use std::time::Duration;

use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// How long they sleep at most: what a dead node left behind makes no noise.
pub(super) const POLL: Seconds = Seconds(10);

/// Before the second attempt; doubled each time.
const FIRST_PAUSE: Seconds = Seconds(5);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Seconds = Seconds::hours(1);

pub(super) fn duration(span: Seconds) -> Duration {
    Duration::from_secs(span.0.unsigned_abs())
}

/// From `now` to `then`, and not longer than [`POLL`].
pub(super) fn wait(now: Timestamp, then: Timestamp) -> Duration {
    let micros = then.as_micros().saturating_sub(now.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default()).min(duration(POLL))
}

/// Before the attempt after the nth: 5 s, 10 s, 20 s … 1 h, and up to a quarter more, so that what failed together doesn't come
/// together.
pub(super) fn pause(attempts: i64) -> Seconds {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or_default();
    let pause = FIRST_PAUSE.0.saturating_mul(1 << doublings).min(LONGEST_PAUSE.0);
    let most = u64::try_from(pause / 4).unwrap_or_default() + 1;
    Seconds(pause + i64::try_from(u64::from_le_bytes(random::bytes()) % most).unwrap_or_default())
}
