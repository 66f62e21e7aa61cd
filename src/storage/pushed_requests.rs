//! Authorization requests that clients pushed: stored under hashes, used up by the login that ends first.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::value::Hash;
use crate::protocol::id::ClientId;
use crate::protocol::time::Timestamp;

/// RFC 9126 §2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    pub hash: [u8; 32],
    pub client_id: ClientId,
    /// Form-encoded.
    pub parameters: String,
    /// They came in a request object that the client signed.
    pub signed: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
}

impl Record for PushedRequest {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            hash: columns.read::<Hash>()?.0,
            client_id: columns.read()?,
            parameters: columns.read()?,
            signed: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            consumed_at: columns.read()?,
        })
    }
}

pub async fn insert(tx: &mut Tx, request: &PushedRequest) -> Result<(), Error> {
    tx.query(
        "INSERT INTO pushed_requests (hash, client_id, parameters, signed, created_at, expires_at, consumed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(Hash(request.hash))
    .bind(&request.client_id)
    .bind(request.parameters.as_str())
    .bind(request.signed)
    .bind(request.created_at)
    .bind(request.expires_at)
    .bind(request.consumed_at)
    .execute()
    .await?;
    Ok(())
}

/// The request, those that expired or were used up too: the caller tells why it counts for nothing.
pub async fn load(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<PushedRequest>, Error> {
    conn.query(
        "SELECT hash, client_id, parameters, signed, created_at, expires_at, consumed_at FROM pushed_requests WHERE hash = $1",
    )
    .bind(Hash(*hash))
    .fetch_optional()
    .await
}

/// Uses it up: `true` for one login alone. When it expires does not matter here, for that is the end of opening it.
pub async fn consume(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE pushed_requests SET consumed_at = $2 WHERE hash = $1 AND consumed_at IS NULL")
        .bind(Hash(*hash))
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Deletes up to `limit` requests that could not be opened any more since `before`. A login without its row can't end.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("pushed_requests", "hash", "expires_at"), before, limit).await
}
