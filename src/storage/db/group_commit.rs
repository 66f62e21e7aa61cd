//! The one writer of SQLite, which commits the work of many callers at once.
//!
//! A commit waits for the disk, and that costs far more than the statements in it. So the callers share one. They stand in the
//! queue of a lock: the first opens a transaction, those after it get a savepoint each, and behind those who wait already
//! stands the task that commits. One COMMIT then makes all of it durable, and nobody is answered before it. What one caller
//! undoes leaves the others' work alone.
//!
//! Whatever happens to a caller, even that its future is dropped between two statements, dropping its [`Turn`] undoes what
//! isn't expressly kept, and lets the next one in. After the work of [`MOST`] callers the last of them commits itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::change::{Change, Subscribers};
use super::sqlite::{self, Access};
use crate::storage::error::Error;
use crate::telemetry::metrics::{COMMIT_CALLERS, COMMIT_TIME, TRANSACTIONS_LOST};

/// The most callers in one transaction.
const MOST: usize = 64;

/// The connection that writes, and those who wait for it.
#[derive(Debug)]
pub(super) struct Writer {
    desk: Arc<Mutex<Desk>>,
    closed: AtomicBool,
    patience: Duration,
}

impl Writer {
    pub(super) fn new(path: PathBuf, connection: Connection, subscribers: Subscribers, patience: Duration) -> Self {
        let desk =
            Desk { path, connection: Some(connection), standing: Standing::None, kept: Vec::new(), closed: false, subscribers };
        Self { desk: Arc::new(Mutex::new(desk)), closed: AtomicBool::new(false), patience }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        if self.is_closed() {
            return Err(stopped());
        }
        let Ok(mut desk) = timeout(self.patience, Arc::clone(&self.desk).lock_owned()).await else {
            return Err(Error::unavailable("the writer did not become free in time"));
        };
        desk.make_ready().await?;
        Ok(Turn { desk: Some(desk), failure: None })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// `PRAGMA data_version`, as the writing connection sees it: it moves when another process has committed.
    pub(super) async fn data_version(&self) -> Result<i64, Error> {
        let mut desk = self.desk.lock().await;
        Ok(desk.connection()?.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Closes the connection after the work of those who stand in the queue.
    pub(super) async fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let desk = Arc::clone(&self.desk).lock_owned().await;
        // The task that commits may stand behind this one.
        let ended = spawn_blocking(move || {
            let mut desk = desk;
            desk.commit();
            desk.closed = true;
            desk.connection.take()
        });
        if let Ok(Some(connection)) = ended.await
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "closing the database failed");
        }
    }
}

fn stopped() -> Error {
    Error::unavailable("the database was closed")
}

/// A caller's time with the writing connection. Dropping it undoes what was done in it.
#[derive(Debug)]
pub(super) struct Turn {
    /// `None` only once the turn has ended.
    desk: Option<OwnedMutexGuard<Desk>>,
    failure: Option<Error>,
}

impl Turn {
    #[expect(clippy::expect_used, reason = "the desk is left only by keep and drop, and ready when the turn begins")]
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut Option<Error>) {
        let desk = self.desk.as_mut().expect("a turn has the desk");
        (desk.connection.as_mut().expect("the desk was made ready"), &mut self.failure)
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Keeps what was done, and waits until it is on the disk.
    pub(super) async fn keep(mut self, changes: Vec<Change>) -> Result<(), Error> {
        let (done, committed) = oneshot::channel();
        if let Some(mut desk) = self.desk.take() {
            desk.standing = Standing::Holding { marked: desk.standing == Standing::Marked };
            desk.kept.push(Kept { changes, done });
            match desk.kept.len() {
                1 => commit_after_the_others(&desk),
                MOST => commit_now(desk),
                _ => {}
            }
        }
        committed.await.map_err(|_| stopped())?
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(desk) = &mut self.desk {
            desk.undo();
        }
    }
}

/// Commits when those who wait at the desk have had their turn.
fn commit_after_the_others(desk: &OwnedMutexGuard<Desk>) {
    let lock = Arc::clone(OwnedMutexGuard::mutex(desk));
    tokio::spawn(async move { commit_now(lock.lock_owned().await) });
}

/// Commits on a thread that may wait for the disk, and leaves the desk to the next caller then.
fn commit_now(mut desk: OwnedMutexGuard<Desk>) {
    spawn_blocking(move || desk.commit());
}

/// The connection, and how its transaction stands.
#[derive(Debug)]
struct Desk {
    path: PathBuf,
    /// `None` after a failure that left the transaction in doubt: closing the connection rolled it back, and the next caller
    /// gets a new one.
    connection: Option<Connection>,
    standing: Standing,
    /// Those whose work is in the transaction.
    kept: Vec<Kept>,
    closed: bool,
    subscribers: Subscribers,
}

/// A caller whose work is in the transaction and who waits for the commit.
#[derive(Debug)]
struct Kept {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// How the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is none.
    None,
    /// It is open and empty: to undo the next caller's work is to roll it back.
    Empty,
    /// It holds work, and a savepoint stands after it: to undo the next caller's work is to roll back to that.
    Marked,
    /// It holds work, the last of it after a savepoint if `marked`.
    Holding { marked: bool },
}

impl Desk {
    fn connection(&mut self) -> Result<&mut Connection, Error> {
        Ok(match &mut self.connection {
            _ if self.closed => return Err(stopped()),
            Some(connection) => connection,
            connection @ None => connection.insert(sqlite::open(&self.path, Access::Write)?),
        })
    }

    /// Opens the transaction, or sets a savepoint after the work that is in it.
    async fn make_ready(&mut self) -> Result<(), Error> {
        let standing = self.standing;
        let connection = self.connection()?;
        let set = match standing {
            Standing::Empty | Standing::Marked => return Ok(()),
            Standing::None => {
                sqlite::begin(connection).await?;
                self.standing = Standing::Empty;
                return Ok(());
            }
            Standing::Holding { marked: false } => sqlite::command(connection, "SAVEPOINT caller"),
            Standing::Holding { marked: true } => {
                let released = sqlite::command(connection, "RELEASE caller");
                released.and_then(|()| sqlite::command(connection, "SAVEPOINT caller"))
            }
        };
        set.map_err(|error| self.lose(error.into()))?;
        self.standing = Standing::Marked;
        Ok(())
    }

    /// Undoes what a caller did who doesn't keep it.
    fn undo(&mut self) {
        let Some(connection) = &self.connection else { return };
        let undone = match self.standing {
            Standing::None | Standing::Holding { .. } => return,
            Standing::Empty => {
                self.standing = Standing::None;
                // SQLite has undone it itself after some failures, such as a full disk.
                if connection.is_autocommit() { Ok(()) } else { sqlite::command(connection, "ROLLBACK") }
            }
            Standing::Marked => sqlite::command(connection, "ROLLBACK TO caller"),
        };
        if let Err(error) = undone {
            self.lose(error.into());
        }
    }

    /// Makes what was kept durable, and answers those who wait for it.
    fn commit(&mut self) {
        if self.standing == Standing::None {
            return;
        }
        let time = COMMIT_TIME.timer();
        if let Some(connection) = &self.connection
            && let Err(error) = sqlite::command(connection, "COMMIT")
        {
            self.lose(error.into());
            return;
        }
        drop(time);
        COMMIT_CALLERS.observe(self.kept.len() as u64);
        self.standing = Standing::None;
        for Kept { changes, done } in self.kept.drain(..) {
            self.subscribers.tell(&changes);
            // Nobody waits when the caller was dropped; its work stays.
            done.send(Ok(())).ok();
        }
    }

    /// Gives the transaction up: closing the connection rolls it back. Everybody whose work was in it is told.
    fn lose(&mut self, error: Error) -> Error {
        tracing::warn!(%error, callers = self.kept.len(), "a transaction was lost");
        self.connection = None;
        self.standing = Standing::None;
        TRANSACTIONS_LOST.add(self.kept.len() as u64);
        for Kept { done, .. } in self.kept.drain(..) {
            done.send(Err(error.clone())).ok();
        }
        error
    }
}
