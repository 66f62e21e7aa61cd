//! A writer that others have to wait for.

use std::sync::Arc;
use std::time::Duration;

use ostiary::storage::db::Db;
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Long enough for a task that was spawned to stand in the queue.
pub const MOMENT: Duration = Duration::from_millis(100);

/// A caller in the middle of its turn: those who come now are in one transaction with it.
pub struct Holding {
    pub task: JoinHandle<Result<(), Error>>,
    pub release: Arc<Notify>,
}

impl Holding {
    /// Writes `name` and holds its turn, at the end of which `outcome` is returned.
    pub async fn start(db: &Db, name: &'static str, outcome: Result<(), Error>) -> Self {
        let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (db, started_too, release_too) = (db.clone(), Arc::clone(&started), Arc::clone(&release));
        let task = tokio::spawn(async move {
            db.write(async |tx| {
                instance::insert_if_absent(tx, name, b"x").await?;
                started_too.notify_one();
                release_too.notified().await;
                outcome.clone()
            })
            .await
        });
        started.notified().await;
        Self { task, release }
    }

    /// Lets this turn end when another holder stands at the end of the queue, and gives that one: the transaction stays open.
    pub async fn hand_on(&self, db: &Db, name: &'static str) -> Self {
        let db = db.clone();
        let next = tokio::spawn(async move { Self::start(&db, name, Ok(())).await });
        sleep(MOMENT).await;
        self.release.notify_one();
        next.await.unwrap()
    }

    pub async fn finish(self) -> Result<(), Error> {
        self.release.notify_one();
        self.task.await.unwrap()
    }
}
