//! The server's own keys, sealed: those that it signs with, and those that others encrypt with.

use std::fmt;

use super::db::{Change, Columns, Conn, Record, Tx};
use super::error::Error;
use super::value::{Json, words};
use crate::protocol::id::KeyId;
use crate::protocol::jwk::KeyAlgorithm;
use crate::protocol::time::Timestamp;

/// A key of the server's own. Its private half is sealed with a key from the root, and its id is the associated data.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    pub id: KeyId,
    pub algorithm: KeyAlgorithm,
    pub state: KeyState,
    /// PKCS#8, sealed.
    pub sealed: Vec<u8>,
    /// The public half, as a JSON object (RFC 7517).
    pub public_jwk: serde_json::Value,
    pub created_at: Timestamp,
    /// When it began to sign.
    pub signing_at: Option<Timestamp>,
    /// When it stopped.
    pub retired_at: Option<Timestamp>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The life of a key. One key of an algorithm signs, and one at most waits to.
///
/// One that others encrypt with goes the same way. It is in the JWKS only while it is the one to use, which is `Signing` too: every
/// node has it before that, and decrypts with it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// In the JWKS, so that everybody knows it before it signs.
    Published,
    Signing,
    /// In the JWKS until everything that it signed has expired.
    Retired,
}

words!(KeyState { Published = "published", Signing = "signing", Retired = "retired", });

impl Record for SigningKey {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            algorithm: columns.read()?,
            state: columns.read()?,
            sealed: columns.read()?,
            public_jwk: columns.read::<Json<_>>()?.0,
            created_at: columns.read()?,
            signing_at: columns.read()?,
            retired_at: columns.read()?,
        })
    }
}

/// Every key, the oldest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<SigningKey>, Error> {
    conn.query(
        "SELECT id, algorithm, state, sealed, public_jwk, created_at, signing_at, retired_at \
         FROM signing_keys ORDER BY created_at, id",
    )
    .fetch_all()
    .await
}

/// When the keys that are in use began to be.
pub async fn begins(conn: &mut Conn) -> Result<Vec<(KeyAlgorithm, Timestamp)>, Error> {
    conn.query("SELECT algorithm, COALESCE(signing_at, created_at) FROM signing_keys WHERE state = $1 ORDER BY algorithm")
        .bind(KeyState::Signing)
        .fetch_all()
        .await
}

/// How many signing keys are stored.
pub async fn count(conn: &mut Conn) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM signing_keys").fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Stores a key. `false`: another node was first, and its key of that algorithm signs, or waits.
pub async fn insert(tx: &mut Tx, key: &SigningKey) -> Result<bool, Error> {
    let inserted = tx
        .query(
            "INSERT INTO signing_keys (id, algorithm, state, sealed, public_jwk, created_at, signing_at, retired_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(&key.id)
        .bind(key.algorithm)
        .bind(key.state)
        .bind(key.sealed.as_slice())
        .bind(Json(key.public_jwk.clone()))
        .bind(key.created_at)
        .bind(key.signing_at)
        .bind(key.retired_at)
        .execute()
        .await?;
    tx.changed(Change::Keys);
    Ok(inserted == 1)
}

/// Moves a key from one state to another. `false`: another node has moved it already.
///
/// # Errors
/// [`Error::Conflict`]: another key of the algorithm is in that state; retire the one that signs before its successor signs.
pub async fn set_state(tx: &mut Tx, id: &KeyId, from: KeyState, to: KeyState, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE signing_keys SET state = $3, \
             signing_at = CASE WHEN $3 = 'signing' THEN $4 ELSE signing_at END, \
             retired_at = CASE WHEN $3 = 'retired' THEN $4 ELSE retired_at END \
             WHERE id = $1 AND state = $2",
        )
        .bind(id)
        .bind(from)
        .bind(to)
        .bind(now)
        .execute()
        .await?;
    tx.changed(Change::Keys);
    Ok(updated == 1)
}

/// Deletes the keys that stopped signing before `retired_before`.
pub async fn delete_expired(tx: &mut Tx, retired_before: Timestamp) -> Result<u64, Error> {
    let deleted = tx
        .query("DELETE FROM signing_keys WHERE state = $1 AND retired_at <= $2")
        .bind(KeyState::Retired)
        .bind(retired_before)
        .execute()
        .await?;
    if deleted > 0 {
        tx.changed(Change::Keys);
    }
    Ok(deleted)
}
