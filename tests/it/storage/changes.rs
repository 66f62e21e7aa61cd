//! Who is told of changes, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostiary::storage::clients;
use ostiary::storage::db::{Change, Db};
use ostiary::storage::error::Error;
use tokio::time::{Instant, sleep};

use super::persona::{at, client, client_id, secret};
use crate::support::database::{TestDatabase, on_both};

/// What a subscriber was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Change>>>);

impl Told {
    fn by(db: &Db) -> Self {
        let told = Self::default();
        let list = Arc::clone(&told.0);
        db.subscribe(move |change| list.lock().unwrap().push(change.clone()));
        told
    }

    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Waits until one of these is told.
    async fn wait_for(&self, expected: &[Change]) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.take().iter().any(|change| expected.contains(change)) {
            assert!(Instant::now() < end, "not told of {expected:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn app() -> Change {
    Change::Client(client_id("app"))
}

on_both! {
    async fn the_writer_is_answered_after_the_subscribers_were_told(database: TestDatabase) {
        let db = &database.db;
        let told = Told::by(db);
        let mut app_client = client("app");
        db.write(async |tx| clients::insert(tx, &app_client).await).await.unwrap();
        assert_eq!(told.take(), [app()]);
        app_client.status = ostiary::protocol::client::ClientStatus::Disabled;
        db.write(async |tx| clients::update(tx, &app_client, 1).await).await.unwrap();
        assert_eq!(told.take(), [app()]);
        db.write(async |tx| clients::add_secret(tx, &client_id("app"), &secret("a", at(1)), at(1)).await).await.unwrap();
        assert_eq!(told.take(), [app()]);
        db.write(async |tx| clients::delete(tx, &client_id("app")).await).await.unwrap();
        assert_eq!(told.take(), [app()]);
    }

    async fn a_change_that_is_rolled_back_is_not_told(database: TestDatabase) {
        let db = &database.db;
        let told = Told::by(db);
        let result: Result<(), _> = db
            .write(async |tx| {
                clients::insert(tx, &client("app")).await?;
                Err(Error::Conflict)
            })
            .await;
        assert!(result.is_err());
        assert_eq!(told.take(), []);
    }

    async fn other_nodes_are_told(database: TestDatabase) {
        let other = database.another_node().await;
        let told = Told::by(&other);
        let watching = tokio::spawn(other.watch());
        if database.is_postgres() {
            // It listens from now on.
            told.wait_for(&[Change::Everything]).await;
        } else {
            sleep(Duration::from_millis(500)).await;
            assert_eq!(told.take(), [], "nothing has happened yet");
        }
        database.db.write(async |tx| clients::insert(tx, &client("app")).await).await.unwrap();
        // SQLite can't say what changed.
        told.wait_for(&[if database.is_postgres() { app() } else { Change::Everything }]).await;
        watching.abort();
    }
}

#[tokio::test]
async fn on_sqlite_a_process_is_not_told_of_its_own_writes_as_if_they_were_another_ones() {
    let database = TestDatabase::sqlite().await;
    let told = Told::by(&database.db);
    let watching = tokio::spawn(database.db.watch());
    for number in 0..5 {
        let client = client(&format!("app{number}"));
        database.db.write(async |tx| clients::insert(tx, &client).await).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let told = told.take();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(!told.contains(&Change::Everything));
    watching.abort();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn after_a_lost_connection_everything_is_taken_to_have_changed() {
    let database = TestDatabase::postgres().await;
    let told = Told::by(&database.db);
    let watching = tokio::spawn(database.db.watch());
    told.wait_for(&[Change::Everything]).await;
    sleep(Duration::from_millis(200)).await;
    told.take();
    database.cut_connections().await;
    told.wait_for(&[Change::Everything]).await;
    // And it listens again.
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let inserted = database.db.write(async |tx| clients::insert(tx, &client("app")).await).await;
        if inserted.is_ok() {
            break;
        }
        assert!(Instant::now() < end, "{inserted:?}");
    }
    told.wait_for(&[app()]).await;
    watching.abort();
}
