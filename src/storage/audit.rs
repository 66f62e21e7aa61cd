//! The audit log: what is written in it, and how it is read again.

pub mod chain;
mod search;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use serde_json::{Map, Value};

pub use search::{AuditFilter, activity, last_uses, list};

use super::db::{Columns, Record, Tx};
use super::error::Error;
use super::value::{Json, words};
use crate::protocol::evidence::Fields;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::random;

/// Something that happened, to be written in the same transaction as what it records.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Timestamp,
    /// What: a stable word such as `user.login`.
    pub kind: &'static str,
    pub outcome: Outcome,
    /// Why it was refused or failed: a stable word.
    pub reason: Option<&'static str>,
    pub actor: Actor,
    pub client_id: Option<ClientId>,
    /// The person that it was done to.
    pub user_id: Option<UserId>,
    /// The address that it came from.
    pub address: Option<String>,
    pub trace_id: String,
    /// How often: more than once when repeats were folded into one.
    pub count: i64,
    pub details: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    /// As it should be: a wrong password, a request against the rules.
    Refused,
    /// By a fault of ours.
    Failed,
}

words!(Outcome { Success = "success", Refused = "refused", Failed = "failed", });

impl Outcome {
    /// The word under which it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody is known.
    Anonymous,
    User(UserId),
    Client(ClientId),
    /// A job.
    System,
    CommandLine,
}

impl Actor {
    /// The word under which it is stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::System => "system",
            Self::CommandLine => "command_line",
        }
    }

    /// The identifier of a person or a client.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id.as_str()),
            Self::Client(id) => Some(id.as_str()),
            Self::Anonymous | Self::System | Self::CommandLine => None,
        }
    }

    pub(super) fn from_stored(kind: &str, id: Option<String>) -> Result<Self, Error> {
        let broken = |_| Error::other("an actor of the audit log can't be read");
        match (kind, id) {
            ("anonymous", _) => Ok(Self::Anonymous),
            ("system", _) => Ok(Self::System),
            ("command_line", _) => Ok(Self::CommandLine),
            ("user", Some(id)) => UserId::parse(id).map(Self::User).map_err(broken),
            ("client", Some(id)) => ClientId::parse(id).map(Self::Client).map_err(broken),
            _ => Err(Error::other("an actor of the audit log is of an unknown kind")),
        }
    }
}

/// A row of the log: an [`Event`] as it is read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A UUID of version 7: its order is that of time.
    pub id: String,
    pub at: Timestamp,
    pub kind: String,
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub actor: Actor,
    pub client_id: Option<ClientId>,
    pub user_id: Option<UserId>,
    pub address: Option<String>,
    pub trace_id: String,
    pub count: i64,
    pub details: Map<String, Value>,
    /// Its place in the chain; `None` while it waits to be sealed.
    pub sequence: Option<i64>,
}

impl Record for Entry {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            at: columns.read()?,
            kind: columns.read()?,
            outcome: columns.read()?,
            reason: columns.read()?,
            actor: Actor::from_stored(&columns.read::<String>()?, columns.read()?)?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            address: columns.read()?,
            trace_id: columns.read()?,
            count: columns.read()?,
            details: columns.read::<Json<_>>()?.0,
            sequence: columns.read()?,
        })
    }
}

/// Marks entries as written by this installation: whoever writes into the table without its key is found out.
#[derive(Clone)]
pub struct Marker(hmac::Key);

impl Marker {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, key))
    }

    pub fn mark(&self, fields: &Fields<'_>) -> [u8; 32] {
        let mut mark = [0; 32];
        mark.copy_from_slice(hmac::sign(&self.0, &fields.canonical()).as_ref());
        mark
    }

    /// Whether this is the mark of the entry, in the same time for every answer.
    pub fn marked(&self, fields: &Fields<'_>, mark: &[u8]) -> bool {
        hmac::verify(&self.0, &fields.canonical(), mark).is_ok()
    }
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Marker([redacted])")
    }
}

/// Writes an event, with the mark of this installation (half a microsecond). It is sealed within a second or so.
pub async fn insert(tx: &mut Tx, event: &Event) -> Result<(), Error> {
    let id = entry_id(event.at, random::bytes());
    let details = serde_json::to_string(&event.details).map_err(|_| Error::other("details of an event can't be written"))?;
    let fields = Fields {
        id: &id,
        occurred_at: event.at,
        kind: event.kind,
        outcome: event.outcome.as_str(),
        reason: event.reason,
        actor_type: event.actor.kind(),
        actor_id: event.actor.id(),
        client_id: event.client_id.as_ref().map(ClientId::as_str),
        user_id: event.user_id.as_ref().map(UserId::as_str),
        address: event.address.as_deref(),
        trace_id: &event.trace_id,
        count: event.count,
        details: &details,
    };
    let mark = tx.marker().map(|marker| marker.mark(&fields).to_vec());
    // What was marked is what is stored.
    tx.put(
        "INSERT INTO audit_inbox (id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, \
         trace_id, count, details, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(fields.id)
    .bind(fields.occurred_at)
    .bind(fields.kind)
    .bind(fields.outcome)
    .bind(fields.reason)
    .bind(fields.actor_type)
    .bind(fields.actor_id)
    .bind(fields.client_id)
    .bind(fields.user_id)
    .bind(fields.address)
    .bind(fields.trace_id)
    .bind(fields.count)
    .bind(fields.details)
    .bind(mark)
    .run()
    .await?;
    tx.recorded(event);
    Ok(())
}

/// A UUID of version 7 for a moment, with the part of the millisecond in its next twelve bits (RFC 9562 §5.7, §6.2 method 3).
fn entry_id(at: Timestamp, mut random: [u8; 10]) -> String {
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    let fraction = u16::try_from((micros % 1_000) * 4_096 / 1_000).unwrap_or_default();
    random[..2].copy_from_slice(&fraction.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(micros / 1_000, &random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_entries_are_in_the_order_of_time_to_the_microsecond() {
        let start = Timestamp::from_seconds(1_800_000_000);
        let mut last = entry_id(start, [0xff; 10]);
        for micros in 1..2_000 {
            let at = Timestamp::from_micros(start.as_micros() + micros);
            let id = entry_id(at, [0; 10]);
            assert!(last < id, "{last} {id}");
            last = entry_id(at, [0xff; 10]);
        }
        assert_eq!(uuid::Uuid::parse_str(&last).unwrap().get_version_num(), 7);
    }
}
