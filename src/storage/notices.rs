//! What clients are told by this server: a row for each notice, deleted once it arrived.

use super::db::{Change, Columns, Conn, Record, Tx};
use super::error::Error;
use super::value::Hash;
use crate::protocol::id::{ClientId, SessionId, UserId};
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// For how long a client is tried to be told of a logout. Its own sessions rarely last longer.
pub const LIFETIME: Seconds = Seconds::hours(24);

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// That this session ended.
    Logout(SessionId),
    /// That a person answered whom it asked. Sealed: which request it was, and the token for whoever tells of it.
    Answer(Vec<u8>),
}

/// One thing, for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `jti` of a logout token: the same at each attempt, so that a client which took the first one knows the second.
    pub id: String,
    pub client_id: ClientId,
    /// May be gone by now.
    pub user_id: UserId,
    pub about: About,
    /// How often somebody began to send it, this time included.
    pub attempts: i64,
    pub created_at: Timestamp,
    /// Of no use after that.
    pub expires_at: Timestamp,
}

impl Record for Notice {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            about: about(columns)?,
            attempts: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
        })
    }
}

fn about(columns: &mut Columns<'_>) -> Result<About, Error> {
    match (columns.read::<Option<SessionId>>()?, columns.read::<Option<Vec<u8>>>()?) {
        (Some(session), None) => Ok(About::Logout(session)),
        (None, Some(sealed)) => Ok(About::Answer(sealed)),
        _ => Err(Error::other("a notice is about one thing")),
    }
}

/// Tells the client of a request that was just answered, if it wants to be told.
pub async fn insert_of_answer(tx: &mut Tx, request: &[u8; 32], now: Timestamp) -> Result<(), Error> {
    let inserted = tx
        .query(
            "INSERT INTO notices (id, client_id, user_id, notification, attempts, created_at, next_attempt_at, expires_at) \
             SELECT $2, client_id, asked_of, notification, 0, $3, $3, expires_at FROM device_codes \
             WHERE user_code = $1 AND asked_of IS NOT NULL AND notification IS NOT NULL AND expires_at > $3",
        )
        .bind(Hash(*request))
        .bind(random::identifier().as_str())
        .bind(now)
        .execute()
        .await?;
    if inserted > 0 {
        tx.changed(Change::Notices);
    }
    Ok(())
}

/// For every client that wants to hear of the end of a session which still has its row; whoever sends them is woken after the
/// commit.
pub(super) async fn insert_for(tx: &mut Tx, session: &SessionId, user: &UserId, now: Timestamp) -> Result<(), Error> {
    let clients = super::session_clients::list(tx, session).await?;
    for client in &clients {
        tx.query(
            "INSERT INTO notices (id, client_id, user_id, session_id, attempts, created_at, next_attempt_at, expires_at) \
             VALUES ($1, $2, $3, $4, 0, $5, $5, $6)",
        )
        .bind(random::identifier().as_str())
        .bind(client)
        .bind(user)
        .bind(session)
        .bind(now)
        .bind(now + LIFETIME)
        .execute()
        .await?;
    }
    if !clients.is_empty() {
        tx.changed(Change::Notices);
    }
    Ok(())
}

/// The ids of those whose time has come and that nobody is sending, the longest due first.
pub async fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<String>, Error> {
    let rows = conn
        .query(
            "SELECT id FROM notices \
             WHERE next_attempt_at <= $1 AND expires_at > $1 AND (claimed_until IS NULL OR claimed_until <= $1) \
             ORDER BY next_attempt_at, id LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all::<(String,)>()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Up to `limit` of those that are of no use any more and that nobody is sending: for one caller alone.
pub async fn take_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Notice>, Error> {
    tx.query(
        "DELETE FROM notices WHERE id IN (SELECT id FROM notices \
         WHERE expires_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) LIMIT $2) \
         RETURNING id, client_id, user_id, session_id, notification, attempts, created_at, expires_at",
    )
    .unprepared()
    .bind(now)
    .bind(limit)
    .fetch_all()
    .await
}

/// How many there are, and when the oldest was made.
pub async fn backlog(conn: &mut Conn) -> Result<(i64, Option<Timestamp>), Error> {
    conn.query("SELECT COUNT(*), MIN(created_at) FROM notices").fetch_one().await
}

/// When the next one is due that nobody is sending, or whose sender will have had its time.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>, Error> {
    let (next,) = conn
        .query(
            "SELECT MIN(CASE WHEN claimed_until IS NULL OR claimed_until < next_attempt_at THEN next_attempt_at \
             ELSE claimed_until END) FROM notices",
        )
        .fetch_one::<(Option<Timestamp>,)>()
        .await?;
    Ok(next)
}

/// Takes one to send it until `until`: for one caller alone. Should that one not come back, another may take it then.
pub async fn claim(tx: &mut Tx, id: &str, now: Timestamp, until: Timestamp) -> Result<Option<Notice>, Error> {
    tx.query(
        "UPDATE notices SET claimed_until = $3, attempts = attempts + 1 \
         WHERE id = $1 AND next_attempt_at <= $2 AND expires_at > $2 AND (claimed_until IS NULL OR claimed_until <= $2) \
         RETURNING id, client_id, user_id, session_id, notification, attempts, created_at, expires_at",
    )
    .bind(id)
    .bind(now)
    .bind(until)
    .fetch_optional()
    .await
}

/// Gives one that was claimed `until` back, to be tried again at `next`. `error` says why, and nothing that the client chose.
/// Nothing happens when somebody else has it by now.
pub async fn postpone(tx: &mut Tx, id: &str, until: Timestamp, next: Timestamp, error: &str) -> Result<(), Error> {
    tx.query(
        "UPDATE notices SET claimed_until = NULL, next_attempt_at = $3, last_error = $4 WHERE id = $1 AND claimed_until = $2",
    )
    .bind(id)
    .bind(until)
    .bind(next)
    .bind(error)
    .execute()
    .await?;
    Ok(())
}

/// The same for one that was not sent after all: that was no attempt.
pub async fn put_back(tx: &mut Tx, id: &str, until: Timestamp, next: Timestamp, error: &str) -> Result<(), Error> {
    tx.query("UPDATE notices SET attempts = attempts - 1 WHERE id = $1 AND claimed_until = $2")
        .bind(id)
        .bind(until)
        .execute()
        .await?;
    postpone(tx, id, until, next, error).await
}

/// Removes one that arrived, or never will: `true` for one caller alone.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM notices WHERE id = $1").bind(id).execute().await? == 1)
}

/// How many wait.
pub async fn count(conn: &mut Conn) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM notices").fetch_one::<(i64,)>().await?;
    Ok(count)
}
