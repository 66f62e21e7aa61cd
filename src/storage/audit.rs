//! The audit log.

use serde_json::{Map, Value};

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::page::{Listed, Page};
use super::value::{Json, words};
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
        })
    }
}

pub async fn insert(tx: &mut Tx, event: &Event) -> Result<(), Error> {
    tx.query(
        "INSERT INTO audit_log (id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, \
         trace_id, count, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(entry_id(event.at, random::bytes()))
    .bind(event.at)
    .bind(event.kind)
    .bind(event.outcome)
    .bind(event.reason)
    .bind(event.actor.kind())
    .bind(event.actor.id())
    .bind(event.client_id.as_ref())
    .bind(event.user_id.as_ref())
    .bind(event.address.as_deref())
    .bind(event.trace_id.as_str())
    .bind(event.count)
    .bind(Json(event.details.clone()))
    .execute()
    .await?;
    Ok(())
}

/// A UUID of version 7 for a moment, with the part of the millisecond in its next twelve bits (RFC 9562 §5.7, §6.2 method 3).
fn entry_id(at: Timestamp, mut random: [u8; 10]) -> String {
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    let fraction = u16::try_from((micros % 1_000) * 4_096 / 1_000).unwrap_or_default();
    random[..2].copy_from_slice(&fraction.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(micros / 1_000, &random).into_uuid().to_string()
}

/// Which entries to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub kind: Option<String>,
    pub outcome: Option<Outcome>,
    pub user_id: Option<UserId>,
    pub client_id: Option<ClientId>,
    pub trace_id: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A listing that is led by one column: an index then brings its rows in order, however long the log is.
macro_rules! listing {
    ($condition:literal) => {
        concat!(
            "SELECT id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, \
             details FROM audit_log WHERE ",
            $condition,
            " AND ($1 IS NULL OR type = $1) AND ($2 IS NULL OR outcome = $2) AND ($3 IS NULL OR user_id = $3) \
             AND ($4 IS NULL OR client_id = $4) AND ($5 IS NULL OR trace_id = $5) AND id >= $6 AND id < $7 \
             ORDER BY id DESC LIMIT $8"
        )
    };
}

/// The newest first.
pub async fn list(conn: &mut Conn, filter: &AuditFilter, page: &Page) -> Result<Listed<Entry>, Error> {
    let sql = if filter.trace_id.is_some() {
        listing!("trace_id = $5")
    } else if filter.user_id.is_some() {
        listing!("user_id = $3")
    } else if filter.client_id.is_some() {
        listing!("client_id = $4")
    } else if filter.kind.is_some() {
        listing!("type = $1")
    } else {
        listing!("TRUE")
    };
    // The ids are in the order of time, so they bound it. No id is as great as the text "g".
    let bound = |at: Timestamp| entry_id(at, [0; 10]);
    let from = filter.from.map(bound).unwrap_or_default();
    let until = filter.until.map_or_else(|| "g".to_owned(), bound);
    let until = page.after.as_ref().map_or(until.clone(), |after| after.min(&until).clone());
    let entries = conn
        .query(sql)
        .bind(filter.kind.as_deref())
        .bind(filter.outcome)
        .bind(filter.user_id.as_ref())
        .bind(filter.client_id.as_ref())
        .bind(filter.trace_id.as_deref())
        .bind(from)
        .bind(until)
        .bind(page.rows())
        .fetch_all::<Entry>()
        .await?;
    Ok(Listed::cut(entries, page, |entry| entry.id.clone()))
}

/// What happened to a person and by them, the newest first, without what their applications do all day long.
pub async fn activity(conn: &mut Conn, user: &UserId, page: &Page) -> Result<Listed<Entry>, Error> {
    let entries = conn
        .query(
            "SELECT id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, \
             details FROM audit_log WHERE user_id = $1 AND id < $2 AND type NOT IN ('token.issued', 'token.revoked') \
             ORDER BY id DESC LIMIT $3",
        )
        .bind(user)
        .bind(page.after.as_deref().unwrap_or("g"))
        .bind(page.rows())
        .fetch_all::<Entry>()
        .await?;
    Ok(Listed::cut(entries, page, |entry| entry.id.clone()))
}

/// When each client last got tokens on a person's behalf.
pub async fn last_uses(conn: &mut Conn, user: &UserId) -> Result<Vec<(ClientId, Timestamp)>, Error> {
    conn.query(
        "SELECT client_id, MAX(occurred_at) FROM audit_log \
         WHERE user_id = $1 AND type = 'token.issued' AND client_id IS NOT NULL GROUP BY client_id",
    )
    .bind(user)
    .fetch_all()
    .await
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
