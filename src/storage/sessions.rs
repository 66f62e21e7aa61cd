//! Browser sessions: stored as hashes of their cookie.

mod ending;

use std::collections::BTreeMap;

use super::db::{Columns, Conn, Db, Record, Tx, locking};
use super::error::Error;
use super::page::{Listed, Page};
use super::users::{User, UserStatus, user_columns};
use super::value::{Hash, Json};
use crate::protocol::authentication::{Factors, Method};
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::time::{Seconds, Timestamp};

pub(super) use self::ending::end_own;
pub use self::ending::{Ending, end, end_all};

/// One browser in which a person is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `sid`; not secret.
    pub id: SessionId,
    /// Of the cookie's value.
    pub hash: [u8; 32],
    pub user_id: UserId,
    /// When the person last proved who they are, from the beginning.
    pub auth_time: Timestamp,
    /// How, and when each factor was last proved: `amr` and `acr` come of it.
    pub factors: Factors,
    pub user_agent: String,
    /// What to call the browser: `Firefox on Linux`; empty when nothing is known.
    pub device: String,
    /// What its person calls it.
    pub name: Option<String>,
    /// It outlives the browser, and ends at its absolute limit alone.
    pub remembered: bool,
    pub address: String,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// The absolute limit.
    pub expires_at: Timestamp,
}

macro_rules! session_columns {
    () => {
        "s.id, s.hash, s.user_id, s.auth_time, s.factors, s.user_agent, s.device, s.name, s.remembered, s.address, \
         s.created_at, s.last_seen_at, s.expires_at"
    };
}

impl Record for Session {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        let (id, hash, user_id) = (columns.read()?, columns.read::<Hash>()?.0, columns.read()?);
        let auth_time = columns.read()?;
        let factors = columns.read::<Json<BTreeMap<String, Timestamp>>>()?.0;
        Ok(Self {
            id,
            hash,
            user_id,
            auth_time,
            // Sessions from before there were second factors began with a password.
            factors: if factors.is_empty() { Factors::of(Method::Password, auth_time) } else { factors.into() },
            user_agent: columns.read()?,
            device: columns.read()?,
            name: columns.read()?,
            remembered: columns.read()?,
            address: columns.read()?,
            created_at: columns.read()?,
            last_seen_at: columns.read()?,
            expires_at: columns.read()?,
        })
    }
}

struct SessionOfUser(Session, User);

impl Record for SessionOfUser {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self(Session::read(columns)?, User::read(columns)?))
    }
}

pub async fn insert(tx: &mut Tx, session: &Session) -> Result<(), Error> {
    tx.query(
        "INSERT INTO sessions (id, hash, user_id, auth_time, amr, acr, factors, user_agent, device, name, remembered, address, \
         created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(&session.id)
    .bind(Hash(session.hash))
    .bind(&session.user_id)
    .bind(session.auth_time)
    .bind(Json(session.factors.amr()))
    .bind(session.factors.acr().as_str())
    .bind(Json(session.factors.clone()))
    .bind(session.user_agent.as_str())
    .bind(session.device.as_str())
    .bind(session.name.as_deref())
    .bind(session.remembered)
    .bind(session.address.as_str())
    .bind(session.created_at)
    .bind(session.last_seen_at)
    .bind(session.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// The live session of a cookie, with its person: neither past its absolute limit nor, unless it is remembered, unseen for
/// longer than `idle`, and of somebody who is active.
pub async fn by_hash(db: &Db, hash: &[u8; 32], now: Timestamp, idle: Seconds) -> Result<Option<(Session, User)>, Error> {
    let select = concat!(
        "SELECT ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1"
    );
    let Some(SessionOfUser(session, user)) = db.find(select, hash).await? else { return Ok(None) };
    let is_idle = !session.remembered && session.last_seen_at <= now - idle;
    let lives = session.expires_at > now && !is_idle && user.status == UserStatus::Active;
    Ok(lives.then_some((session, user)))
}

/// By its `sid`, live or not.
pub async fn by_id(conn: &mut Conn, id: &SessionId) -> Result<Option<Session>, Error> {
    conn.query(concat!("SELECT ", session_columns!(), " FROM sessions s WHERE s.id = $1")).bind(id).fetch_optional().await
}

/// Notes that the session is in use. Not worth a write at each request: the caller waits until some of the idle limit is gone.
pub async fn touch(tx: &mut Tx, id: &SessionId, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2")
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Gives a session of this person another name, or none. `false`: there is no such session of theirs.
pub async fn rename(tx: &mut Tx, id: &SessionId, user: &UserId, name: Option<&str>) -> Result<bool, Error> {
    let updated =
        tx.query("UPDATE sessions SET name = $3 WHERE id = $1 AND user_id = $2").bind(id).bind(user).bind(name).execute().await?;
    Ok(updated == 1)
}

/// Whether the session still lives; it stays so until this transaction ends. What a session opens is stored after this: its
/// end then either comes first and is seen here, or comes later and takes back what was opened.
pub async fn stands(tx: &mut Tx, id: &SessionId) -> Result<bool, Error> {
    let found = tx.lock(locking!("SELECT id FROM sessions WHERE id = $1")).bind(id).fetch_optional::<(SessionId,)>().await?;
    Ok(found.is_some())
}

/// The same of a session that is there as far as anybody knows: the transaction is undone if it has ended ([`Tx::require`]).
pub async fn must_stand(tx: &mut Tx, id: &SessionId) -> Result<(), Error> {
    tx.require(locking!("SELECT id FROM sessions WHERE id = $1")).bind(id).run().await
}

/// Makes a session that has just begun that of an application which logged its person in without a browser: it lives as long as
/// the grant that is stored next, however little it is used. `false`: it has ended already.
pub async fn hand_over(tx: &mut Tx, id: &SessionId, expires_at: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE sessions SET remembered = TRUE, expires_at = $2 WHERE id = $1")
        .bind(id)
        .bind(expires_at)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Writes down that factors of a session that stands for a grant were proved again. `false`: it has ended. Nobody has a secret of
/// such a session, so it keeps its id.
pub async fn prove(tx: &mut Tx, session: &Session) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE sessions SET auth_time = $2, amr = $3, acr = $4, factors = $5, last_seen_at = $6 WHERE id = $1")
        .bind(&session.id)
        .bind(session.auth_time)
        .bind(Json(session.factors.amr()))
        .bind(session.factors.acr().as_str())
        .bind(Json(session.factors.clone()))
        .bind(session.last_seen_at)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Puts what a login or a proof made of a session in its place: a new secret, the same `sid`, so that the applications which know
/// it by that hear of its end. What was given out in it and not fetched yet dies. `former` is the hash of
/// the secret that it had. `false`: it has ended, or somebody else was faster.
pub async fn take_over(tx: &mut Tx, former: &[u8; 32], new: &Session) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE sessions SET hash = $3, auth_time = $4, amr = $5, acr = $6, factors = $7, user_agent = $8, device = $9, \
             name = $10, remembered = $11, address = $12, created_at = $13, last_seen_at = $14, expires_at = $15 \
             WHERE id = $1 AND hash = $2 AND user_id = $16",
        )
        .bind(&new.id)
        .bind(Hash(*former))
        .bind(Hash(new.hash))
        .bind(new.auth_time)
        .bind(Json(new.factors.amr()))
        .bind(new.factors.acr().as_str())
        .bind(Json(new.factors.clone()))
        .bind(new.user_agent.as_str())
        .bind(new.device.as_str())
        .bind(new.name.as_deref())
        .bind(new.remembered)
        .bind(new.address.as_str())
        .bind(new.created_at)
        .bind(new.last_seen_at)
        .bind(new.expires_at)
        .bind(&new.user_id)
        .execute()
        .await?;
    if updated == 1 {
        ending::take_back(tx, &new.user_id, &new.id, new.last_seen_at).await?;
    }
    Ok(updated == 1)
}

/// Which sessions to list.
#[derive(Clone, Debug)]
pub struct SessionFilter {
    pub user_id: Option<UserId>,
    /// Sessions that are past a limit now are left out.
    pub now: Timestamp,
    pub idle: Seconds,
}

/// Led by one condition, so that an index finds the rows.
macro_rules! listing {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE ",
            $condition,
            " AND s.id > $1 AND ($2 IS NULL OR s.user_id = $2) AND s.expires_at > $3 AND (s.remembered OR s.last_seen_at > $4) \
             ORDER BY s.id LIMIT $5"
        )
    };
}

/// In the order of their ids.
pub async fn list(conn: &mut Conn, filter: &SessionFilter, page: &Page) -> Result<Listed<Session>, Error> {
    let sql = if filter.user_id.is_some() { listing!("s.user_id = $2") } else { listing!("TRUE") };
    let sessions = conn
        .query(sql)
        .bind(page.after())
        .bind(filter.user_id.as_ref())
        .bind(filter.now)
        .bind(filter.now - filter.idle)
        .bind(page.rows())
        .fetch_all::<Session>()
        .await?;
    Ok(Listed::cut(sessions, page, |session| session.id.as_str().to_owned()))
}

/// How many sessions are within their limits.
pub async fn count(conn: &mut Conn, now: Timestamp, idle: Seconds) -> Result<i64, Error> {
    let (count,) = conn
        .query("SELECT COUNT(*) FROM sessions WHERE expires_at > $1 AND (remembered OR last_seen_at > $2)")
        .bind(now)
        .bind(now - idle)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// Deletes up to `limit` sessions that are past a limit.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp, idle: Seconds, limit: i64) -> Result<u64, Error> {
    tx.query(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions \
         WHERE expires_at <= $1 OR (last_seen_at <= $2 AND NOT remembered) LIMIT $3)",
    )
    .unprepared()
    .bind(now)
    .bind(now - idle)
    .bind(limit)
    .execute()
    .await
}
