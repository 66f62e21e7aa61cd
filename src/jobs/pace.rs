//! How long jobs wait, and how much they do at once.

use std::time::Duration;

use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// How long they sleep at most: what a dead node left behind makes no noise.
pub(super) const POLL: Seconds = Seconds(10);

/// Before the second attempt; doubled each time.
const FIRST_PAUSE: Seconds = Seconds(5);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Seconds = Seconds::hours(1);

/// What one transaction of a job may take: others wait for it.
const LONGEST: Duration = Duration::from_millis(20);

/// How many rows go into one transaction of a job: fewer when the last one took longer than others may wait, more when it took less
/// than half. What a row costs nobody knows before: rows far apart on a slow disk take a hundred times as long as those in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    rows: i64,
    least: i64,
    most: i64,
}

impl Batch {
    pub const fn between(least: i64, most: i64) -> Self {
        Self { rows: least, least, most }
    }

    pub fn rows(self) -> i64 {
        self.rows
    }

    pub fn took(&mut self, time: Duration) {
        let next = match time {
            time if time > LONGEST => self.rows / 2,
            time if time < LONGEST / 2 => self.rows * 2,
            _ => self.rows,
        };
        self.rows = next.clamp(self.least, self.most);
    }
}

/// Deletes until nothing is left: `delete` says what goes in one transaction, of at most so many rows, and how many went.
macro_rules! delete_all {
    ($db:expr, |$tx:ident, $rows:ident| $delete:expr) => {{
        let mut batch = $crate::jobs::pace::Batch::between(16, 256);
        loop {
            let $rows = batch.rows();
            let deleted = $db.write(async |$tx| {
                let begun = std::time::Instant::now();
                let deleted = $delete.await?;
                Ok((deleted, begun.elapsed()))
            });
            let (deleted, took) = deleted.await?;
            if deleted == 0 {
                break;
            }
            $crate::telemetry::metrics::CLEANUP_TIME.took(took);
            batch.took(took);
        }
    }};
}
pub(super) use delete_all;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_becomes_as_large_as_nobody_waits_for() {
        let mut batch = Batch::between(16, 512);
        let rows: Vec<_> = [1, 1, 1, 1, 1, 1, 15, 200, 200, 9, 15]
            .into_iter()
            .map(|millis| {
                batch.took(Duration::from_millis(millis));
                batch.rows()
            })
            .collect();
        assert_eq!(rows, [32, 64, 128, 256, 512, 512, 512, 256, 128, 256, 256]);
        for _ in 0..9 {
            batch.took(Duration::from_secs(1));
        }
        assert_eq!(batch.rows(), 16);
    }
}
