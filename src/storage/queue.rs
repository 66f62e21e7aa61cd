//! Rows on their way to the database that no request waits for: bounded, and written in batches.
//!
//! Never blocks a request. What does not fit is counted, and the batch is told how much that was.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::db::Db;
use super::error::Error;
use crate::clock::Clock;
use crate::protocol::time::Timestamp;

/// How long a row waits for others.
const WINDOW: Duration = Duration::from_secs(1);

/// What becomes of the rows of one window.
pub trait Batch: Send {
    type Row: Send + 'static;

    /// Adds a row. `false`: there is no room for it.
    fn add(&mut self, row: Self::Row) -> bool;

    /// There is nothing to write, if nothing was lost either.
    fn is_empty(&self) -> bool;

    /// Writes the rows, and forgets them when they are written. `lost`: how many did not fit since the last time that this
    /// succeeded.
    fn write(&mut self, db: &Db, now: Timestamp, lost: i64) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Takes rows in. Clones share it.
#[derive(Debug)]
pub struct Queue<R> {
    sender: mpsc::Sender<Message<R>>,
    lost: Arc<AtomicI64>,
}

impl<R> Clone for Queue<R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), lost: self.lost.clone() }
    }
}

#[derive(Debug)]
enum Message<R> {
    Row(Box<R>),
    Flush(oneshot::Sender<()>),
}

/// Writes what the [`Queue`] took in. Run it in a task of its own.
#[derive(Debug)]
pub struct Worker<B: Batch> {
    receiver: mpsc::Receiver<Message<B::Row>>,
    lost: Arc<AtomicI64>,
    batch: B,
}

/// A queue that holds so many rows, and its worker.
pub fn queue<B: Batch>(batch: B, capacity: usize) -> (Queue<B::Row>, Worker<B>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let lost = Arc::new(AtomicI64::new(0));
    (Queue { sender, lost: lost.clone() }, Worker { receiver, lost, batch })
}

impl<R> Queue<R> {
    /// Has a row written, some time soon. When the queue is full it is counted instead.
    pub fn push(&self, row: R) {
        if self.sender.try_send(Message::Row(Box::new(row))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything that came before is written.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).await.is_ok() {
            // An error means that the worker ended, which writes everything first.
            let _ = written.await;
        }
    }

    /// How many rows did not fit, and have not been told of yet.
    #[cfg(test)]
    pub fn lost(&self) -> i64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl<B: Batch> Worker<B> {
    /// Writes batches until `shutdown` resolves, then what is left.
    pub async fn run(mut self, db: Db, clock: Clock, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tick = tokio::time::interval(WINDOW);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = tick.tick() => self.write(&db, clock.now()).await,
                message = self.receiver.recv() => match message {
                    Some(message) => self.take(message, &db, clock.now()).await,
                    None => break,
                },
            }
        }
        self.receiver.close();
        while let Some(message) = self.receiver.recv().await {
            self.take(message, &db, clock.now()).await;
        }
        self.write(&db, clock.now()).await;
    }

    async fn take(&mut self, message: Message<B::Row>, db: &Db, now: Timestamp) {
        match message {
            Message::Row(row) => {
                if !self.batch.add(*row) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Message::Flush(done) => {
                self.write(db, now).await;
                // Whoever waited may have gone.
                let _ = done.send(());
            }
        }
    }

    /// While the database is down the batch is kept, and goes on growing within its bounds.
    async fn write(&mut self, db: &Db, now: Timestamp) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if self.batch.is_empty() && lost == 0 {
            return;
        }
        if let Err(error) = self.batch.write(db, now, lost).await {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            tracing::warn!(%error, "rows wait for the database to be written");
        }
    }
}
