//! The one writer of SQLite, which commits the work of many callers at once.
//!
//! To wait for the disk costs far more than the statements that are to last. So the callers share it. They stand in the
//! queue of a lock: the first opens a transaction, those after it get a savepoint each, and behind those who wait already
//! stands the committer. One COMMIT puts the work of all of them into the write-ahead log, one order to the disk makes that last
//! ([`Log`]), and nobody is answered before it. What one caller undoes leaves the others' work alone.
//!
//! While the disk works the next callers have their turns; their COMMIT comes when it has finished. So the longer the disk takes the
//! more of them share the next order, and neither the disk nor the processors wait for each other.
//!
//! Whatever happens to a caller, even that its future is dropped between two statements, dropping its [`Turn`] undoes what
//! isn't expressly kept, and lets the next one in. After the work of [`MOST`] callers the last of them commits itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, mem};

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::change::{Change, Subscribers};
use super::log::Log;
use super::sqlite;
use crate::storage::error::Error;
use crate::telemetry::metrics::{COMMIT_CALLERS, COMMIT_TIME, TRANSACTIONS_LOST, Timer};

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
    pub(super) fn new(path: &Path, connection: Connection, subscribers: Subscribers, patience: Duration) -> Result<Self, Error> {
        let log = Log::of(path, &connection)?;
        let desk = Desk {
            log: Arc::new(log),
            connection: Some(connection),
            standing: Standing::None,
            kept: Vec::new(),
            committed: Vec::new(),
            committing: false,
            closed: false,
            subscribers,
        };
        Ok(Self { desk: Arc::new(Mutex::new(desk)), closed: AtomicBool::new(false), patience })
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
        // The committer may stand behind this one.
        let ended = spawn_blocking(move || {
            let mut desk = desk;
            if let Some(Err((error, callers))) = desk.round().map(Round::sync) {
                desk.doubt(&error, callers);
            }
            desk.closed = true;
            desk.log.close();
            desk.connection.take()
        });
        if let Ok(Some(connection)) = ended.await
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "closing the database failed");
        }
    }

    /// Waits until everything that can be read now is on the disk.
    pub(super) async fn settled(&self) -> Result<(), Error> {
        let (done, settled) = oneshot::channel();
        let mut desk = self.desk.lock().await;
        if !desk.committing {
            return Ok(());
        }
        desk.committed.push(Kept { changes: Vec::new(), done });
        drop(desk);
        settled.await.map_err(|_| stopped())?
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
            call_the_committer(&mut desk);
            if desk.kept.len() >= MOST {
                spawn_blocking(move || desk.commit());
            }
        }
        committed.await.map_err(|_| stopped())?
    }

    /// Undoes what was done, and waits until that lasts which others did before: what the caller found rests on it, and so does whatever
    /// it concludes. Should that be lost, the error says so.
    pub(super) async fn refuse(mut self) -> Result<(), Error> {
        let (done, settled) = oneshot::channel();
        if let Some(mut desk) = self.desk.take() {
            desk.undo();
            if !desk.committing {
                return Ok(());
            }
            let nothing = Kept { changes: Vec::new(), done };
            if desk.kept.is_empty() { desk.committed.push(nothing) } else { desk.kept.push(nothing) }
        }
        settled.await.map_err(|_| stopped())?
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(desk) = &mut self.desk {
            desk.undo();
        }
    }
}

/// The committer has its turn when those who wait at the desk have had theirs, and goes on as long as there is something to commit. It
/// runs on a thread that may wait for the disk.
fn call_the_committer(desk: &mut OwnedMutexGuard<Desk>) {
    if mem::replace(&mut desk.committing, true) {
        return;
    }
    let lock = Arc::clone(OwnedMutexGuard::mutex(desk));
    spawn_blocking(move || {
        loop {
            let round = lock.blocking_lock().round();
            let Some(round) = round else { break };
            // Should a subscriber panic, the committer goes on all the same.
            let synced = catch_unwind(AssertUnwindSafe(|| round.sync()));
            if let Ok(Err((error, callers))) = synced {
                lock.blocking_lock().doubt(&error, callers);
            }
        }
    });
}

/// The connection, and how its transaction stands.
#[derive(Debug)]
struct Desk {
    log: Arc<Log>,
    /// `None` after a failure that left the transaction in doubt: closing the connection rolled it back, and the next caller
    /// gets a new one.
    connection: Option<Connection>,
    standing: Standing,
    /// Those whose work is in the transaction.
    kept: Vec<Kept>,
    /// Those whose work is committed, and perhaps not on the disk yet.
    committed: Vec<Kept>,
    /// Whether there is a committer, who looks again before it goes.
    committing: bool,
    closed: bool,
    subscribers: Subscribers,
}

/// A caller whose work is done and who waits until it lasts.
#[derive(Debug)]
struct Kept {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// Those whose work is committed and waits for the disk.
struct Round {
    callers: Vec<Kept>,
    log: Arc<Log>,
    subscribers: Subscribers,
    time: Timer,
}

impl Round {
    /// Makes it last and answers them; or gives them back.
    fn sync(self) -> Result<(), (io::Error, Vec<Kept>)> {
        if let Err(error) = self.log.sync() {
            return Err((error, self.callers));
        }
        drop(self.time);
        for Kept { changes, done } in self.callers {
            self.subscribers.tell(&changes);
            // Nobody waits when the caller was dropped; its work stays.
            done.send(Ok(())).ok();
        }
        Ok(())
    }
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
            connection @ None => {
                let opened = self.log.open()?;
                self.log.heal(&opened)?;
                connection.insert(opened)
            }
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

    /// Commits what was kept. It lasts when the log is [synced](Log::sync).
    fn commit(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        if let Some(connection) = &self.connection
            && let Err(error) = sqlite::command(connection, "COMMIT")
        {
            self.lose(error.into());
            return;
        }
        if self.log.is_due() {
            self.start_a_checkpoint();
        }
        COMMIT_CALLERS.observe(self.kept.len() as u64);
        self.standing = Standing::None;
        self.committed.append(&mut self.kept);
    }

    /// Nobody waits for it.
    fn start_a_checkpoint(&self) {
        let log = Arc::clone(&self.log);
        spawn_blocking(move || {
            if let Err(error) = log.checkpoint() {
                tracing::debug!(%error, "a checkpoint failed; a later one does its work");
            }
        });
    }

    /// What the disk is to be asked for next.
    fn round(&mut self) -> Option<Round> {
        if self.kept.is_empty() && self.committed.is_empty() {
            self.committing = false;
            return None;
        }
        let time = COMMIT_TIME.timer();
        self.commit();
        self.committing = !self.committed.is_empty();
        self.committing.then(|| Round {
            callers: mem::take(&mut self.committed),
            log: Arc::clone(&self.log),
            subscribers: self.subscribers.clone(),
            time,
        })
    }

    /// The disk did not take what was committed for `callers`. What was done since rests on it, and goes with it.
    fn doubt(&mut self, error: &io::Error, callers: Vec<Kept>) {
        let committed = mem::take(&mut self.committed);
        self.kept.splice(0..0, callers.into_iter().chain(committed));
        self.lose(Error::unavailable(&format!("the disk did not keep what was written: {error}")));
    }

    /// Gives the transaction up: closing the connection rolls it back. Everybody whose work was in it is told.
    fn lose(&mut self, error: Error) -> Error {
        tracing::warn!(%error, callers = self.kept.len(), "a transaction was lost");
        self.connection = None;
        self.standing = Standing::None;
        TRANSACTIONS_LOST.add(self.kept.len() as u64);
        for Kept { changes, done } in self.kept.drain(..) {
            // What failed may be there all the same.
            self.subscribers.tell(&changes);
            done.send(Err(error.clone())).ok();
        }
        error
    }
}
