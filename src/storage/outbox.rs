//! Mail that waits to be sent: a row for each, sealed, deleted once the mail is out.

use super::db::{Change, Columns, Conn, Record, Tx};
use super::error::Error;
use crate::protocol::time::Timestamp;

/// A mail in its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: String,
    /// Which message it is, for people who look at the table.
    pub kind: String,
    pub sealed: Vec<u8>,
    /// How often somebody began to send it, this time included.
    pub attempts: i64,
    pub created_at: Timestamp,
    /// Of no use after that.
    pub expires_at: Timestamp,
}

impl Record for Waiting {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            kind: columns.read()?,
            sealed: columns.read()?,
            attempts: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
        })
    }
}

/// Adds a mail; whoever sends it is woken after the commit.
pub async fn insert(tx: &mut Tx, mail: &Waiting) -> Result<(), Error> {
    tx.query(
        "INSERT INTO outbox (id, kind, sealed, attempts, created_at, next_attempt_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(mail.id.as_str())
    .bind(mail.kind.as_str())
    .bind(mail.sealed.as_slice())
    .bind(mail.attempts)
    .bind(mail.created_at)
    .bind(mail.created_at)
    .bind(mail.expires_at)
    .execute()
    .await?;
    tx.changed(Change::Outbox);
    Ok(())
}

/// The ids of those whose time has come and that nobody is sending, the longest due first.
pub async fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<String>, Error> {
    let rows = conn
        .query(
            "SELECT id FROM outbox WHERE next_attempt_at <= $1 AND expires_at > $1 AND (claimed_until IS NULL OR claimed_until <= $1) \
             ORDER BY next_attempt_at, id LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all::<(String,)>()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Those that are of no use any more and that nobody is sending.
pub async fn expired(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Waiting>, Error> {
    conn.query(
        "SELECT id, kind, sealed, attempts, created_at, expires_at FROM outbox \
         WHERE expires_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) ORDER BY expires_at, id LIMIT $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all()
    .await
}

/// How many there are, and when the oldest was made.
pub async fn backlog(conn: &mut Conn) -> Result<(i64, Option<Timestamp>), Error> {
    conn.query("SELECT COUNT(*), MIN(created_at) FROM outbox").fetch_one().await
}

/// When the next one is due that nobody is sending, or whose sender will have had its time.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>, Error> {
    let (next,) = conn
        .query(
            "SELECT MIN(CASE WHEN claimed_until IS NULL OR claimed_until < next_attempt_at THEN next_attempt_at \
             ELSE claimed_until END) FROM outbox",
        )
        .fetch_one::<(Option<Timestamp>,)>()
        .await?;
    Ok(next)
}

/// Takes a mail to send it until `until`: for one caller alone. Should that one not come back, another may take it then.
pub async fn claim(tx: &mut Tx, id: &str, now: Timestamp, until: Timestamp) -> Result<Option<Waiting>, Error> {
    tx.query(
        "UPDATE outbox SET claimed_until = $3, attempts = attempts + 1 \
         WHERE id = $1 AND next_attempt_at <= $2 AND expires_at > $2 AND (claimed_until IS NULL OR claimed_until <= $2) \
         RETURNING id, kind, sealed, attempts, created_at, expires_at",
    )
    .bind(id)
    .bind(now)
    .bind(until)
    .fetch_optional()
    .await
}

/// Gives a mail that was claimed `until` back, to be tried again at `next`. `error` says why: no address, no text of the
/// server. Nothing happens when somebody else has it by now.
pub async fn postpone(tx: &mut Tx, id: &str, until: Timestamp, next: Timestamp, error: &str) -> Result<(), Error> {
    tx.query(
        "UPDATE outbox SET claimed_until = NULL, next_attempt_at = $3, last_error = $4 WHERE id = $1 AND claimed_until = $2",
    )
    .bind(id)
    .bind(until)
    .bind(next)
    .bind(error)
    .execute()
    .await?;
    Ok(())
}

/// Removes a mail that was sent, or never will be: `true` for one caller alone.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM outbox WHERE id = $1").bind(id).execute().await? == 1)
}

/// How many wait.
pub async fn count(conn: &mut Conn) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM outbox").fetch_one::<(i64,)>().await?;
    Ok(count)
}
