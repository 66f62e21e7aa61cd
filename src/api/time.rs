//! Times as the API writes and reads them: RFC 3339, in UTC.

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::protocol::time::Timestamp;

/// A point in time in an answer: `2026-11-22T09:30:00.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.rfc3339().ok_or_else(|| serde::ser::Error::custom("a time beyond RFC 3339"))?;
        serializer.serialize_str(&text)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }
}

impl ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        let time = Timestamp::from_micros(1_795_339_800_123_456);
        let written = serde_json::to_value(Time(time)).unwrap();
        assert_eq!(written, "2026-11-22T09:30:00.123456Z");
        assert_eq!(Timestamp::parse_rfc3339(written.as_str().unwrap()), Some(time));
        assert_eq!(Timestamp::parse_rfc3339("2026-11-22T10:30:00.123456+01:00"), Some(time));
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
