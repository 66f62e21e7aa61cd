//! The connections that read from SQLite.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Connections;
use super::sqlite::{self, Access};
use crate::storage::error::Error;
use crate::telemetry::metrics::{POOL_TIMEOUTS, POOL_WAIT};

/// They are made when they are first needed, and the last used is the first to be used again.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    size: usize,
    patience: Duration,
}

impl Readers {
    pub(super) fn new(path: &Path, size: u32, patience: Duration) -> Self {
        let size = size.try_into().unwrap_or(Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(size));
        Self { path: path.to_owned(), idle: Mutex::default(), permits, size, patience }
    }

    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sqlite::open(&self.path, Access::Read)?,
        };
        Ok(Lease { connection: Some(connection), failure: None, readers: Arc::clone(self), _permit: permit })
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, Error> {
        let _time = POOL_WAIT.timer();
        let permit = timeout(self.patience, Arc::clone(&self.permits).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            POOL_TIMEOUTS.count();
            Error::unavailable("no connection became free in time")
        })
    }

    pub(super) fn connections(&self) -> Connections {
        let in_use = self.size.saturating_sub(self.permits.available_permits());
        Connections { in_use, open: in_use + self.idle().len(), most: self.size }
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    failure: Option<Error>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    #[expect(clippy::expect_used, reason = "only drop takes the connection")]
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut Option<Error>) {
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
