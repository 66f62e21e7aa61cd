//! The one place that reads the system's clock. Everything else is handed a [`Timestamp`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::protocol::time::Timestamp;

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Fixed>>);

/// A test's clock.
#[derive(Debug)]
struct Fixed {
    micros: AtomicI64,
    /// Microseconds.
    slept: AtomicU64,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn fixed(start: Timestamp) -> Self {
        Self(Some(Arc::new(Fixed { micros: AtomicI64::new(start.as_micros()), slept: AtomicU64::new(0) })))
    }

    /// The present moment. Read it once a request and pass it down.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(fixed) => Timestamp::from_micros(fixed.micros.load(Ordering::SeqCst)),
            None => system_now(),
        }
    }

    /// Moves a fixed clock by `seconds`; the system's clock is not moved.
    pub fn advance(&self, seconds: i64) {
        if let Some(fixed) = &self.0 {
            fixed.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        }
    }

    /// Waits. A fixed clock notes how long, and lets the test go on.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Some(fixed) => {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                fixed.slept.fetch_add(micros, Ordering::SeqCst);
            }
            None => tokio::time::sleep(duration).await,
        }
    }

    /// How long everybody together would have slept on a fixed clock.
    pub fn slept(&self) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, |fixed| fixed.slept.load(Ordering::SeqCst)))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the system's clock")]
fn system_now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
