//! Where something stands in a trace (W3C Trace Context §3.2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random;
use crate::telemetry::TraceId;

/// The id of a span. It is never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl SpanId {
    pub fn random() -> Self {
        Self::of(u64::from_le_bytes(random::bytes()))
    }

    /// That of the nth span after this one.
    #[must_use]
    pub fn after(self, index: usize) -> Self {
        Self::of(self.0.wrapping_add(index as u64).wrapping_add(1))
    }

    const fn of(number: u64) -> Self {
        Self(if number == 0 { 1 } else { number })
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A span of a trace, and whether the trace is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub trace: TraceId,
    pub span: SpanId,
    pub sampled: bool,
}

impl Context {
    /// Reads `traceparent` (§3.2.2). A later version may say more behind what is read here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex =
            |text: &str, length| text.len() == length && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !known || !is_hex(span, 16) || !is_hex(flags, 2) || trace.bytes().all(|digit| digit == b'0') {
            return None;
        }
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span > 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace: TraceId::parse(trace)?, span: SpanId(span), sampled })
    }
}

/// As `traceparent` has it.
impl fmt::Display for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, sampled } = self;
        write!(formatter, "00-{trace}-{span}-{:02x}", u8::from(*sampled))
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no traceparent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read_again() {
        let context = Context::parse(EXAMPLE).unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), EXAMPLE);
        let json = serde_json::to_string(&context).unwrap();
        assert_eq!(serde_json::from_str::<Context>(&json).unwrap(), context);
        let own = Context { trace: TraceId::random(), span: SpanId::random(), sampled: false };
        assert_eq!(Context::parse(&own.to_string()), Some(own));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert_eq!(Context::parse(text), None, "{text}");
        }
        let later = EXAMPLE.replacen("00", "01", 1) + "-more";
        assert!(Context::parse(&later).is_some(), "of a later version the known part counts");
    }

    #[test]
    fn no_span_has_the_id_zero() {
        assert_eq!(SpanId(u64::MAX).after(0), SpanId(1));
        assert_eq!(SpanId(7).after(0), SpanId(8));
    }
}
