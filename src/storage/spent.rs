//! What may be used once and is carried by the browser: challenges, proofs of work, links. A row says that it was used.

use super::db::Tx;
use super::error::Error;
use super::expiry::{self, oldest};
use super::value::Hash;
use crate::protocol::time::Timestamp;

/// Uses it up: `true` for the first who comes before it expires, `false` for everybody else. `hash` is of the thing, with
/// what kind of thing it is.
pub async fn spend(tx: &mut Tx, hash: &[u8; 32], expires_at: Timestamp, now: Timestamp) -> Result<bool, Error> {
    if now >= expires_at {
        return Ok(false);
    }
    let inserted = tx
        .query("INSERT INTO spent (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
        .bind(Hash(*hash))
        .bind(expires_at)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Deletes up to `limit` rows that expired: [`spend`] refuses what they are about without them.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("spent", "hash", "expires_at"), now, limit).await
}
