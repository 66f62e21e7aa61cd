//! SQLite: how its connections are opened, and how statements are run on them.
//!
//! Statements run in place, on the thread that asks: with most of the file in memory a point query takes a few microseconds,
//! where the way to another thread and back takes fifty. What does take long goes elsewhere: waiting for another process
//! ([`begin`] waits as a task), the disk at a commit (the group commit), and lists ([`all`]).

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, Value};
use rusqlite::{Connection, OpenFlags, Row};
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long is waited for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is tried meanwhile.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) enum Access {
    Read,
    /// A file that doesn't exist is made, for its owner alone.
    Write,
}

/// Opens a connection. A commit on it is on the disk when it has ended.
pub(in crate::storage) fn open(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    // A file that is there is not even looked into: closing it would take back the locks that this process holds on it.
    if access == Access::Write && !path.exists() {
        // What is wrong, SQLite will say.
        create_private(path).ok();
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A savepoint keeps what it needs to undo its work in memory: a file would be written for nothing, the commit alone has
    // to last. A log that a burst of writes has made longer is cut again.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
    )?;
    if access == Access::Read {
        // What is often read the system keeps in memory once for all of them (in KiB).
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -256")?;
    }
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

fn create_private(path: &Path) -> Result<(), std::io::Error> {
    let mut file = std::fs::OpenOptions::new();
    file.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop)
}

/// Switches the database to the write-ahead log, so that readers and the writer don't wait for each other. It stays so.
///
/// The switch needs the database alone, and SQLite doesn't wait for that: of several processes that start at once on a new
/// file some are told that it is busy, and try again.
pub(in crate::storage) fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut attempts = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if attempts < 250 && is_busy(&error) => attempts += 1,
            result => return result,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// SQLite's result code without its extension.
pub(in crate::storage) fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}

const BUSY: i32 = 5;
const LOCKED: i32 = 6;

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// Opens a transaction that will write. While another process is writing, it waits as a task does.
///
/// Not a plain BEGIN: a transaction that first reads and then writes would fail when another process wrote meanwhile.
pub(super) async fn begin(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    connection.busy_timeout(Duration::ZERO)?;
    loop {
        match command(connection, "BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) && waited < BUSY_TIMEOUT => waited += BUSY_PAUSE,
            result => return result,
        }
        tokio::time::sleep(BUSY_PAUSE).await;
    }
}

/// Runs a statement without parameters.
pub(super) fn command(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    run(connection, sql, Parameters::default()).map(drop)
}

/// The values of a statement's parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    values: Vec<Value>,
    /// The first value that could not be converted.
    failure: Option<rusqlite::Error>,
}

impl Parameters {
    pub(super) fn bind(&mut self, value: &impl ToSql) {
        let value = value.to_sql().and_then(|output| match output {
            ToSqlOutput::Owned(value) => Ok(value),
            ToSqlOutput::Borrowed(value) => Ok(value.try_into()?),
            _ => Err(rusqlite::Error::InvalidQuery),
        });
        match value {
            Ok(value) => self.values.push(value),
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
    }
}

/// Runs a statement to its end, and tells how many rows it inserted, changed or deleted.
pub(super) fn run(connection: &Connection, sql: &str, parameters: Parameters) -> rusqlite::Result<u64> {
    each(connection, sql, parameters, |_| true)?;
    Ok(connection.changes())
}

/// The first row. (A statement that changes rows and returns them has changed all of them before the first comes.)
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    parameters: Parameters,
    read: impl Fn(&Row<'_>) -> T,
) -> rusqlite::Result<Option<T>> {
    let mut first = None;
    each(connection, sql, parameters, |row| {
        first = Some(read(row));
        false
    })?;
    Ok(first)
}

/// Every row. As that may take a while, other tasks of this thread go on elsewhere.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: Parameters,
    read: impl Fn(&Row<'_>) -> T,
) -> rusqlite::Result<Vec<T>> {
    let mut rows = Vec::new();
    let run = || {
        each(connection, sql, parameters, |row| {
            rows.push(read(row));
            true
        })
    };
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run)?,
        _ => run()?,
    }
    Ok(rows)
}

/// Runs a statement, until it ends or `visit` has seen enough.
fn each(
    connection: &Connection,
    sql: &str,
    parameters: Parameters,
    mut visit: impl FnMut(&Row<'_>) -> bool,
) -> rusqlite::Result<()> {
    let Parameters { values, failure } = parameters;
    if let Some(error) = failure {
        return Err(error);
    }
    let mut statement = connection.prepare_cached(sql)?;
    for index in 1..=statement.parameter_count() {
        // SQLite numbers the parameters in the order in which they first appear, whatever number they are named by.
        let number = statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        // It would take a missing value for NULL.
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        statement.raw_bind_parameter(index, value)?;
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if !visit(row) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.cargo/config.toml` says why.
    #[test]
    fn sqlite_is_built_as_it_is_to_be() {
        let connection = Connection::open_in_memory().expect("a database");
        let mut statement = connection.prepare("PRAGMA compile_options").expect("a statement");
        let options = statement.query_map((), |row| row.get(0)).expect("a query").collect::<Result<Vec<String>, _>>();
        let options = options.expect("options");
        assert!(options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"), "{options:?}");
        assert!(options.iter().any(|option| option == "THREADSAFE=1"), "{options:?}");
        for absent in ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_FTS5", "ENABLE_LOAD_EXTENSION"] {
            assert!(!options.iter().any(|option| option == absent), "{options:?}");
        }
    }
}
