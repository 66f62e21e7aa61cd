//! The one writer of SQLite, which commits the work of many callers at once.
//!
//! A commit waits for the disk, and that costs far more than the statements in it. So the callers share one: the first opens
//! a transaction, those who come while it is open get a savepoint each, and when nobody waits any more, or [`MOST`] are in,
//! one COMMIT makes all of it durable. Nobody is answered before it. What one caller undoes leaves the others' work alone.
//!
//! One task owns the connection and lends it to one caller after the other ([`Turn`]). Whatever happens to a caller, even that
//! its future is dropped in the middle of a statement, its turn gives the connection back, and what isn't expressly kept is
//! undone. BEGIN, SAVEPOINT and COMMIT are run by that task alone, and so can't be interrupted.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::change::{Change, Subscribers};
use super::sqlite;
use crate::storage::error::Error;

/// The most callers in one transaction.
const MOST: usize = 64;

/// Takes orders for the task that writes.
#[derive(Debug)]
pub(super) struct Writer {
    orders: mpsc::UnboundedSender<Order>,
    closed: AtomicBool,
    patience: Duration,
}

enum Order {
    /// A caller wants its turn.
    Turn(oneshot::Sender<Result<Turn, Error>>),
    /// `PRAGMA data_version`, as the writing connection sees it: it moves when another process has committed.
    DataVersion(oneshot::Sender<Result<i64, Error>>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the task, which ends when the `Writer` is dropped.
    pub(super) fn start(path: PathBuf, connection: SqliteConnection, subscribers: Subscribers, patience: Duration) -> Self {
        let (orders, queue) = mpsc::unbounded_channel();
        tokio::spawn(Scribe { path, connection: Some(connection), queue, subscribers, closing: None }.run());
        Self { orders, closed: AtomicBool::new(false), patience }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        let (sender, receiver) = oneshot::channel();
        self.order(Order::Turn(sender))?;
        match timeout(self.patience, receiver).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(Error::unavailable("the writer did not become free in time")),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) async fn data_version(&self) -> Result<i64, Error> {
        let (sender, receiver) = oneshot::channel();
        self.order(Order::DataVersion(sender))?;
        receiver.await.map_err(|_| stopped())?
    }

    /// Ends the task after what was ordered before, and closes its connection.
    pub(super) async fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        if self.orders.send(Order::Close(sender)).is_ok() {
            // An error says that it ended already.
            receiver.await.ok();
        }
    }

    fn order(&self, order: Order) -> Result<(), Error> {
        if self.is_closed() {
            return Err(stopped());
        }
        self.orders.send(order).map_err(|_| stopped())
    }
}

fn stopped() -> Error {
    Error::unavailable("the database was closed")
}

/// A caller's time with the writing connection. Dropping it undoes what was done in it.
pub(super) struct Turn {
    /// `None` only once it was given back.
    connection: Option<SqliteConnection>,
    failure: Option<Error>,
    back: Option<oneshot::Sender<Returned>>,
}

struct Returned {
    connection: SqliteConnection,
    /// `None`: undo.
    kept: Option<Kept>,
}

/// A caller whose work is in the transaction and who waits for the commit.
struct Kept {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), Error>>,
}

impl Turn {
    fn new(connection: SqliteConnection) -> (Self, oneshot::Receiver<Returned>) {
        let (back, returned) = oneshot::channel();
        (Self { connection: Some(connection), failure: None, back: Some(back) }, returned)
    }

    #[expect(clippy::expect_used, reason = "the connection is given back only by keep and drop, which end the turn")]
    pub(super) fn parts(&mut self) -> (&mut SqliteConnection, &mut Option<Error>) {
        (self.connection.as_mut().expect("a turn holds the connection"), &mut self.failure)
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Keeps what was done, and waits until it is on the disk.
    pub(super) async fn keep(mut self, changes: Vec<Change>) -> Result<(), Error> {
        let (done, committed) = oneshot::channel();
        self.give_back(Some(Kept { changes, done }));
        committed.await.map_err(|_| stopped())?
    }

    fn give_back(&mut self, kept: Option<Kept>) {
        if let (Some(connection), Some(back)) = (self.connection.take(), self.back.take()) {
            // It fails when the runtime is being shut down; the connection is closed then and nothing was committed.
            drop(back.send(Returned { connection, kept }));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back(None);
    }
}

/// The task that owns the connection.
struct Scribe {
    path: PathBuf,
    /// `None` after a failure that left the transaction in doubt: closing the connection rolls it back, and the next caller
    /// gets a new one.
    connection: Option<SqliteConnection>,
    queue: mpsc::UnboundedReceiver<Order>,
    subscribers: Subscribers,
    closing: Option<oneshot::Sender<()>>,
}

/// How the transaction stands between two turns.
#[derive(Clone, Copy, PartialEq, Eq)]
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

impl Scribe {
    async fn run(mut self) {
        while let Some(order) = self.queue.recv().await {
            match order {
                Order::Turn(caller) => self.transaction(caller).await,
                Order::DataVersion(reply) => drop(reply.send(self.data_version().await)),
                Order::Close(done) => self.no_more(done),
            }
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the database failed");
        }
        if let Some(done) = self.closing {
            // Nobody waits when the caller of close was dropped.
            done.send(()).ok();
        }
    }

    /// Takes no more orders; those in the queue are still carried out.
    fn no_more(&mut self, done: oneshot::Sender<()>) {
        self.queue.close();
        self.closing = Some(done);
    }

    async fn connection(&mut self) -> Result<SqliteConnection, Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(sqlite::connect(&self.path).await?),
        }
    }

    async fn data_version(&mut self) -> Result<i64, Error> {
        let mut connection = self.connection().await?;
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await?;
        self.connection = Some(connection);
        Ok(version)
    }

    /// One transaction: the turn of `first`, of all who come while it is open, the commit, and the answers.
    async fn transaction(&mut self, first: oneshot::Sender<Result<Turn, Error>>) {
        let mut kept = Vec::new();
        let result = self.turns_and_commit(first, &mut kept).await;
        if let Err(error) = &result {
            tracing::warn!(%error, callers = kept.len(), "a transaction was lost");
        }
        for Kept { changes, done } in kept {
            if result.is_ok() {
                self.subscribers.tell(&changes);
            }
            // Nobody waits when the caller was dropped; its work stays.
            done.send(result.clone()).ok();
        }
    }

    /// On an error the connection is dropped, and with it everything that was kept.
    async fn turns_and_commit(&mut self, first: oneshot::Sender<Result<Turn, Error>>, kept: &mut Vec<Kept>) -> Result<(), Error> {
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Err(refuse(first, error)),
        };
        let mut standing = Standing::None;
        let mut next = Some(first);
        while let Some(caller) = next {
            match make_ready(&mut connection, standing).await {
                Ok(ready) => standing = ready,
                Err(error) => return Err(refuse(caller, error)),
            }
            let (turn, returned) = Turn::new(connection);
            // When the caller has gone, its turn is dropped here and gives the connection back.
            drop(caller.send(Ok(turn)));
            let returned = returned.await.map_err(|_| Error::unavailable("the writing connection was lost"))?;
            connection = returned.connection;
            if let Some(caller) = returned.kept {
                kept.push(caller);
                standing = Standing::Holding { marked: standing == Standing::Marked };
            } else if standing == Standing::Marked {
                run(&mut connection, "ROLLBACK TO caller").await?;
            } else {
                run(&mut connection, "ROLLBACK").await?;
                standing = Standing::None;
            }
            next = if kept.len() < MOST { self.waiting(&mut connection).await } else { None };
        }
        if standing != Standing::None {
            run(&mut connection, "COMMIT").await?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// The next caller, if one waits already.
    async fn waiting(&mut self, connection: &mut SqliteConnection) -> Option<oneshot::Sender<Result<Turn, Error>>> {
        loop {
            match self.queue.try_recv().ok()? {
                Order::Turn(caller) if caller.is_closed() => {}
                Order::Turn(caller) => return Some(caller),
                Order::DataVersion(reply) => {
                    let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await;
                    drop(reply.send(version.map_err(Error::from)));
                }
                Order::Close(done) => self.no_more(done),
            }
        }
    }
}

/// Opens the transaction, or sets a savepoint after the work that is in it.
async fn make_ready(connection: &mut SqliteConnection, standing: Standing) -> Result<Standing, Error> {
    let (statement, ready) = match standing {
        Standing::Empty | Standing::Marked => return Ok(standing),
        // Not a plain BEGIN: a transaction that first reads and then writes would fail when another process wrote meanwhile.
        Standing::None => ("BEGIN IMMEDIATE", Standing::Empty),
        Standing::Holding { marked: false } => ("SAVEPOINT caller", Standing::Marked),
        Standing::Holding { marked: true } => ("RELEASE caller; SAVEPOINT caller", Standing::Marked),
    };
    run(connection, statement).await?;
    Ok(ready)
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Error> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

fn refuse(caller: oneshot::Sender<Result<Turn, Error>>, error: Error) -> Error {
    drop(caller.send(Err(error.clone())));
    error
}
