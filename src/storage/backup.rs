//! Copies of a database: a consistent one of an SQLite database that is being written to, and whether a copy is whole.

use std::path::Path;

use super::db::{Access, open_sqlite};
use super::error::Error;

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
