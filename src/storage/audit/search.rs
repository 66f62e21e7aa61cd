//! Finding entries of the audit log, those too that wait to be sealed.

use super::super::db::Conn;
use super::super::error::Error;
use super::super::page::{Listed, Page};
use super::{Entry, Outcome, entry_id};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;

/// Which entries to list. An empty filter lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub kind: Option<String>,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    /// Who did it: a person's or a client's identifier.
    pub actor_id: Option<String>,
    pub user_id: Option<UserId>,
    pub client_id: Option<ClientId>,
    pub address: Option<String>,
    pub trace_id: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A text that is greater than every id of ours.
const END: &str = "g";

impl AuditFilter {
    /// The ids are in the order of time, so they bound it: not before the first, before the second.
    pub(super) fn ids(&self) -> (String, Option<String>) {
        let bound = |at: Timestamp| entry_id(at, [0; 10]);
        (self.from.map(bound).unwrap_or_default(), self.until.map(bound))
    }
}

/// The columns of an entry.
macro_rules! columns {
    () => {
        "id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details"
    };
}
pub(super) use columns;

/// What a filter asks of an entry: its values are $1 to $8, and the bounds of its ids $9 and $10.
macro_rules! conditions {
    () => {
        "($1 IS NULL OR type = $1) AND ($2 IS NULL OR outcome = $2) AND ($3 IS NULL OR reason = $3) \
         AND ($4 IS NULL OR actor_id = $4) AND ($5 IS NULL OR user_id = $5) AND ($6 IS NULL OR client_id = $6) \
         AND ($7 IS NULL OR address = $7) AND ($8 IS NULL OR trace_id = $8) AND id >= $9 AND ($10 IS NULL OR id < $10)"
    };
}
pub(super) use conditions;

/// Binds the values of a filter, with these bounds of the ids.
macro_rules! bind_filter {
    ($query:expr, $filter:expr, $from:expr, $until:expr) => {
        $query
            .bind($filter.kind.as_deref())
            .bind($filter.outcome)
            .bind($filter.reason.as_deref())
            .bind($filter.actor_id.as_deref())
            .bind($filter.user_id.as_ref())
            .bind($filter.client_id.as_ref())
            .bind($filter.address.as_deref())
            .bind($filter.trace_id.as_deref())
            .bind($from)
            .bind($until)
    };
}
pub(super) use bind_filter;

/// The newest of both tables: `$condition` may name the column that leads the search in the long one.
macro_rules! newest {
    ($condition:expr, $limit:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", sequence FROM (SELECT ",
            columns!(),
            ", sequence FROM audit_log WHERE ",
            $condition,
            " ORDER BY id DESC LIMIT ",
            $limit,
            ") AS sealed UNION ALL SELECT ",
            columns!(),
            ", sequence FROM (SELECT ",
            columns!(),
            ", CAST(NULL AS BIGINT) AS sequence FROM audit_inbox WHERE ",
            $condition,
            " ORDER BY id DESC LIMIT ",
            $limit,
            ") AS waiting ORDER BY id DESC LIMIT ",
            $limit
        )
    };
}

/// A listing that is led by one column: an index then brings its rows in order, however long the log is.
macro_rules! listing {
    ($condition:literal) => {
        newest!(concat!($condition, " AND ", conditions!()), "$11")
    };
}

/// The newest first.
pub async fn list(conn: &mut Conn, filter: &AuditFilter, page: &Page) -> Result<Listed<Entry>, Error> {
    let sql = if filter.trace_id.is_some() {
        listing!("trace_id = $8")
    } else if filter.user_id.is_some() {
        listing!("user_id = $5")
    } else if filter.client_id.is_some() {
        listing!("client_id = $6")
    } else if filter.kind.is_some() {
        listing!("type = $1")
    } else {
        listing!("TRUE")
    };
    let (from, until) = filter.ids();
    let until = until.into_iter().chain(page.after.clone()).min();
    let entries = bind_filter!(conn.query(sql), filter, from, until).bind(page.rows()).fetch_all::<Entry>().await?;
    Ok(Listed::cut(entries, page, |entry| entry.id.clone()))
}

/// What happened to a person and by them, the newest first, without what their applications do all day long.
pub async fn activity(conn: &mut Conn, user: &UserId, page: &Page) -> Result<Listed<Entry>, Error> {
    let entries = conn
        .query(newest!("user_id = $1 AND id < $2 AND type NOT IN ('token.issued', 'token.revoked')", "$3"))
        .bind(user)
        .bind(page.after.as_deref().unwrap_or(END))
        .bind(page.rows())
        .fetch_all::<Entry>()
        .await?;
    Ok(Listed::cut(entries, page, |entry| entry.id.clone()))
}

/// When each client last got tokens on a person's behalf.
pub async fn last_uses(conn: &mut Conn, user: &UserId) -> Result<Vec<(ClientId, Timestamp)>, Error> {
    conn.query(
        "SELECT client_id, MAX(used_at) FROM (\
         SELECT client_id, MAX(occurred_at) AS used_at FROM audit_log \
         WHERE user_id = $1 AND type = 'token.issued' AND client_id IS NOT NULL GROUP BY client_id \
         UNION ALL SELECT client_id, MAX(occurred_at) AS used_at FROM audit_inbox \
         WHERE user_id = $1 AND type = 'token.issued' AND client_id IS NOT NULL GROUP BY client_id) AS uses GROUP BY client_id",
    )
    .bind(user)
    .fetch_all()
    .await
}
