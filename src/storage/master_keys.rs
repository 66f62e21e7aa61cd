//! The master keys that open the database: for each of them the root, sealed.

use std::fmt;

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::instance;
use crate::protocol::time::Timestamp;

/// A key that is accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    pub fingerprint: String,
    /// The root, sealed with the key; the fingerprint is the associated data.
    pub sealed_root: Vec<u8>,
    pub created_at: Timestamp,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Accepted").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Record for Accepted {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { fingerprint: columns.read()?, sealed_root: columns.read()?, created_at: columns.read()? })
    }
}

/// Every key that is accepted, the oldest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<Accepted>, Error> {
    conn.query("SELECT fingerprint, sealed_root, created_at FROM master_keys ORDER BY created_at, fingerprint").fetch_all().await
}

/// Makes those who add or drop keys follow one another: none of them must see a key that another one is just taking away.
pub async fn lock(tx: &mut Tx) -> Result<(), Error> {
    instance::lock(tx, "master_keys").await
}

/// Stores a key, unless there is one of this fingerprint. `false`: there is.
pub async fn insert_if_absent(tx: &mut Tx, key: &Accepted) -> Result<bool, Error> {
    let inserted = tx
        .query("INSERT INTO master_keys (fingerprint, sealed_root, created_at) VALUES ($1, $2, $3) ON CONFLICT (fingerprint) DO NOTHING")
        .bind(key.fingerprint.as_str())
        .bind(key.sealed_root.as_slice())
        .bind(key.created_at)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// `false`: there was none of this fingerprint.
pub async fn delete(tx: &mut Tx, fingerprint: &str) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM master_keys WHERE fingerprint = $1").bind(fingerprint).execute().await? == 1)
}
