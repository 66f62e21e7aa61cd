//! Transactions on both databases: what is kept, what is undone, what is told of a database that can't work.

use std::time::Duration;

use ostiary::config::DatabaseConfig;
use ostiary::storage::db::{Db, Tx};
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::database::{TestDatabase, on_both};

async fn put(tx: &mut Tx, name: &str) -> Result<(), Error> {
    instance::insert_if_absent(tx, name, b"x").await.map(drop)
}

async fn exists(db: &Db, name: &str) -> bool {
    instance::load(&mut db.read().await.unwrap(), name).await.unwrap().is_some()
}

on_both! {
    async fn what_was_written_is_read(database: TestDatabase) {
        let db = &database.db;
        let stands = db.write(async |tx| instance::insert_if_absent(tx, "name", b"value").await).await.unwrap();
        assert_eq!(stands, b"value");
        let stands = db.write(async |tx| instance::insert_if_absent(tx, "name", b"other").await).await.unwrap();
        assert_eq!(stands, b"value");
        let other = database.another_node().await;
        let mut conn = other.read().await.unwrap();
        assert_eq!(instance::load(&mut conn, "name").await.unwrap().unwrap(), b"value");
        assert_eq!(instance::load(&mut conn, "another").await.unwrap(), None);
    }

    /// Handlers are spawned: the future of a write moves between threads, also one that borrows.
    async fn a_write_can_be_spawned(database: TestDatabase) {
        async fn borrowing(db: &Db, name: &str, more: &[&str]) -> Result<usize, Error> {
            db.write(async |tx| {
                put(tx, name).await?;
                for name in more {
                    if instance::insert_if_absent(tx, name, name.as_bytes()).await?.is_empty() {
                        return Ok(0);
                    }
                }
                Ok(more.len())
            })
            .await
        }
        let db = database.db.clone();
        let task = tokio::spawn(async move { borrowing(&db, &String::from("borrowed"), &["a", "b"]).await });
        assert_eq!(task.await.unwrap().unwrap(), 2);
    }

    async fn an_error_undoes_everything(database: TestDatabase) {
        let db = &database.db;
        let result: Result<(), _> = db
            .write(async |tx| {
                put(tx, "a").await?;
                put(tx, "b").await?;
                Err(Error::Conflict)
            })
            .await;
        assert!(matches!(result, Err(Error::Conflict)));
        assert!(!exists(db, "a").await && !exists(db, "b").await);
    }

    /// PostgreSQL would take such a transaction's COMMIT for a ROLLBACK, and say nothing.
    async fn a_failed_statement_spoils_the_transaction_even_when_nobody_looks(database: TestDatabase) {
        let db = &database.db;
        let result = db
            .write(async |tx| {
                put(tx, "before").await?;
                let failed = tx.query("INSERT INTO instance (name, value) VALUES ('before', $1)").bind(&b"x"[..]).execute().await;
                assert!(matches!(failed, Err(Error::Conflict)), "{failed:?}");
                Ok(())
            })
            .await;
        assert!(matches!(result, Err(Error::Conflict)), "{result:?}");
        assert!(!exists(db, "before").await);
    }

    async fn a_panic_undoes_everything_and_stops_nobody(database: TestDatabase) {
        let db = database.db.clone();
        let task = tokio::spawn(async move {
            db.write(async |tx| {
                put(tx, "panic").await?;
                assert!(tx.query("SELECT 1").execute().await.is_err(), "this assertion is meant to fail");
                Ok(())
            })
            .await
        });
        assert!(task.await.is_err_and(|error| error.is_panic()));
        database.db.write(async |tx| put(tx, "after").await).await.unwrap();
        assert!(!exists(&database.db, "panic").await);
    }

    async fn what_reads_can_not_write(database: TestDatabase) {
        if database.is_postgres() {
            // The types see to it: writes take a transaction.
            return;
        }
        let mut conn = database.db.read().await.unwrap();
        let result = conn.query("INSERT INTO instance (name, value) VALUES ('a', 'b')").execute().await;
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }

    async fn when_no_connection_becomes_free_the_caller_is_told(database: TestDatabase) {
        let config = DatabaseConfig { max_connections: 2, acquire_timeout: 1, ..DatabaseConfig::default() };
        let db = Db::open(&database.target, &config).await.unwrap();
        let held = (db.read().await.unwrap(), db.read().await.unwrap());
        let refused = db.read().await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        drop(held);
        db.read().await.unwrap().query("SELECT 1").execute().await.unwrap();
    }

    async fn a_closed_database_refuses(database: TestDatabase) {
        let db = &database.db;
        db.close().await;
        assert!(matches!(db.read().await, Err(Error::Unavailable(_))));
        let result = db.write(async |tx| put(tx, "a").await).await;
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }

    /// Whatever becomes of the others: who was told that it is done finds it, and what was undone is not there.
    async fn of_many_callers_who_fail_and_vanish_each_gets_the_truth(database: TestDatabase) {
        let mut tasks = JoinSet::new();
        for number in 0..400_u64 {
            let db = database.db.clone();
            tasks.spawn(async move {
                // Spread without a clock or chance: each number has its fate.
                let fate = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
                sleep(Duration::from_micros(fate * 40)).await;
                let (first, second) = (format!("{number}a"), format!("{number}b"));
                let write = db.write(async |tx| {
                    put(tx, &first).await?;
                    if fate % 5 == 1 {
                        return Err(Error::Conflict);
                    }
                    put(tx, &second).await
                });
                if fate % 5 == 2 {
                    let result = tokio::time::timeout(Duration::from_micros(fate * 20), write).await;
                    (number, result.ok().map(|result| result.is_ok()))
                } else {
                    (number, Some(write.await.is_ok()))
                }
            });
        }
        let results = tasks.join_all().await;
        let db = &database.db;
        let mut vanished = 0;
        for (number, told) in results {
            let found = (exists(db, &format!("{number}a")).await, exists(db, &format!("{number}b")).await);
            assert_eq!(found.0, found.1, "half of {number} was kept");
            match told {
                Some(kept) => assert_eq!(found.0, kept, "{number}"),
                None => vanished += 1,
            }
        }
        assert!(vanished > 0, "nobody vanished");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn postgres_transactions_that_block_each_other_are_run_again() {
    let database = TestDatabase::postgres().await;
    for name in ["a", "b"] {
        database.db.write(async |tx| put(tx, name).await).await.unwrap();
    }
    let touch = async |first: &'static str, second: &'static str| {
        let runs = std::sync::atomic::AtomicU32::new(0);
        let db = &database.db;
        db.write(async |tx| {
            runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            for name in [first, second] {
                tx.query("UPDATE instance SET value = value WHERE name = $1").bind(name).execute().await?;
                sleep(Duration::from_millis(200)).await;
            }
            Ok(())
        })
        .await
        .unwrap();
        runs.into_inner()
    };
    let (one, other) = tokio::join!(touch("a", "b"), touch("b", "a"));
    assert!(one + other > 2, "one of the two ran again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_slow_statement_on_postgres_is_stopped() {
    let database = TestDatabase::postgres().await;
    let config = DatabaseConfig { statement_timeout: 1, ..DatabaseConfig::default() };
    let db = Db::open(&database.target, &config).await.unwrap();
    let result = db.read().await.unwrap().query("SELECT pg_sleep(20)").execute().await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_write_after_a_restart_of_postgres_notices_nothing() {
    let database = TestDatabase::postgres().await;
    let db = &database.db;
    db.write(async |tx| put(tx, "before").await).await.unwrap();
    // Two connections lie in the pool.
    let both = (db.read().await.unwrap(), db.read().await.unwrap());
    drop(both);
    database.cut_connections().await;
    db.write(async |tx| put(tx, "after").await).await.unwrap();
    assert!(exists(db, "after").await);
}

/// Where the whole transaction is one statement nobody knows whether it arrived, unless the system refused to send it. Either way it
/// is done once or not at all, and the lost connection is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_write_that_is_one_statement_is_done_once_or_told_after_a_restart_of_postgres() {
    let database = TestDatabase::postgres().await;
    let db = &database.db;
    let write = async |name: &'static str| {
        let sql = "INSERT INTO instance (name, value) VALUES ($1, $2)";
        db.write(async |tx| tx.put(sql).bind(name).bind(b"x".as_slice()).run().await).await
    };
    for (name, again) in [("a", "a again"), ("b", "b again"), ("c", "c again")] {
        write(name).await.unwrap();
        database.cut_connections().await;
        let result = write(again).await;
        assert!(matches!(result, Ok(()) | Err(Error::Unavailable(_))), "{result:?}");
        assert_eq!(exists(db, again).await, result.is_ok(), "the statement can't have arrived at a server that was gone");
        write(format!("{name} at last").leak()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_connection_to_postgres_that_is_lost_in_a_transaction_is_told() {
    let database = TestDatabase::postgres().await;
    let db = &database.db;
    let result = db
        .write(async |tx| {
            put(tx, "lost").await?;
            database.cut_connections().await;
            put(tx, "lost too").await
        })
        .await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    db.write(async |tx| put(tx, "after").await).await.unwrap();
    assert!(exists(db, "after").await && !exists(db, "lost").await);
}

/// However many wait on one side, there is a connection for the other.
#[tokio::test]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn neither_requests_nor_jobs_keep_the_other_from_a_connection() {
    let database = TestDatabase::postgres().await;
    let config = DatabaseConfig { max_connections: 4, acquire_timeout: 1, ..DatabaseConfig::default() };
    let db = Db::open(&database.target, &config).await.unwrap();
    let jobs = db.for_jobs();
    let refused = async |db: &Db| matches!(db.read().await, Err(Error::Unavailable(_)));

    let requests = [db.read().await.unwrap(), db.read().await.unwrap(), db.read().await.unwrap()];
    assert!(refused(&db).await, "one is left for jobs");
    jobs.write(async |tx| put(tx, "a").await).await.unwrap();
    let job = jobs.read().await.unwrap();
    assert!(refused(&jobs).await, "jobs have a quarter");
    drop(requests);
    let requests = [db.read().await.unwrap(), db.read().await.unwrap(), db.read().await.unwrap()];
    drop((requests, job));
    jobs.read().await.unwrap().query("SELECT 1").execute().await.unwrap();
}
