//! What proves the audit log: the bytes of an entry that are marked and sealed, and what a checkpoint says.
//!
//! docs/audit.md describes the same for programs of others. Nothing here may change for entries that are stored already.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The `typ` of a checkpoint.
pub const CHECKPOINT_TYPE: &str = "ostiary-checkpoint+jws";

/// An entry, exactly as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'e> {
    pub id: &'e str,
    pub occurred_at: Timestamp,
    pub kind: &'e str,
    pub outcome: &'e str,
    pub reason: Option<&'e str>,
    pub actor_type: &'e str,
    pub actor_id: Option<&'e str>,
    pub client_id: Option<&'e str>,
    pub user_id: Option<&'e str>,
    pub address: Option<&'e str>,
    pub trace_id: &'e str,
    pub count: i64,
    /// The text of a JSON object.
    pub details: &'e str,
}

impl Fields<'_> {
    /// The entry as bytes: its fields in the order above, numbers as decimal digits. No two entries have the same bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let (occurred_at, count) = (self.occurred_at.as_micros().to_string(), self.count.to_string());
        let mut bytes = Vec::with_capacity(512);
        for field in [
            Some(self.id),
            Some(occurred_at.as_str()),
            Some(self.kind),
            Some(self.outcome),
            self.reason,
            Some(self.actor_type),
            self.actor_id,
            self.client_id,
            self.user_id,
            self.address,
            Some(self.trace_id),
            Some(count.as_str()),
            Some(self.details),
        ] {
            put(&mut bytes, field.map(str::as_bytes));
        }
        bytes
    }

    /// What the seal of the entry at `sequence` is computed of.
    pub fn to_seal(&self, previous: &[u8; 32], sequence: i64, mac: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = previous.to_vec();
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&self.canonical());
        put(&mut bytes, mac);
        bytes
    }
}

/// A field: 0 when there is none; otherwise 1, its length in four bytes, and itself.
fn put(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
    let Some(field) = field else {
        bytes.push(0);
        return;
    };
    bytes.push(1);
    bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(field);
}

/// Why a checkpoint was made when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The first one.
    Beginning,
    Interval,
    /// A signing key was made, began to sign, or was retired.
    Keys,
    Shutdown,
}

/// What a checkpoint says: how the chain stood at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// From 1 on, without a gap.
    pub number: i64,
    /// Of the last entry; 0 for none.
    pub sequence: i64,
    /// Of that entry, in base64url.
    pub seal: String,
    /// Seconds since 1970.
    pub iat: i64,
    pub occasion: Occasion,
    /// SHA-256 of the checkpoint before, as it was written down, in base64url; absent in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields<'static> {
        Fields {
            id: "i",
            occurred_at: Timestamp::from_micros(12),
            kind: "user.login",
            outcome: "refused",
            reason: None,
            actor_type: "anonymous",
            actor_id: None,
            client_id: Some(""),
            user_id: Some("é"),
            address: None,
            trace_id: "t",
            count: 1,
            details: "{}",
        }
    }

    /// As docs/audit.md says it, byte for byte.
    #[test]
    fn the_bytes_of_an_entry_never_change() {
        let expected = [
            b"\x01\0\0\0\x01i\x01\0\0\0\x0212\x01\0\0\0\x0auser.login\x01\0\0\0\x07refused\0".as_slice(),
            b"\x01\0\0\0\x09anonymous\0\x01\0\0\0\0\x01\0\0\0\x02\xc3\xa9\0\x01\0\0\0\x01t\x01\0\0\0\x011\x01\0\0\0\x02{}",
        ];
        assert_eq!(fields().canonical(), expected.concat());
        let sealed = fields().to_seal(&[7; 32], 258, Some(&[9]));
        let (previous, rest) = sealed.split_at(32);
        assert_eq!((previous, &rest[..8]), ([7; 32].as_slice(), [0, 0, 0, 0, 0, 0, 1, 2].as_slice()));
        assert_eq!(rest[8..], [expected.concat(), vec![1, 0, 0, 0, 1, 9]].concat());
    }

    #[test]
    fn entries_that_differ_anywhere_have_other_bytes() {
        let all = [
            fields(),
            Fields { client_id: None, ..fields() },
            Fields { reason: Some(""), ..fields() },
            Fields { reason: Some("anonymous"), actor_type: "", ..fields() },
            Fields { count: 11, ..fields() },
            Fields { trace_id: "t1", count: 1, ..fields() },
            Fields { details: "{ }", ..fields() },
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(Fields::canonical).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
