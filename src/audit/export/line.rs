//! JSON lines: an entry, a checkpoint, or an entry that waits to be sealed, exactly as they are stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::pages::Item;
use super::{as_json, details_of};
use crate::protocol::jwt::{decode, encode};
use crate::protocol::time::Timestamp;
use crate::storage::audit::chain::{Row, Sealed};
use crate::storage::error::Error;

/// A line that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a line of an exported audit log")]
pub struct Malformed;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Checkpoint(Checkpoint),
    Entry(Box<Entry>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    checkpoint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    id: String,
    /// RFC 3339, or microseconds where that has no word for it.
    occurred_at: Value,
    #[serde(rename = "type")]
    kind: String,
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    actor_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    trace_id: String,
    count: i64,
    /// The object, or its text where it is none that was written by us.
    details: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
    /// The chain has an entry with this id too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    copied: bool,
}

/// One line, without its end.
pub(super) fn write(item: Item) -> Result<String, Error> {
    let line = match item {
        Item::Checkpoint(checkpoint, _) => Line::Checkpoint(Checkpoint { checkpoint }),
        Item::Entry(Sealed { row, sequence, seal }) => {
            Line::Entry(Box::new(Entry { sequence: Some(sequence), seal: Some(encode(&seal)), ..entry(row) }))
        }
        Item::Waiting(row, copied) => Line::Entry(Box::new(Entry { copied, ..entry(row) })),
    };
    as_json(&line)
}

/// Reads a line, which has to be as it is written, to the byte: what reads otherwise elsewhere, such as an object with a member twice,
/// would be verified as one thing and taken for another.
pub fn read(line: &str) -> Result<Item, Malformed> {
    let item = parse(line)?;
    if write(item.clone()).is_ok_and(|written| written == line) { Ok(item) } else { Err(Malformed) }
}

fn parse(line: &str) -> Result<Item, Malformed> {
    let entry = match serde_json::from_str(line).map_err(|_| Malformed)? {
        Line::Checkpoint(Checkpoint { checkpoint }) => return Ok(Item::Checkpoint(checkpoint, None)),
        Line::Entry(entry) => *entry,
    };
    let (sequence, seal, copied) = (entry.sequence, entry.seal.as_deref().map(decode).transpose(), entry.copied);
    let row = Row {
        id: entry.id,
        occurred_at: instant(&entry.occurred_at).ok_or(Malformed)?,
        kind: entry.kind,
        outcome: entry.outcome,
        reason: entry.reason,
        actor_type: entry.actor_type,
        actor_id: entry.actor_id,
        client_id: entry.client_id,
        user_id: entry.user_id,
        address: entry.address,
        trace_id: entry.trace_id,
        count: entry.count,
        details: match entry.details {
            Value::String(text) => text,
            object => object.to_string(),
        },
        mac: entry.mac.as_deref().map(decode).transpose().map_err(|_| Malformed)?,
    };
    Ok(match (sequence, seal.map_err(|_| Malformed)?) {
        (Some(sequence), Some(seal)) => Item::Entry(Sealed { row, sequence, seal }),
        (None, None) => Item::Waiting(row, copied),
        _ => return Err(Malformed),
    })
}

fn entry(row: Row) -> Entry {
    let occurred_at = Value::String(row.occurred_at.rfc3339().unwrap_or_default());
    Entry {
        sequence: None,
        id: row.id,
        occurred_at: if instant(&occurred_at) == Some(row.occurred_at) {
            occurred_at
        } else {
            row.occurred_at.as_micros().into()
        },
        kind: row.kind,
        outcome: row.outcome,
        reason: row.reason,
        actor_type: row.actor_type,
        actor_id: row.actor_id,
        client_id: row.client_id,
        user_id: row.user_id,
        address: row.address,
        trace_id: row.trace_id,
        count: row.count,
        details: details_of(&row.details),
        mac: row.mac.as_deref().map(encode),
        seal: None,
        copied: false,
    }
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse_rfc3339(text),
        value => value.as_i64().map(Timestamp::from_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            id: "i".to_owned(),
            occurred_at: Timestamp::from_micros(1_800_000_000_123_456),
            kind: "user.login".to_owned(),
            outcome: "refused".to_owned(),
            reason: Some("wrong_password".to_owned()),
            actor_type: "user".to_owned(),
            actor_id: Some("a".to_owned()),
            client_id: None,
            user_id: Some(String::new()),
            address: Some("2001:db8::1".to_owned()),
            trace_id: "t".to_owned(),
            count: 3,
            details: "{\"é\":[1,null],\"b\":\"\u{2028}\"}".to_owned(),
            mac: Some(vec![1, 2, 3]),
        }
    }

    #[test]
    fn every_line_reads_back_exactly() {
        let odd = Row { occurred_at: Timestamp::from_micros(i64::MAX), details: "{ \"a\": 1}".to_owned(), mac: None, ..row() };
        for item in [
            Item::Entry(Sealed { row: row(), sequence: 7, seal: vec![9; 32] }),
            Item::Entry(Sealed { row: odd.clone(), sequence: 8, seal: Vec::new() }),
            Item::Checkpoint("a.b.c".to_owned(), None),
            Item::Waiting(row(), false),
            Item::Waiting(odd, true),
        ] {
            let line = write(item.clone()).unwrap();
            assert!(!line.contains(['\n', '\u{2028}']), "{line}");
            assert_eq!(read(&line), Ok(item));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let entry = write(Item::Waiting(row(), false)).unwrap();
        // One that a reader could take for another than we do: with a name twice, or one of the other kind.
        let ambiguous = [
            entry.replacen('{', "{\"outcome\":\"success\",", 1),
            entry.replacen('{', "{\"checkpoint\":\"a.b.c\",", 1),
            entry.replacen('{', "{\"unknown\":1,", 1),
            "{\"checkpoint\":\"a.b.c\",\"checkpoint\":\"d.e.f\"}".to_owned(),
            entry.replacen("\"details\":{", "\"details\":{\"b\":\"other\",", 1),
            entry.replacen(':', ": ", 1),
        ];
        let others = ["", "{}", "[]", "{\"checkpoint\":1}", "{\"sequence\":1}"].map(str::to_owned);
        for line in others.into_iter().chain(ambiguous) {
            assert_eq!(read(&line), Err(Malformed), "{line}");
        }
    }
}
