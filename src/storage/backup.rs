//! Copies of a database: a consistent one of an SQLite database that is being written to, and whether a copy is whole.

use std::path::Path;

use data_encoding::HEXLOWER;

use super::db::{Access, Conn, Tx, open_sqlite};
use super::error::Error;
use super::instance;
use super::master_keys::Accepted;

/// Writes what `database` holds at this moment to `copy`, which is empty or doesn't exist; writers go on meanwhile.
///
/// Blocking: it reads everything.
pub fn snapshot(database: &Path, copy: &Path) -> Result<(), Error> {
    let copy = copy.to_str().ok_or_else(|| Error::other("the path of the copy is not UTF-8"))?;
    open_sqlite(database, Access::Write)?.execute("VACUUM INTO ?1", [copy])?;
    Ok(())
}

/// A value of the table `instance`, of a database that is not in use.
pub fn fact(database: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let connection = open_sqlite(database, Access::Read)?;
    let found = connection.query_row("SELECT value FROM instance WHERE name = ?1", [name], |row| row.get(0));
    match found {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// The master keys that a database accepts that is not in use. `None`: there is no table of them yet.
pub fn accepted(database: &Path) -> Result<Option<Vec<Accepted>>, Error> {
    let connection = open_sqlite(database, Access::Read)?;
    let tables = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'master_keys' COLLATE NOCASE";
    if connection.query_row(tables, (), |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let mut statement = connection.prepare("SELECT fingerprint, sealed_root, created_at FROM master_keys")?;
    let keys = statement
        .query_map((), |row| Ok(Accepted { fingerprint: row.get(0)?, sealed_root: row.get(1)?, created_at: row.get(2)? }))?;
    Ok(Some(keys.collect::<Result<_, _>>()?))
}

/// Under which name a database that was restored says so, until it is written down.
const RESTORED: &str = "restored_from";

/// Has a database that is not in use say that it was restored from the backup of this time (RFC 3339).
pub fn mark_restored(database: &Path, created_at: &str) -> Result<(), Error> {
    let sql = "INSERT INTO instance (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    open_sqlite(database, Access::Write)?.execute(sql, (RESTORED, created_at.as_bytes()))?;
    Ok(())
}

/// The same as a statement for PostgreSQL.
pub fn mark_restored_sql(created_at: &str) -> String {
    let value = HEXLOWER.encode(created_at.as_bytes());
    format!(
        "INSERT INTO instance (name, value) VALUES ('{RESTORED}', decode('{value}', 'hex')) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
}

/// Whether it says so.
pub async fn is_restored(conn: &mut Conn) -> Result<bool, Error> {
    Ok(instance::load(conn, RESTORED).await?.is_some())
}

/// Takes the mark away, and gives what it said: once.
pub async fn take_restored(tx: &mut Tx) -> Result<Option<String>, Error> {
    let mark = tx.query("DELETE FROM instance WHERE name = $1 RETURNING value").bind(RESTORED);
    let mark = mark.fetch_optional::<(Vec<u8>,)>().await?;
    Ok(mark.map(|(created_at,)| String::from_utf8_lossy(&created_at).into_owned()))
}

/// What is wrong with an SQLite database, in SQLite's words; `None` if it is whole.
///
/// Blocking: it reads everything.
pub fn damage(database: &Path) -> Result<Option<String>, Error> {
    let connection = open_sqlite(database, Access::Read)?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
    if found != "ok" {
        return Ok(Some(found));
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let broken = statement.query_map((), |row| row.get::<_, String>(0))?.next().transpose()?;
    Ok(broken.map(|table| format!("a row of the table {table} refers to one that is not there")))
}
