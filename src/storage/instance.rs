//! Facts about this installation, such as a value derived from the root, and names to lock.

use super::db::{Conn, Tx};
use super::error::Error;

/// The name of the audit log's key, sealed.
pub const AUDIT_KEY: &str = "audit_key";

/// The value under `name`.
pub async fn load(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let row = conn.query("SELECT value FROM instance WHERE name = $1").bind(name).fetch_optional::<(Vec<u8>,)>().await?;
    Ok(row.map(|(value,)| value))
}

/// Stores `value` unless there is one already, and returns the one that stands there now. Nodes that start at the same
/// moment so agree on the first one's.
pub async fn insert_if_absent(tx: &mut Tx, name: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    tx.query("INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute()
        .await?;
    load(tx, name).await?.ok_or_else(|| Error::other("a value vanished from the table instance"))
}

/// Stores `new` in the place of `old`. `false`: something else stands there now.
pub async fn exchange(tx: &mut Tx, name: &str, old: &[u8], new: &[u8]) -> Result<bool, Error> {
    let changed = tx.query("UPDATE instance SET value = $1 WHERE name = $2 AND value = $3").bind(new).bind(name).bind(old);
    Ok(changed.execute().await? == 1)
}

/// Makes transactions that lock the same name follow one another, until this one ends: each sees what the one before did.
pub async fn lock(tx: &mut Tx, name: &str) -> Result<(), Error> {
    // On PostgreSQL the update of a row locks it; SQLite has one writer anyway.
    tx.query("INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(Vec::new())
        .execute()
        .await?;
    Ok(())
}
