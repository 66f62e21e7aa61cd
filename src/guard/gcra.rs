//! The generic cell rate algorithm (ITU-T I.371 annex A): a whole token bucket in one timestamp.
//!
//! The timestamp is the moment at which the bucket will be full again. What was taken and has not flowed back is the time from
//! now until then, divided by the interval of the rate. An absent timestamp is a full bucket.

use crate::config::Rate;

/// What a bucket says. Times are microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed {
        /// The bucket's new timestamp.
        full_at: i64,
        /// How many more may follow at once.
        remaining: u32,
    },
    /// Nothing was taken. After `retry_after`, and not before, one would be allowed.
    Refused { retry_after: i64 },
}

impl Decision {
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// How long a bucket takes to fill from empty.
pub fn capacity(rate: Rate) -> i64 {
    interval(rate).saturating_mul(i64::from(rate.burst()))
}

/// Takes one out of the bucket.
///
/// A timestamp further off than an empty bucket's was written before the clock went back: it counts as an empty bucket's, or
/// the clock's jump would be added to everybody's waiting.
pub fn take(full_at: Option<i64>, now: i64, rate: Rate) -> Decision {
    let capacity = capacity(rate);
    let empty = now.saturating_add(capacity);
    let next = full_at.unwrap_or(now).clamp(now, empty).saturating_add(interval(rate));
    if next > empty {
        return Decision::Refused { retry_after: next - empty };
    }
    let remaining = u32::try_from((empty - next) / interval(rate)).unwrap_or(u32::MAX);
    Decision::Allowed { full_at: next, remaining }
}

/// Adds one to what has been taken whether the bucket has it or not, up to `ceiling`: for counting what can't be prevented.
/// The new timestamp, and how many have been taken and not flowed back, this one included.
pub fn count(full_at: Option<i64>, now: i64, rate: Rate, ceiling: u32) -> (i64, u32) {
    let most = now.saturating_add(interval(rate).saturating_mul(i64::from(ceiling)));
    let next = full_at.unwrap_or(now).clamp(now, most).saturating_add(interval(rate)).min(most);
    (next, taken(next, now, rate))
}

/// How many have been taken and not flowed back.
pub fn taken(full_at: i64, now: i64, rate: Rate) -> u32 {
    let debt = full_at.saturating_sub(now).max(0);
    u32::try_from(debt.saturating_add(interval(rate) - 1) / interval(rate)).unwrap_or(u32::MAX)
}

fn interval(rate: Rate) -> i64 {
    i64::try_from(rate.interval()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_800_000_000_000_000;

    /// A bucket that is asked at these moments; which of them it allows.
    fn allowed(rate: Rate, moments: &[i64]) -> Vec<i64> {
        let mut full_at = None;
        let mut allowed = Vec::new();
        for &now in moments {
            if let Decision::Allowed { full_at: next, .. } = take(full_at, now, rate) {
                full_at = Some(next);
                allowed.push(now);
            }
        }
        allowed
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1..50_u32, 1..50_u32, 1..1_000_u32).prop_map(|(burst, count, seconds)| Rate::new(burst, count, seconds))
    }

    /// Moments in their order, with gaps from none to several intervals.
    fn moments() -> impl Strategy<Value = Vec<i64>> {
        let gap = prop_oneof![Just(0_i64), 0..100_000_i64, 0..50_000_000_i64, 0..5_000_000_000_i64];
        prop::collection::vec(gap, 1..200).prop_map(|gaps| {
            let mut now = NOON;
            gaps.into_iter()
                .map(|gap| {
                    now += gap;
                    now
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_burst_and_what_flows_back_in_it(rate in rates(), moments in moments()) {
            let allowed = allowed(rate, &moments);
            for (index, from) in allowed.iter().enumerate() {
                for (more, to) in allowed[index..].iter().enumerate() {
                    let most = i64::from(rate.burst()) + (to - from) / interval(rate);
                    prop_assert!(i64::try_from(more).unwrap() < most, "{} in {} us of {rate}", more + 1, to - from);
                }
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_let_in_and_not_a_moment_sooner(rate in rates(), moments in moments()) {
            let mut full_at = None;
            for now in moments {
                match take(full_at, now, rate) {
                    Decision::Allowed { full_at: next, .. } => full_at = Some(next),
                    Decision::Refused { retry_after } => {
                        prop_assert!(retry_after > 0);
                        prop_assert!(take(full_at, now + retry_after, rate).is_allowed());
                        prop_assert!(!take(full_at, now + retry_after - 1, rate).is_allowed());
                    }
                }
            }
        }

        #[test]
        fn what_remains_can_be_taken_at_once_and_no_more(rate in rates(), moments in moments()) {
            let mut bucket = None;
            for now in moments {
                if let Decision::Allowed { full_at, remaining } = take(bucket, now, rate) {
                    bucket = Some(full_at);
                    let at_once = vec![now; rate.burst() as usize + 1];
                    let mut rest = Some(full_at);
                    let taken = at_once.iter().filter(|now| match take(rest, **now, rate) {
                        Decision::Allowed { full_at, .. } => { rest = Some(full_at); true }
                        Decision::Refused { .. } => false,
                    });
                    prop_assert_eq!(u32::try_from(taken.count()).unwrap(), remaining);
                }
            }
        }

        #[test]
        fn a_clock_that_goes_back_keeps_nobody_waiting_longer_than_an_empty_bucket(rate in rates(), back in 0..1_000_000_000_000_i64) {
            let mut bucket = None;
            while let Decision::Allowed { full_at, .. } = take(bucket, NOON, rate) {
                bucket = Some(full_at);
            }
            match take(bucket, NOON - back, rate) {
                Decision::Refused { retry_after } => prop_assert!(retry_after <= interval(rate)),
                Decision::Allowed { .. } => prop_assert!(false, "the bucket was empty"),
            }
        }

        #[test]
        fn counting_never_refuses_and_stops_at_the_ceiling(rate in rates(), many in 1..100_u32, ceiling in 1..60_u32) {
            let mut bucket = None;
            for number in 1..=many {
                let (full_at, level) = count(bucket, NOON, rate, ceiling);
                bucket = Some(full_at);
                prop_assert_eq!(level, number.min(ceiling));
            }
        }
    }

    #[test]
    fn a_bucket_fills_again_by_one_in_each_interval() {
        let rate = Rate::new(10, 1, 6);
        let mut moments = vec![NOON; 12];
        moments.extend([NOON + 5_999_999, NOON + 6_000_000, NOON + 6_000_000, NOON + 12_000_000]);
        let allowed = allowed(rate, &moments);
        assert_eq!(allowed.len(), 12);
        assert_eq!(allowed[10..], [NOON + 6_000_000, NOON + 12_000_000]);
    }

    #[test]
    fn what_was_counted_flows_back() {
        let rate = Rate::per(20, 3_600);
        let mut bucket = None;
        for _ in 0..7 {
            bucket = Some(count(bucket, NOON, rate, 40).0);
        }
        let level = |after: i64| taken(bucket.unwrap(), NOON + after * 1_000_000, rate);
        assert_eq!([level(0), level(180), level(900), level(1_260), level(9_000)], [7, 6, 2, 0, 0]);
    }
}
