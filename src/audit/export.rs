//! The audit log as text: JSON lines, from which it can be verified, and CSV for spreadsheets.

mod line;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use line::{Malformed, read};

use super::pages::{Item, Pages};
use crate::keys::evidence::EvidenceKey;
use crate::keys::root::SealedRoot;
use crate::protocol::jwt::{decode, encode};
use crate::protocol::printable::{printable, printable_json};
use crate::protocol::time::Timestamp;
use crate::storage::audit::AuditFilter;
use crate::storage::audit::chain::{Head, Row};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::master_keys;

/// Which of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Jsonl,
    Csv,
}

impl Format {
    pub const ALL: [Self; 2] = [Self::Jsonl, Self::Csv];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// The first of the JSON lines: what it takes to verify the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Of this form.
    pub ostiary_audit_log: i64,
    pub exported_at: String,
    /// Whether every entry is here, and every checkpoint.
    pub whole: bool,
    /// The key, sealed with the root, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The root, sealed with each master key that was accepted.
    #[serde(default, skip_serializing_if = "SealedRoot::is_empty")]
    pub root: SealedRoot,
    /// Where the chain ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

impl Header {
    pub const VERSION: i64 = 1;

    pub fn head(&self) -> Option<Head> {
        Some(Head { sequence: self.sequence?, seal: decode(self.seal.as_ref()?).ok()?.try_into().ok()? })
    }

    pub fn sealed_key(&self) -> Option<Vec<u8>> {
        decode(self.key.as_ref()?).ok()
    }
}

/// Writes the log as text, a page at a time.
pub struct Export {
    pages: Pages,
    format: Format,
    header: Option<String>,
}

impl Export {
    /// Of the entries that the filter lets through. With the `key`, whoever has the master key can verify the lines anywhere.
    pub async fn open(
        db: &Db,
        filter: AuditFilter,
        format: Format,
        key: Option<&EvidenceKey>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let whole = filter == AuditFilter::default();
        let pages = Pages::open(db, filter).await?;
        let root = match key {
            Some(_) => SealedRoot::from(master_keys::list(&mut db.read().await?).await?.as_slice()),
            None => SealedRoot::default(),
        };
        let header = Header {
            ostiary_audit_log: Header::VERSION,
            exported_at: now.rfc3339().unwrap_or_default(),
            whole,
            key: key.map(|key| encode(key.sealed())),
            root,
            sequence: pages.head().map(|head| head.sequence),
            seal: pages.head().map(|head| encode(&head.seal)),
        };
        let header = match format {
            Format::Jsonl => format!("{}\n", as_json(&header)?),
            Format::Csv => format!("{}\r\n", COLUMNS.join(",")),
        };
        Ok(Self { pages, format, header: Some(header) })
    }

    /// The next lines; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header));
        }
        let Some(items) = self.pages.next().await? else { return Ok(None) };
        let mut text = String::new();
        for item in items {
            match self.format {
                Format::Jsonl => {
                    text.push_str(&line::write(item)?);
                    text.push('\n');
                }
                Format::Csv => text.push_str(&record(&item)),
            }
        }
        Ok(Some(text))
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Export").field("format", &self.format).finish_non_exhaustive()
    }
}

fn as_json(line: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_string(line).map_err(|_| Error::other("a line of an export can't be written"))?;
    Ok(printable_json(&json))
}

/// The first line of the CSV.
const COLUMNS: [&str; 14] = [
    "sequence",
    "id",
    "occurred_at",
    "type",
    "outcome",
    "reason",
    "actor_type",
    "actor_id",
    "client_id",
    "user_id",
    "address",
    "trace_id",
    "count",
    "details",
];

/// A record (RFC 4180 §2); nothing for a checkpoint.
fn record(item: &Item) -> String {
    let (row, sequence): (&Row, Option<i64>) = match item {
        Item::Entry(entry) => (&entry.row, Some(entry.sequence)),
        Item::Waiting(row, _) => (row, None),
        Item::Checkpoint(..) => return String::new(),
    };
    let optional = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
    let cells = [
        sequence.map(|sequence| sequence.to_string()).unwrap_or_default(),
        cell(&row.id),
        row.occurred_at.rfc3339().unwrap_or_default(),
        cell(&row.kind),
        cell(&row.outcome),
        optional(&row.reason),
        cell(&row.actor_type),
        optional(&row.actor_id),
        optional(&row.client_id),
        optional(&row.user_id),
        optional(&row.address),
        cell(&row.trace_id),
        row.count.to_string(),
        cell(&row.details),
    ];
    cells.join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula, and that holds no control character. Some take `;` for what stands between
/// cells, and heed no quotation mark that begins later.
fn cell(text: &str) -> String {
    let mut cell = String::from("\"");
    let mut begins = true;
    for character in text.chars() {
        if begins && matches!(character, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n') {
            cell.push('\'');
        }
        begins = character == ';' || (begins && matches!(character, ' ' | '"'));
        if character == '"' {
            cell.push('"');
        }
        cell.push(character);
    }
    cell.push('"');
    printable(&cell)
}

/// The details as they were written, if they are the JSON object that they should be; otherwise their text.
fn details_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) if serde_json::to_string(&value).is_ok_and(|written| written == text) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Y9.
    #[test]
    fn no_cell_is_a_formula() {
        for (text, written) in [
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\\u{9}=1\""),
            ("\r=1", "\"'\\u{d}=1\""),
            (" =1", "\" '=1\""),
            ("a;=1;b", "\"a;'=1;b\""),
            ("a\";\"=1", "\"a\"\";\"\"'=1\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    /// Y10.
    #[test]
    fn no_cell_breaks_a_line_or_acts_on_a_terminal() {
        assert_eq!(cell("a\r\nb\u{1b}[2J\u{2028}c"), "\"a\\u{d}\\u{a}b\\u{1b}[2J\\u{2028}c\"");
    }

    #[test]
    fn details_that_are_no_json_of_ours_stay_as_they_are() {
        assert_eq!(details_of("{\"b\":1,\"a\":[2]}").to_string(), "{\"b\":1,\"a\":[2]}");
        for odd in ["{ }", "\"text\"", "no JSON", "{\"a\":1.0e0}", ""] {
            assert_eq!(details_of(odd), Value::String(odd.to_owned()), "{odd}");
        }
    }
}
