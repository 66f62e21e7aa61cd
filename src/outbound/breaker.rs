//! A circuit breaker before another server: after a failure nobody tries for a while, then one does for all.

use std::sync::{Mutex, PoisonError};

use crate::protocol::time::{Seconds, Timestamp};

/// After the first failure; doubled after each that follows.
const FIRST: Seconds = Seconds(5);

/// A code is worth nothing after ten minutes: whoever waits for one shall get it soon after the server works again.
const LONGEST: Seconds = Seconds(60);

/// Of one server.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// When somebody may try again.
    until: Option<Timestamp>,
}

impl Breaker {
    /// Until when nobody may try.
    pub fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.with(|state| state.until.filter(|until| now < *until))
    }

    /// Whether the last attempt failed: the next one shows how things are, and goes alone.
    pub fn is_unsure(&self) -> bool {
        self.with(|state| state.failures > 0)
    }

    /// The server answered as it should.
    pub fn works(&self) {
        let failures = self.with(|state| std::mem::take(state).failures);
        if failures > 0 {
            tracing::info!(failures, "a server that failed works again");
        }
    }

    /// The server failed; gives when it may be tried again. Failures of mails that were sent at once count as one.
    pub fn fails(&self, now: Timestamp) -> Timestamp {
        self.with(|state| {
            if let Some(until) = state.until.filter(|until| now < *until) {
                return until;
            }
            let pause = FIRST.0.saturating_mul(1 << state.failures.min(8)).min(LONGEST.0);
            let until = now + Seconds(pause);
            *state = State { failures: state.failures.saturating_add(1), until: Some(until) };
            until
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_pause_up_to_a_minute() {
        let breaker = Breaker::default();
        let mut now = at(0);
        for expected in [5, 10, 20, 40, 60, 60] {
            let until = breaker.fails(now);
            assert_eq!(until, now + Seconds(expected));
            assert_eq!(breaker.closed_until(now), Some(until));
            assert_eq!(breaker.closed_until(until), None, "then somebody may try");
            assert!(breaker.is_unsure());
            now = until;
        }
        breaker.works();
        assert!(!breaker.is_unsure());
        assert_eq!(breaker.fails(now), now + Seconds(5));
    }

    #[test]
    fn failures_at_the_same_time_are_one() {
        let breaker = Breaker::default();
        assert_eq!(breaker.fails(at(0)), at(5));
        assert_eq!(breaker.fails(at(1)), at(5));
        assert_eq!(breaker.fails(at(5)), at(15));
    }
}
