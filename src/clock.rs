//! The one place that reads the system's clock. Everything else is handed a [`Timestamp`].
//!
//! Time does not go back here. What has expired stays so when somebody sets the system's clock back: a code, a one-time password
//! and a proof that were good once are not good again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::time::Timestamp;

/// As long as the system's clock is no further behind than this, time stands still until it has caught up; it does so after a leap
/// second, or when it is set by the network. From there on time goes on as if nothing had happened, and [`Clock::behind`] tells.
pub const TOLERANCE: Duration = Duration::from_secs(30);

/// Where the time comes from: the system, or a test's hand. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    steady: Mutex<Steady>,
}

#[derive(Debug)]
enum Source {
    /// With the moment at which the clock was made.
    System(Instant),
    Hand(Hand),
}

/// A test's clock. All in microseconds.
#[derive(Debug)]
struct Hand {
    /// As the system would tell it.
    wall: AtomicI64,
    /// What has passed, whatever was set.
    passed: AtomicU64,
    slept: AtomicU64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::of(Source::System(Instant::now()))
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn fixed(start: Timestamp) -> Self {
        let wall = AtomicI64::new(start.as_micros());
        Self::of(Source::Hand(Hand { wall, passed: AtomicU64::new(0), slept: AtomicU64::new(0) }))
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Inner { source, steady: Mutex::default() }))
    }

    /// The present moment. Read it once a request and pass it down.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.tell().told)
    }

    /// How far the system's clock is behind the time that was told already.
    pub fn behind(&self) -> Duration {
        self.tell().behind
    }

    fn tell(&self) -> Steady {
        let mut steady = self.0.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, passed) = match &self.0.source {
            Source::System(since) => (system_now(), micros(since.elapsed())),
            Source::Hand(hand) => (hand.wall.load(Ordering::SeqCst), hand.passed.load(Ordering::SeqCst)),
        };
        *steady = steady.next(wall, passed);
        *steady
    }

    /// Lets `seconds` pass on a fixed clock; the system's clock is not moved.
    pub fn advance(&self, seconds: i64) {
        if let Source::Hand(hand) = &self.0.source {
            hand.wall.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
            hand.passed.fetch_add(seconds.unsigned_abs() * 1_000_000, Ordering::SeqCst);
        }
    }

    /// Sets a fixed clock, by so many seconds, as somebody sets the system's: no time passes.
    pub fn set(&self, seconds: i64) {
        if let Source::Hand(hand) = &self.0.source {
            // What was told up to now, was told.
            self.tell();
            hand.wall.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        }
    }

    /// Waits. A fixed clock notes how long, and lets the test go on.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0.source {
            Source::Hand(hand) => {
                hand.slept.fetch_add(micros(duration), Ordering::SeqCst);
            }
            Source::System(_) => tokio::time::sleep(duration).await,
        }
    }

    /// How long everybody together would have slept on a fixed clock.
    pub fn slept(&self) -> Duration {
        match &self.0.source {
            Source::Hand(hand) => Duration::from_micros(hand.slept.load(Ordering::SeqCst)),
            Source::System(_) => Duration::ZERO,
        }
    }
}

/// What was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Steady {
    /// Microseconds since 1970.
    told: i64,
    /// Microseconds that had passed then, by a clock that nobody sets.
    passed: u64,
    behind: Duration,
}

impl Steady {
    /// What is told now, when the system says `wall` and `passed` has passed.
    fn next(self, wall: i64, passed: u64) -> Self {
        let behind = u64::try_from(self.told.saturating_sub(wall)).map_or(Duration::ZERO, Duration::from_micros);
        let told = if behind.is_zero() {
            wall
        } else if behind <= TOLERANCE {
            self.told
        } else {
            self.told.saturating_add_unsigned(passed.saturating_sub(self.passed))
        };
        Self { told, passed, behind }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the system's clock")]
fn system_now() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seconds(clock: &Clock) -> i64 {
        clock.now().as_seconds() - START.as_seconds()
    }

    #[test]
    fn a_clock_that_is_set_ahead_is_followed() {
        let clock = Clock::fixed(START);
        clock.set(3_600);
        assert_eq!((seconds(&clock), clock.behind()), (3_600, Duration::ZERO));
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_is_waited_for() {
        let clock = Clock::fixed(START);
        clock.set(-20);
        for (passes, told, behind) in [(0, 0, 20), (5, 0, 15), (15, 0, 0), (1, 1, 0)] {
            clock.advance(passes);
            assert_eq!((seconds(&clock), clock.behind()), (told, Duration::from_secs(behind)));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_far_is_told_of_and_time_goes_on() {
        let clock = Clock::fixed(START);
        clock.set(-3_600);
        assert_eq!((seconds(&clock), clock.behind()), (0, Duration::from_hours(1)));
        clock.advance(60);
        assert_eq!(seconds(&clock), 60);
        clock.set(3_600);
        assert_eq!((seconds(&clock), clock.behind()), (60, Duration::ZERO));
        clock.advance(1);
        assert_eq!(seconds(&clock), 61);
    }

    #[test]
    fn the_systems_clock_is_told_as_it_is() {
        let clock = Clock::system();
        let told = clock.now().as_micros();
        assert!((0..1_000_000).contains(&(system_now() - told)));
        assert!(clock.now().as_micros() >= told);
    }
}
