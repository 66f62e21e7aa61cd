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
