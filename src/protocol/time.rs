//! Points in time and spans, as numbers that both databases store alike.

use std::ops::{Add, Sub};

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// As text in UTC, with its fraction of a second if it has one (RFC 3339). `None`: beyond the years that it has words for.
    pub fn rfc3339(self) -> Option<String> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).ok()?.format(&Rfc3339).ok()
    }

    /// Reads RFC 3339 in any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos() / 1_000).ok().map(Self::from_micros)
    }

    /// Whole seconds: a JWT's `NumericDate` (RFC 7519 §2).
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// A span of whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub i64);

impl Seconds {
    pub const fn minutes(minutes: i64) -> Self {
        Self(minutes * 60)
    }

    pub const fn hours(hours: i64) -> Self {
        Self(hours * 3_600)
    }

    pub const fn days(days: i64) -> Self {
        Self(days * 86_400)
    }
}

impl Add<Seconds> for Timestamp {
    type Output = Self;

    fn add(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0.saturating_mul(1_000_000)))
    }
}

impl Sub<Seconds> for Timestamp {
    type Output = Self;

    fn sub(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.0.saturating_mul(1_000_000)))
    }
}
