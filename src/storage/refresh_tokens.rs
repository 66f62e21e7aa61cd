//! Refresh tokens: rotation, reuse detection, and the retry after a lost answer.

use super::db::{Columns, Db, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::grants::{self, Grant, grant_columns};
use super::users::UserStatus;
use super::value::Hash;
use crate::protocol::id::GrantId;
use crate::protocol::time::{Seconds, Timestamp};

/// How often a token works again because its answer was lost.
pub const MAX_RETRIES: i64 = 3;

/// A refresh token (RFC 6749 §1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub hash: [u8; 32],
    pub grant_id: GrantId,
    /// `jti` of the access token that was issued together with it.
    pub access_token_id: String,
    pub created_at: Timestamp,
    /// The idle limit.
    pub expires_at: Timestamp,
    /// When it was first exchanged for a successor; `None` while it is the newest of its family.
    pub used_at: Option<Timestamp>,
    pub successor: Option<[u8; 32]>,
    /// How often it was exchanged again since.
    pub retries: i64,
    /// It was never used and its predecessor was, once more: nobody may use it any more.
    pub dead: bool,
}

macro_rules! token_columns {
    () => {
        "t.hash, t.grant_id, t.access_token_id, t.created_at, t.expires_at, t.used_at, t.successor, t.retries, t.dead"
    };
}

impl Record for RefreshToken {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            hash: columns.read::<Hash>()?.0,
            grant_id: columns.read()?,
            access_token_id: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            used_at: columns.read()?,
            successor: columns.read::<Option<Hash>>()?.map(|hash| hash.0),
            retries: columns.read()?,
            dead: columns.read()?,
        })
    }
}

struct Loaded(RefreshToken, Grant, UserStatus);

impl Record for Loaded {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self(RefreshToken::read(columns)?, Grant::read(columns)?, columns.read()?))
    }
}

/// The token with its grant and the state of its person. It may be used, dead or expired: [`rotate`] tells a retry from a
/// replay, and needs to see those too.
pub async fn load(db: &Db, hash: &[u8; 32]) -> Result<Option<(RefreshToken, Grant, UserStatus)>, Error> {
    let select = concat!(
        "SELECT ",
        token_columns!(),
        ", ",
        grant_columns!(),
        ", u.status FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id JOIN users u ON u.id = g.user_id WHERE t.hash = $1"
    );
    let found = db.find::<Loaded>(select, hash).await?;
    Ok(found.map(|Loaded(token, grant, status)| (token, grant, status)))
}

pub async fn insert(tx: &mut Tx, token: &RefreshToken) -> Result<(), Error> {
    tx.put(
        "INSERT INTO refresh_tokens (hash, grant_id, access_token_id, created_at, expires_at, used_at, successor, retries, \
         dead) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(Hash(token.hash))
    .bind(&token.grant_id)
    .bind(token.access_token_id.as_str())
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.used_at)
    .bind(token.successor.map(Hash))
    .bind(token.retries)
    .bind(token.dead)
    .run()
    .await?;
    Ok(())
}

/// What became of a token that was presented to be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is stored.
    Rotated,
    /// It had been exchanged before, but the answer was lost: the successor is stored, and the one before it, which nobody
    /// has used, is dead. The access token that was issued with that one must die too: revoke it in the same transaction.
    Retried { dead_access_token_id: String },
    /// It was used by somebody who should not have it, or no more (RFC 9700 §4.14.2). The family is revoked already.
    Replayed,
    /// It, or its grant, has expired or was revoked since it was loaded.
    Expired,
}

/// Exchanges `presented` for `successor`. A token is exchanged once: the transaction is undone ([`Tx::require`]) where that was done
/// already, or where it or its grant counts no more. [`rotate_again`] is for that.
///
/// The caller has made sure that it is the same client's.
pub async fn rotate(tx: &mut Tx, presented: &RefreshToken, successor: &RefreshToken, now: Timestamp) -> Result<(), Error> {
    tx.require(
        "UPDATE refresh_tokens SET used_at = $2, successor = $3 \
         WHERE hash = $1 AND used_at IS NULL AND NOT dead AND expires_at > $2 AND EXISTS (\
            SELECT 1 FROM grants g WHERE g.id = grant_id AND g.revoked_at IS NULL AND g.expires_at > $2) RETURNING hash",
    )
    .bind(Hash(presented.hash))
    .bind(now)
    .bind(Hash(successor.hash))
    .run()
    .await?;
    insert(tx, successor).await
}

/// What a token gets that can't be exchanged, or not for the first time.
///
/// It works again until its successor has been used once, within `grace` of the first exchange, and [`MAX_RETRIES`] times at most;
/// each time the unused successor dies. Presented at any other time, and a dead token at all times, it is a replay, and this revokes
/// the grant. A `grace` of 0 seconds is the strict rule: once means once.
pub async fn rotate_again(
    tx: &mut Tx,
    presented: &RefreshToken,
    successor: &RefreshToken,
    grace: Seconds,
    now: Timestamp,
) -> Result<Rotation, Error> {
    let rotation = exchange_again(tx, presented, successor, grace, now).await?;
    if rotation == Rotation::Replayed {
        grants::revoke(tx, &presented.grant_id, now).await?;
    }
    Ok(rotation)
}

async fn exchange_again(
    tx: &mut Tx,
    presented: &RefreshToken,
    successor: &RefreshToken,
    grace: Seconds,
    now: Timestamp,
) -> Result<Rotation, Error> {
    // An update that changes nothing: it locks the row on PostgreSQL and shows what is committed now, so that two retries
    // follow each other.
    let current = tx
        .query(
            "UPDATE refresh_tokens SET retries = retries WHERE hash = $1 \
             RETURNING expires_at, used_at, successor, retries, dead",
        )
        .bind(Hash(presented.hash))
        .fetch_optional::<(Timestamp, Option<Timestamp>, Option<Hash>, i64, bool)>()
        .await?;
    let Some((expires_at, used_at, unused, retries, dead)) = current else {
        return Ok(Rotation::Expired);
    };
    if dead {
        return Ok(Rotation::Replayed);
    }
    let (Some(used_at), Some(unused)) = (used_at, unused) else {
        return Ok(Rotation::Expired);
    };
    if now >= used_at + grace || retries >= MAX_RETRIES {
        return Ok(Rotation::Replayed);
    }
    if expires_at <= now || grants::live(tx, &presented.grant_id, now).await?.is_none() {
        return Ok(Rotation::Expired);
    }
    // Of its first use and its death one comes first.
    let killed = tx
        .query("UPDATE refresh_tokens SET dead = TRUE WHERE hash = $1 AND used_at IS NULL AND NOT dead RETURNING access_token_id")
        .bind(unused)
        .fetch_optional::<(String,)>()
        .await?;
    let Some((dead_access_token_id,)) = killed else {
        return Ok(Rotation::Replayed);
    };
    tx.query("UPDATE refresh_tokens SET successor = $2, retries = retries + 1 WHERE hash = $1")
        .bind(Hash(presented.hash))
        .bind(Hash(successor.hash))
        .execute()
        .await?;
    insert(tx, successor).await?;
    Ok(Rotation::Retried { dead_access_token_id })
}

/// Moves the idle limit of a token that doesn't rotate. `false`: it was used or is dead, which such a token can't be.
pub async fn extend(tx: &mut Tx, hash: &[u8; 32], expires_at: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE refresh_tokens SET expires_at = $2 WHERE hash = $1 AND used_at IS NULL AND NOT dead")
        .bind(Hash(*hash))
        .bind(expires_at)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Deletes up to `limit` tokens that expired before `before`. A replay of one of them is then refused as unknown, and does
/// not revoke its family.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("refresh_tokens", "hash", "expires_at"), before, limit).await
}
