//! Notices when far more logins fail than usual, wherever they come from: an attack spread over many addresses and accounts.

use std::sync::{Mutex, PoisonError};

use crate::config::Rate;
use crate::protocol::time::Timestamp;

/// Minutes that count as now.
const MINUTES: usize = 5;

/// After so many nothing of what was recent is left.
const GONE: i64 = 10;

/// Fewer failures than this in that time are nobody's attack.
const FEWEST: u32 = 50;

/// How many times the usual is too many.
const TIMES: f64 = 5.0;

/// Failures to a success that are taken for usual where nothing is known, or less was seen.
const USUAL: f64 = 0.2;

/// What a minute that is past weighs after another one: half of it in about eleven hours.
const DECAY: f64 = 0.999;

/// Failures and successes of this node.
#[derive(Debug, Default)]
pub struct Surge(Mutex<Counts>);

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    failures: u32,
    successes: u32,
}

#[derive(Debug, Default)]
struct Counts {
    /// Since 1970.
    minute: i64,
    /// The present minute first.
    recent: [Minute; MINUTES],
    /// Before that, the older the less.
    usual_failures: f64,
    usual_successes: f64,
}

impl Surge {
    /// A success of one account counts once in the time that counts as now.
    pub const WINDOW: Rate = Rate::per(1, 300);

    pub fn record(&self, success: bool, now: Timestamp) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.advance(now);
        let minute = &mut counts.recent[0];
        let count = if success { &mut minute.successes } else { &mut minute.failures };
        *count = count.saturating_add(1);
    }

    /// Whether there are so many failures to a success that everybody who isn't known should prove some work.
    pub fn is_on(&self, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.advance(now);
        counts.is_surging()
    }
}

impl Counts {
    fn advance(&mut self, now: Timestamp) {
        let minute = now.as_seconds().div_euclid(60);
        for _ in 0..(minute - self.minute).clamp(0, GONE) {
            // What an attack is made of is not usual.
            let past = if self.is_surging() { Minute::default() } else { self.recent[MINUTES - 1] };
            self.usual_failures = self.usual_failures * DECAY + f64::from(past.failures);
            self.usual_successes = self.usual_successes * DECAY + f64::from(past.successes);
            self.recent.rotate_right(1);
            self.recent[0] = Minute::default();
        }
        self.minute = self.minute.max(minute);
    }

    fn is_surging(&self) -> bool {
        let sum = |count: fn(&Minute) -> u32| self.recent.iter().map(count).fold(0_u32, u32::saturating_add);
        let (failures, successes) = (sum(|minute| minute.failures), sum(|minute| minute.successes));
        let usual = (self.usual_failures / self.usual_successes.max(1.0)).max(USUAL);
        failures >= FEWEST && f64::from(failures) / f64::from(successes.max(1)) > TIMES * usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Seconds;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn minutes(surge: &Surge, from: i64, to: i64, failures: u32, successes: u32) {
        for minute in from..to {
            let now = NOON + Seconds::minutes(minute);
            (0..failures).for_each(|_| surge.record(false, now));
            (0..successes).for_each(|_| surge.record(true, now));
        }
    }

    fn is_on(surge: &Surge, minute: i64) -> bool {
        surge.is_on(NOON + Seconds::minutes(minute))
    }

    #[test]
    fn an_ordinary_day_is_no_surge() {
        let surge = Surge::default();
        for hour in 0..24 {
            minutes(&surge, hour * 60, hour * 60 + 60, 10, 50);
            assert!(!is_on(&surge, hour * 60 + 59));
        }
    }

    #[test]
    fn a_few_people_who_forgot_their_passwords_are_no_surge() {
        let surge = Surge::default();
        minutes(&surge, 0, 5, 9, 0);
        assert!(!is_on(&surge, 4));
    }

    #[test]
    fn far_more_failures_than_usual_are_one_until_it_is_over() {
        let surge = Surge::default();
        minutes(&surge, 0, 600, 10, 50);
        minutes(&surge, 600, 603, 200, 50);
        assert!(is_on(&surge, 603));
        minutes(&surge, 603, 660, 200, 50);
        assert!(is_on(&surge, 660), "an attack does not become usual");
        minutes(&surge, 660, 666, 10, 50);
        assert!(!is_on(&surge, 666));
    }

    #[test]
    fn what_is_usual_here_may_be_much_elsewhere() {
        let surge = Surge::default();
        // Half of all attempts fail, always.
        minutes(&surge, 0, 1_000, 50, 50);
        minutes(&surge, 1_000, 1_005, 100, 50);
        assert!(!is_on(&surge, 1_004));
    }
}
