//! SQLite's one writer: callers share a commit and nothing else.

use std::time::Duration;

use ostiary::storage::db::{Db, Tx};
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::database::TestDatabase;
use crate::support::holding::{Holding, MOMENT};

pub(super) async fn put(tx: &mut Tx, name: &str) -> Result<(), Error> {
    instance::insert_if_absent(tx, name, b"x").await.map(drop)
}

pub(super) async fn exists(db: &Db, name: &str) -> bool {
    instance::load(&mut db.read().await.unwrap(), name).await.unwrap().is_some()
}

/// Starts a writer whose fault COMMIT finds, and not its statement.
pub(super) async fn culprit(db: &Db) -> JoinHandle<Result<u64, Error>> {
    let db = db.clone();
    let task = tokio::spawn(async move {
        db.write(async |tx| {
            tx.query("PRAGMA defer_foreign_keys = ON").execute().await?;
            tx.query("INSERT INTO profiles (user_id, claims, updated_at) VALUES ('nobody', '{}', 0)").execute().await
        })
        .await
    });
    sleep(MOMENT).await;
    task
}

/// Starts writers that queue, in this order; one whose name begins with `bad` fails after it has written.
async fn queue(db: &Db, names: &[&'static str]) -> Vec<JoinHandle<Result<(), Error>>> {
    let mut tasks = Vec::new();
    for &name in names {
        let db = db.clone();
        tasks.push(tokio::spawn(async move {
            db.write(async |tx| {
                put(tx, name).await?;
                if name.starts_with("bad") { Err(Error::Conflict) } else { Ok(()) }
            })
            .await
        }));
        sleep(Duration::from_millis(20)).await;
    }
    tasks
}

#[tokio::test]
async fn what_one_caller_undoes_leaves_the_others_work_alone() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let names = ["a", "bad1", "b", "c", "bad2", "bad3", "d"];
    for first_fails in [false, true] {
        let outcome = if first_fails { Err(Error::Conflict) } else { Ok(()) };
        let first = Holding::start(db, if first_fails { "bad0" } else { "first" }, outcome).await;
        let tasks = queue(db, &names).await;
        assert_eq!(first.finish().await.is_err(), first_fails);
        for (name, task) in names.iter().zip(tasks) {
            assert_eq!(task.await.unwrap().is_err(), name.starts_with("bad"), "{name}");
            assert_eq!(exists(db, name).await, !name.starts_with("bad"), "{name}");
        }
        assert!(!exists(db, "bad0").await);
        assert!(exists(db, "first").await);
        db.write(async |tx| tx.query("DELETE FROM instance WHERE name <> 'first'").execute().await).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let mut waiting = queue(db, &["early"]).await;
    // It queues behind `early`, and so keeps the transaction open when that is done.
    let last = first.hand_on(db, "last").await;
    let mut early = waiting.remove(0);
    assert!(timeout(MOMENT, &mut early).await.is_err(), "answered while its transaction is open");
    assert!(!first.task.is_finished());
    assert!(!exists(db, "early").await);
    last.finish().await.unwrap();
    early.await.unwrap().unwrap();
    first.task.await.unwrap().unwrap();
    for name in ["first", "early", "last"] {
        assert!(exists(db, name).await, "{name}");
    }
}

#[tokio::test]
async fn a_caller_dropped_in_the_middle_of_its_turn_leaves_nothing() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    // As the first of its transaction, and as a later one.
    let first = Holding::start(db, "dropped", Ok(())).await;
    let tasks = queue(db, &["a", "b"]).await;
    first.task.abort();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(!exists(db, "dropped").await && exists(db, "a").await && exists(db, "b").await);

    let first = Holding::start(db, "first", Ok(())).await;
    let second = {
        let db = db.clone();
        tokio::spawn(async move { Holding::start(&db, "dropped", Ok(())).await })
    };
    sleep(MOMENT).await;
    let tasks = queue(db, &["c"]).await;
    first.release.notify_one();
    second.await.unwrap().task.abort();
    first.task.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(exists(db, "first").await && exists(db, "c").await && !exists(db, "dropped").await);
}

#[tokio::test]
async fn a_caller_dropped_while_it_waits_for_its_turn_is_passed_over() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let tasks = queue(db, &["dropped", "a"]).await;
    tasks[0].abort();
    first.finish().await.unwrap();
    for task in tasks.into_iter().skip(1) {
        task.await.unwrap().unwrap();
    }
    assert!(exists(db, "a").await && !exists(db, "dropped").await);
}

#[tokio::test]
async fn the_work_of_a_caller_dropped_while_it_waits_for_the_commit_is_kept() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let last = first.hand_on(db, "last").await;
    first.task.abort();
    last.finish().await.unwrap();
    assert!(exists(db, "first").await && exists(db, "last").await);
}

#[tokio::test]
async fn a_failed_commit_fails_everybody_in_it_and_nobody_after() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let culprit = culprit(db).await;
    let tasks = queue(db, &["a", "b"]).await;
    assert!(first.finish().await.is_err());
    assert!(culprit.await.unwrap().is_err());
    for task in tasks {
        assert!(task.await.unwrap().is_err());
    }
    for name in ["first", "a", "b"] {
        assert!(!exists(db, name).await, "{name}");
    }
    db.write(async |tx| put(tx, "after").await).await.unwrap();
    assert!(exists(db, "after").await);
}

/// SQLite rolls the whole transaction back by itself when the disk is full.
#[tokio::test]
async fn on_a_full_disk_nobody_is_told_of_work_that_is_lost() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let greedy = {
        let db = db.clone();
        tokio::spawn(async move {
            let blob = vec![0; 1_000_000];
            db.write(async |tx| {
                tx.query("PRAGMA max_page_count = 300").execute().await?;
                for name in ["x", "y", "z"] {
                    instance::insert_if_absent(tx, name, &blob).await?;
                }
                Ok(())
            })
            .await
        })
    };
    sleep(MOMENT).await;
    let tasks = queue(db, &["a"]).await;
    let mut told = vec![("first", first.finish().await.is_ok())];
    let error = greedy.await.unwrap();
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
    for task in tasks {
        told.push(("a", task.await.unwrap().is_ok()));
    }
    for (name, kept) in told {
        assert_eq!(exists(db, name).await, kept, "{name}");
    }
    assert!(!exists(db, "x").await);
}

#[tokio::test]
async fn more_callers_than_fit_in_one_transaction_are_all_served() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let first = Holding::start(db, "first", Ok(())).await;
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let db = db.clone();
            tokio::spawn(async move { db.write(async |tx| put(tx, &format!("n{number}")).await).await })
        })
        .collect();
    sleep(MOMENT).await;
    first.finish().await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let (count,) = db.read().await.unwrap().query("SELECT COUNT(*) FROM instance").fetch_one::<(i64,)>().await.unwrap();
    assert_eq!(count, 301);
}

#[tokio::test]
async fn a_write_inside_a_write_fails_instead_of_waiting_for_itself() {
    let database = TestDatabase::sqlite().await;
    let mut config = crate::support::database::config();
    config.acquire_timeout = 1;
    let db = Db::open(&database.target, &config).await.unwrap();
    let result = db.write(async |tx| {
        put(tx, "outer").await?;
        db.write(async |tx| put(tx, "inner").await).await
    });
    let result = result.await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    assert!(!exists(&db, "outer").await);
    db.write(async |tx| put(tx, "after").await).await.unwrap();
}

#[tokio::test]
async fn while_another_process_writes_callers_wait_and_then_are_told() {
    let database = TestDatabase::sqlite().await;
    let mut config = crate::support::database::config();
    config.acquire_timeout = 1;
    let impatient = Db::open(&database.target, &config).await.unwrap();
    let other = Holding::start(&database.db, "other", Ok(())).await;
    let result = impatient.write(async |tx| put(tx, "impatient").await).await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    other.finish().await.unwrap();
    impatient.write(async |tx| put(tx, "patient").await).await.unwrap();
    assert!(exists(&database.db, "patient").await && !exists(&database.db, "impatient").await);
}

#[tokio::test]
async fn closing_waits_for_what_was_ordered_before() {
    let database = TestDatabase::sqlite().await;
    let first = Holding::start(&database.db, "first", Ok(())).await;
    let tasks = queue(&database.db, &["a", "b"]).await;
    let closing = tokio::spawn({
        let db = database.db.clone();
        async move { db.close().await }
    });
    sleep(MOMENT).await;
    let refused = database.db.write(async |tx| put(tx, "late").await).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    first.finish().await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    closing.await.unwrap();
    let db = database.another_node().await;
    assert!(exists(&db, "a").await && exists(&db, "b").await && !exists(&db, "late").await);
}
