//! The connections to SQLite: a few that read, one that writes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::storage::error::Error;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection is opened: a commit is on the disk when it is answered.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // What a savepoint needs to undo its work: a file would be written for nothing, the commit alone has to last.
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        // A log that a burst of writes has made longer is cut again.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

/// Opens a connection that may write. A file that doesn't exist is made, for its owner alone.
pub(in crate::storage) async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    create_private(path)?;
    options(path).connect().await
}

/// Switches the database to the write-ahead log, so that readers and the writer don't wait for each other. It stays so.
///
/// The switch needs the database alone, and SQLite doesn't wait for that: of several processes that start at once on a new
/// file some are told that it is busy, and try again.
pub(in crate::storage) async fn use_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut attempts = 0;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Err(error) if attempts < 250 && matches!(primary_code(&error), Some(BUSY | LOCKED)) => attempts += 1,
            result => return result.map(drop),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const BUSY: i32 = 5;
const LOCKED: i32 = 6;

/// SQLite's result code without its extension.
pub(in crate::storage) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

fn create_private(path: &Path) -> Result<(), std::io::Error> {
    let mut file = std::fs::OpenOptions::new();
    file.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop)
}

/// The connections that read. They are made when they are first needed, and the last used is the first to be used again.
///
/// (sqlx's own pool pings a connection, in a task of its own, each time it comes back: for a point query on a local file that
/// is a good part of the whole cost.)
#[derive(Debug)]
pub(super) struct Readers {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
    patience: Duration,
}

impl Readers {
    pub(super) fn new(path: &Path, size: u32, patience: Duration) -> Self {
        Self {
            options: options(path).pragma("query_only", "ON"),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(size.try_into().unwrap_or(usize::MAX >> 4))),
            patience,
        }
    }

    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        let permit = timeout(self.patience, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Error::unavailable("no connection became free in time"));
        };
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Lease { connection: Some(connection), failure: None, readers: Arc::clone(self), _permit: permit })
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "closing a connection failed");
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` only while it is dropped.
    connection: Option<SqliteConnection>,
    failure: Option<Error>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    #[expect(clippy::expect_used, reason = "only drop takes the connection")]
    pub(super) fn parts(&mut self) -> (&mut SqliteConnection, &mut Option<Error>) {
        (self.connection.as_mut().expect("a lease holds a connection"), &mut self.failure)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let broken = matches!(self.failure, Some(Error::Unavailable(_))) || self.readers.permits.is_closed();
        if let Some(connection) = self.connection.take()
            && !broken
        {
            self.readers.idle().push(connection);
        }
    }
}
