//! One-time links to set up the first administrator.

use super::db::{Conn, Tx};
use super::error::Error;
use super::value::Hash;
use crate::protocol::time::Timestamp;

pub async fn insert(tx: &mut Tx, hash: &[u8; 32], expires_at: Timestamp) -> Result<(), Error> {
    tx.query("INSERT INTO setup_links (hash, expires_at) VALUES ($1, $2)").bind(Hash(*hash)).bind(expires_at).execute().await?;
    Ok(())
}

/// Whether the link works still: for the page that it opens. [`consume`] decides.
pub async fn is_valid(conn: &mut Conn, hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let (valid,) = conn
        .query("SELECT EXISTS (SELECT 1 FROM setup_links WHERE hash = $1 AND expires_at > $2)")
        .bind(Hash(*hash))
        .bind(now)
        .fetch_one::<(bool,)>()
        .await?;
    Ok(valid)
}

/// Spends the link: `true` for one caller alone, and before it expires.
pub async fn consume(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let deleted =
        tx.query("DELETE FROM setup_links WHERE hash = $1 AND expires_at > $2").bind(Hash(*hash)).bind(now).execute().await?;
    Ok(deleted == 1)
}

/// Takes back every link.
pub async fn clear(tx: &mut Tx) -> Result<u64, Error> {
    tx.query("DELETE FROM setup_links").execute().await
}
