//! The chain of the audit log: entries in the order in which they were sealed, and the checkpoints that vouch for them.
//!
//! One row of the table `instance` says where the chain ends. Whoever appends to it exchanges that row for the next one in the same
//! transaction: of several nodes that do so at once, one succeeds.

use super::search::{AuditFilter, bind_filter, columns, conditions};
use crate::protocol::evidence::Fields;
use crate::protocol::time::Timestamp;
use crate::storage::db::{Columns, Conn, Record, Tx};
use crate::storage::error::Error;
use crate::storage::instance;

/// Under which name the end of the chain is kept.
const HEAD: &str = "audit_head";

/// The length of an id that [`super::insert`] made.
const ID_LENGTH: usize = 36;

/// A row of the log, exactly as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub occurred_at: Timestamp,
    pub kind: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub actor_type: String,
    pub actor_id: Option<String>,
    pub client_id: Option<String>,
    pub user_id: Option<String>,
    pub address: Option<String>,
    pub trace_id: String,
    pub count: i64,
    pub details: String,
    /// By whoever wrote it.
    pub mac: Option<Vec<u8>>,
}

impl Row {
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            id: &self.id,
            occurred_at: self.occurred_at,
            kind: &self.kind,
            outcome: &self.outcome,
            reason: self.reason.as_deref(),
            actor_type: &self.actor_type,
            actor_id: self.actor_id.as_deref(),
            client_id: self.client_id.as_deref(),
            user_id: self.user_id.as_deref(),
            address: self.address.as_deref(),
            trace_id: &self.trace_id,
            count: self.count,
            details: &self.details,
        }
    }
}

impl Record for Row {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            occurred_at: columns.read()?,
            kind: columns.read()?,
            outcome: columns.read()?,
            reason: columns.read()?,
            actor_type: columns.read()?,
            actor_id: columns.read()?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            address: columns.read()?,
            trace_id: columns.read()?,
            count: columns.read()?,
            details: columns.read()?,
            mac: columns.read()?,
        })
    }
}

/// An entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub row: Row,
    pub sequence: i64,
    /// 32 bytes, unless somebody changed it.
    pub seal: Vec<u8>,
}

impl Record for Sealed {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { row: Row::read(columns)?, sequence: columns.read()?, seal: columns.read()? })
    }
}

/// A checkpoint, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub number: i64,
    pub sequence: i64,
    pub made_at: Timestamp,
    pub signed: String,
}

impl Record for Stored {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { number: columns.read()?, sequence: columns.read()?, made_at: columns.read()?, signed: columns.read()? })
    }
}

/// Where the chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: i64,
    pub seal: [u8; 32],
}

impl Head {
    /// Of a chain without entries.
    pub const BEGINNING: Self = Self { sequence: 0, seal: [0; 32] };

    fn to_bytes(self) -> Vec<u8> {
        [self.sequence.to_be_bytes().as_slice(), &self.seal].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sequence, seal) = bytes.split_first_chunk::<8>()?;
        Some(Self { sequence: i64::from_be_bytes(*sequence), seal: seal.try_into().ok()? })
    }
}

/// The end of the chain; `None` before it was begun.
pub async fn head(conn: &mut Conn) -> Result<Option<Head>, Error> {
    let Some(stored) = instance::load(conn, HEAD).await? else { return Ok(None) };
    Head::from_bytes(&stored).map(Some).ok_or_else(|| Error::other("the end of the audit log's chain can't be read"))
}

/// Begins the chain, unless another node has.
pub async fn begin(tx: &mut Tx) -> Result<(), Error> {
    instance::insert_if_absent(tx, HEAD, &Head::BEGINNING.to_bytes()).await.map(drop)
}

/// Entries that wait to be sealed, the oldest first. What can't be an entry of ours, by its id or because there is one with this id
/// already, is left where it is: verification finds it there.
pub async fn pending(conn: &mut Conn, limit: i64) -> Result<Vec<Row>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", mac FROM audit_inbox WHERE length(id) = 36 AND id > $1 \
         AND NOT EXISTS (SELECT 1 FROM audit_log WHERE audit_log.id = audit_inbox.id) ORDER BY id LIMIT $2"
    );
    let mut after = String::new();
    loop {
        let mut rows = conn.query(sql).bind(after.as_str()).bind(limit).fetch_all::<Row>().await?;
        let Some(last) = rows.last().map(|row| row.id.clone()) else { return Ok(rows) };
        rows.retain(|row| row.id.len() == ID_LENGTH && row.id.bytes().all(|byte| byte.is_ascii_graphic()));
        // However many are none of ours, those behind them are.
        if !rows.is_empty() {
            return Ok(rows);
        }
        after = last;
    }
}

/// How many entries wait to be sealed, and since when the oldest.
pub async fn backlog(conn: &mut Conn) -> Result<(i64, Option<Timestamp>), Error> {
    conn.query("SELECT COUNT(*), MIN(occurred_at) FROM audit_inbox").fetch_one().await
}

/// Everything in the inbox that has no mark.
pub async fn unmarked(conn: &mut Conn) -> Result<Vec<Row>, Error> {
    conn.query(concat!("SELECT ", columns!(), ", mac FROM audit_inbox WHERE mac IS NULL")).fetch_all().await
}

/// Marks an entry of the inbox that has no mark.
pub async fn mark(tx: &mut Tx, id: &str, mark: &[u8; 32]) -> Result<(), Error> {
    let sql = "UPDATE audit_inbox SET mac = $1 WHERE id = $2 AND mac IS NULL";
    tx.query(sql).bind(mark.to_vec()).bind(id).execute().await.map(drop)
}

/// Moves these entries, which [`pending`] gave, from the inbox to the end of the chain, with their seals. `false`: another node has
/// appended meanwhile, and nothing was done.
pub async fn append(tx: &mut Tx, head: Head, next: Head, entries: &[Row], seals: &[[u8; 32]]) -> Result<bool, Error> {
    if !instance::exchange(tx, HEAD, &head.to_bytes(), &next.to_bytes()).await? {
        return Ok(false);
    }
    let ids: String = entries.iter().map(|row| row.id.as_str()).collect();
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let sql = concat!(
        "WITH RECURSIVE places (place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM places WHERE place + 1 < $1) \
         INSERT INTO audit_log (sequence, ",
        columns!(),
        ", mac, seal) SELECT $2 + places.place, ",
        columns!(),
        ", mac, \
         substr($4, places.place * 32 + 1, 32) FROM places JOIN audit_inbox ON audit_inbox.id = substr($3, places.place * 36 + 1, 36)"
    );
    let moved = tx.query(sql).bind(count).bind(head.sequence + 1).bind(ids).bind(seals.concat()).execute().await?;
    let cleared = tx
        .query("DELETE FROM audit_inbox WHERE id IN (SELECT id FROM audit_log WHERE sequence > $1 AND sequence <= $2)")
        .bind(head.sequence)
        .bind(next.sequence)
        .execute()
        .await?;
    // A row that somebody took away meanwhile would leave a gap.
    let all = u64::try_from(count).unwrap_or_default();
    if (moved, cleared) == (all, all) { Ok(true) } else { Err(Error::Conflict) }
}

/// Entries of the chain from the sequence `first` on, in their order, that the filter lets through.
pub async fn entries(conn: &mut Conn, first: i64, filter: &AuditFilter, limit: i64) -> Result<Vec<Sealed>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", mac, sequence, seal FROM audit_log WHERE ",
        conditions!(),
        " AND sequence >= $11 ORDER BY sequence LIMIT $12"
    );
    let (from, until) = filter.ids();
    bind_filter!(conn.query(sql), filter, from, until).bind(first).bind(limit).fetch_all().await
}

/// Everything in the inbox after the id `after`, of which none is before the empty one, that the filter lets through; and whether the chain has an entry of the same id.
pub async fn waiting(conn: &mut Conn, after: &str, filter: &AuditFilter, limit: i64) -> Result<Vec<(Row, bool)>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", mac, EXISTS (SELECT 1 FROM audit_log WHERE audit_log.id = audit_inbox.id) FROM audit_inbox WHERE ",
        conditions!(),
        " AND (id > $11 OR (id = '' AND $11 = '')) ORDER BY id LIMIT $12"
    );
    let (from, until) = filter.ids();
    let found = bind_filter!(conn.query(sql), filter, from, until).bind(after).bind(limit).fetch_all::<Waiting>().await?;
    Ok(found.into_iter().map(|Waiting(row, copied)| (row, copied)).collect())
}

struct Waiting(Row, bool);

impl Record for Waiting {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self(Row::read(columns)?, columns.read()?))
    }
}

/// The newest checkpoint.
pub async fn last_checkpoint(conn: &mut Conn) -> Result<Option<Stored>, Error> {
    conn.query("SELECT number, sequence, made_at, signed FROM audit_checkpoints ORDER BY number DESC LIMIT 1")
        .fetch_optional()
        .await
}

/// The newest checkpoint that was made at this time or before.
pub async fn checkpoint_at(conn: &mut Conn, at: Timestamp) -> Result<Option<Stored>, Error> {
    conn.query("SELECT number, sequence, made_at, signed FROM audit_checkpoints WHERE made_at <= $1 ORDER BY made_at DESC, number DESC LIMIT 1")
        .bind(at)
        .fetch_optional()
        .await
}

/// Checkpoints after the number `after` up to the number `until`, in their order.
pub async fn checkpoints(conn: &mut Conn, after: i64, until: i64, limit: i64) -> Result<Vec<Stored>, Error> {
    conn.query(
        "SELECT number, sequence, made_at, signed FROM audit_checkpoints WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
    )
    .bind(after)
    .bind(until)
    .bind(limit)
    .fetch_all()
    .await
}

/// Writes a checkpoint. [`Error::Conflict`]: another node made one of this number.
pub async fn insert_checkpoint(tx: &mut Tx, checkpoint: &Stored) -> Result<(), Error> {
    tx.query("INSERT INTO audit_checkpoints (number, sequence, made_at, signed) VALUES ($1, $2, $3, $4)")
        .bind(checkpoint.number)
        .bind(checkpoint.sequence)
        .bind(checkpoint.made_at)
        .bind(checkpoint.signed.as_str())
        .execute()
        .await?;
    Ok(())
}

/// Whether there is an entry up to this sequence.
pub async fn reaches_back_to(conn: &mut Conn, sequence: i64) -> Result<bool, Error> {
    let found = conn.query("SELECT sequence FROM audit_log WHERE sequence <= $1 LIMIT 1").bind(sequence);
    Ok(found.fetch_optional::<(i64,)>().await?.is_some())
}

/// Deletes up to `limit` entries, the oldest first, none after the sequence `until`.
pub async fn delete_entries(tx: &mut Tx, until: i64, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM audit_log WHERE sequence IN (SELECT sequence FROM audit_log WHERE sequence <= $1 ORDER BY sequence LIMIT $2)";
    tx.query(sql).unprepared().bind(until).bind(limit).execute().await
}

/// Deletes up to `limit` checkpoints before the number `before`.
pub async fn delete_checkpoints(tx: &mut Tx, before: i64, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM audit_checkpoints WHERE number IN (SELECT number FROM audit_checkpoints WHERE number < $1 ORDER BY number LIMIT $2)";
    tx.query(sql).unprepared().bind(before).bind(limit).execute().await
}
