//! How often something may be done: `"10; 1/6s"` is ten at once and then one in six seconds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1_000_000;

/// The most that one bucket holds, and the longest that it takes to fill: far from where microseconds overflow.
const MAX_COUNT: u32 = 1_000_000;
const MAX_SECONDS: u32 = 31 * 86_400;

/// Units of time, the longest first: the first that a period is a whole number of is the one it is written in.
const UNITS: [(&str, u32); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A bucket of `burst`, which `count` in each `seconds` flow back into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rate {
    burst: u32,
    count: u32,
    seconds: u32,
}

impl Rate {
    /// `burst` at once, then `count` in `seconds`. None of them is 0.
    pub const fn new(burst: u32, count: u32, seconds: u32) -> Self {
        Self { burst, count, seconds }
    }

    /// `count` in `seconds`, all of them at once if need be.
    pub const fn per(count: u32, seconds: u32) -> Self {
        Self::new(count, count, seconds)
    }

    /// What may be done at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// So many times as much.
    #[must_use]
    pub const fn times(self, many: u32) -> Self {
        Self { burst: self.burst.saturating_mul(many), count: self.count.saturating_mul(many), seconds: self.seconds }
    }

    /// The share of one among so many: at least one at once.
    #[must_use]
    pub const fn share(self, many: u32) -> Self {
        let burst = if self.burst < many { 1 } else { self.burst / many };
        Self { burst, count: self.count, seconds: self.seconds.saturating_mul(many) }
    }

    /// Microseconds until one more may be done.
    pub const fn interval(self) -> u64 {
        let micros = self.seconds as u64 * SECOND / self.count as u64;
        if micros == 0 { 1 } else { micros }
    }
}

/// A rate must look like `"10; 1/6s"`, or `"5/15m"` for `"5; 5/15m"`; the units are s, m, h, d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate looks like \"10; 1/6s\" (10 at once, then one in 6 seconds) or \"5/15m\"; the units are s, m, h and d")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (burst, sustained) = match text.split_once(';') {
            Some((burst, sustained)) => (Some(burst), sustained),
            None => (None, text),
        };
        let (count, period) = sustained.split_once('/').ok_or(InvalidRate)?;
        let count = number(count)?;
        let burst = burst.map_or(Ok(count), number)?;
        let period = period.trim();
        let unit = UNITS.into_iter().find(|(unit, _)| period.ends_with(unit)).ok_or(InvalidRate)?;
        let many = period.trim_end_matches(unit.0);
        let many = if many.is_empty() { 1 } else { number(many)? };
        let seconds = many.checked_mul(unit.1).filter(|seconds| *seconds <= MAX_SECONDS).ok_or(InvalidRate)?;
        Ok(Self { burst, count, seconds })
    }
}

fn number(text: &str) -> Result<u32, InvalidRate> {
    text.trim().parse().ok().filter(|number| (1..=MAX_COUNT).contains(number)).ok_or(InvalidRate)
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.burst != self.count {
            write!(formatter, "{}; ", self.burst)?;
        }
        let (unit, length) = UNITS.into_iter().find(|(_, length)| self.seconds.is_multiple_of(*length)).unwrap_or(("s", 1));
        write!(formatter, "{}/", self.count)?;
        match self.seconds / length {
            1 => write!(formatter, "{unit}"),
            many => write!(formatter, "{many}{unit}"),
        }
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidRate;

    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for (text, rate) in [
            ("10; 1/6s", Rate::new(10, 1, 6)),
            ("5/15m", Rate::per(5, 900)),
            ("60; 10/s", Rate::new(60, 10, 1)),
            ("15/3h", Rate::per(15, 10_800)),
            ("10/d", Rate::per(10, 86_400)),
            ("1/90s", Rate::per(1, 90)),
        ] {
            assert_eq!(text.parse(), Ok(rate), "{text}");
            assert_eq!(rate.to_string(), text);
        }
        assert_eq!("10;1/6s".parse(), Ok(Rate::new(10, 1, 6)));
        assert_eq!(" 5 / 15 m ".parse(), Ok(Rate::per(5, 900)));
    }

    #[test]
    fn shares_of_a_rate_add_up_to_it() {
        let rate = Rate::new(60, 5, 1);
        assert_eq!((rate.share(4).burst(), rate.share(4).interval()), (15, 800_000));
        assert_eq!((rate.times(5).burst(), rate.times(5).interval()), (300, 40_000));
        assert_eq!(Rate::per(3, 3_600).share(4).burst(), 1);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "10",
            "10/",
            "/s",
            "10/x",
            "0/s",
            "10/0s",
            "10; 0/s",
            "-1/s",
            "10; 1/6s; 3",
            "1/9999999d",
            "9999999999/s",
            "1/s s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text:?}");
        }
    }
}
