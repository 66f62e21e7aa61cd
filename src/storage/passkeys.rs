//! Passkeys: public keys, and the handles by which authenticators know their owners.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::users::{User, user_columns};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// A credential of WebAuthn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id, in base64url.
    pub id: String,
    pub user_id: UserId,
    /// As its owner calls it.
    pub name: String,
    /// Public key and flags; `authn::passkey` reads it.
    pub credential: String,
    /// The signature counter of its last use. 0: it doesn't count.
    pub counter: u32,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

macro_rules! passkey_columns {
    () => {
        "p.id, p.user_id, p.name, p.credential, p.counter, p.created_at, p.last_used_at"
    };
}

impl Record for Passkey {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            user_id: columns.read()?,
            name: columns.read()?,
            credential: columns.read()?,
            counter: u32::try_from(columns.read::<i64>()?).unwrap_or(u32::MAX),
            created_at: columns.read()?,
            last_used_at: columns.read()?,
        })
    }
}

/// A passkey with whose it is.
#[derive(Clone, Debug)]
pub struct Owned {
    pub passkey: Passkey,
    /// The user handle that its authenticator was given.
    pub handle: Vec<u8>,
    pub owner: User,
}

impl Record for Owned {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { passkey: Passkey::read(columns)?, handle: columns.read()?, owner: User::read(columns)? })
    }
}

/// # Errors
/// [`Error::Conflict`]: somebody has a passkey with this id.
pub async fn insert(tx: &mut Tx, passkey: &Passkey) -> Result<(), Error> {
    let inserted = tx
        .query(
            "INSERT INTO passkeys (id, user_id, name, credential, counter, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
        )
        .bind(passkey.id.as_str())
        .bind(&passkey.user_id)
        .bind(passkey.name.as_str())
        .bind(passkey.credential.as_str())
        .bind(i64::from(passkey.counter))
        .bind(passkey.created_at)
        .execute()
        .await?;
    if inserted == 1 { Ok(()) } else { Err(Error::Conflict) }
}

pub async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<Owned>, Error> {
    conn.query(concat!(
        "SELECT ",
        passkey_columns!(),
        ", h.handle, ",
        user_columns!(),
        " FROM passkeys p JOIN passkey_handles h ON h.user_id = p.user_id JOIN users u ON u.id = p.user_id WHERE p.id = $1"
    ))
    .bind(id)
    .fetch_optional()
    .await
}

/// All of a person, the oldest first.
pub async fn list(conn: &mut Conn, user: &UserId) -> Result<Vec<Passkey>, Error> {
    conn.query(concat!("SELECT ", passkey_columns!(), " FROM passkeys p WHERE p.user_id = $1 ORDER BY p.created_at, p.id"))
        .bind(user)
        .fetch_all()
        .await
}

/// What one use of a passkey showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// It rose, or there is none.
    Sound,
    /// It didn't rise: somebody may have a copy of the key (WebAuthn Level 3 §6.1.1).
    Fell,
}

/// Writes down that a passkey was used. `None`: it is not there any more.
///
/// The counter is stored when it fell, too: of two copies in turn each then shows.
pub async fn used(tx: &mut Tx, used: &Passkey, now: Timestamp) -> Result<Option<Counter>, Error> {
    let mut update = async |sql: &'static str| {
        tx.query(sql)
            .bind(used.id.as_str())
            .bind(&used.user_id)
            .bind(used.credential.as_str())
            .bind(i64::from(used.counter))
            .bind(now)
            .execute()
            .await
    };
    // One conditional update: of two uses at once with the same counter, one is a copy's.
    let sound = update(
        "UPDATE passkeys SET credential = $3, counter = $4, last_used_at = $5 \
         WHERE id = $1 AND user_id = $2 AND (counter < $4 OR (counter = 0 AND $4 = 0))",
    );
    if sound.await? == 1 {
        return Ok(Some(Counter::Sound));
    }
    let fell = update("UPDATE passkeys SET credential = $3, counter = $4, last_used_at = $5 WHERE id = $1 AND user_id = $2");
    Ok((fell.await? == 1).then_some(Counter::Fell))
}

/// `false`: the person has no such passkey.
pub async fn rename(tx: &mut Tx, user: &UserId, id: &str, name: &str) -> Result<bool, Error> {
    let renamed =
        tx.query("UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2").bind(id).bind(user).bind(name).execute();
    Ok(renamed.await? == 1)
}

/// The name of the one that is gone now; `None`: the person has no such passkey.
pub async fn delete(tx: &mut Tx, user: &UserId, id: &str) -> Result<Option<String>, Error> {
    let deleted = tx.query("DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name").bind(id).bind(user);
    Ok(deleted.fetch_optional::<(String,)>().await?.map(|(name,)| name))
}

/// Tells how many.
pub async fn delete_all(tx: &mut Tx, user: &UserId) -> Result<u64, Error> {
    tx.query("DELETE FROM passkeys WHERE user_id = $1").bind(user).execute().await
}

pub async fn count(conn: &mut Conn, user: &UserId) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM passkeys WHERE user_id = $1").bind(user).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The handle by which authenticators know a person: `new`, unless they have one already.
pub async fn handle(tx: &mut Tx, user: &UserId, new: &[u8]) -> Result<Vec<u8>, Error> {
    tx.query("INSERT INTO passkey_handles (user_id, handle) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING")
        .bind(user)
        .bind(new)
        .execute()
        .await?;
    let (handle,) =
        tx.query("SELECT handle FROM passkey_handles WHERE user_id = $1").bind(user).fetch_one::<(Vec<u8>,)>().await?;
    Ok(handle)
}
