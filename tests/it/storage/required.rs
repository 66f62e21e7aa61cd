//! Statements that a transaction rests on, on both databases: all of it is written, or nothing.

use ostiary::storage::db::{Db, Tx};
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use tokio::task::JoinSet;

use crate::support::database::{TestDatabase, on_both};

async fn exists(db: &Db, name: &str) -> bool {
    instance::load(&mut db.read().await.unwrap(), name).await.unwrap().is_some()
}

async fn put(tx: &mut Tx, name: &str) -> Result<(), Error> {
    tx.put("INSERT INTO instance (name, value) VALUES ($1, $2)").bind(name).bind(&b"0"[..]).run().await
}

async fn require(tx: &mut Tx, name: &str) -> Result<(), Error> {
    tx.require("SELECT name FROM instance WHERE name = $1").bind(name).run().await
}

async fn take(tx: &mut Tx, name: &str) -> Result<(), Error> {
    let taken = "UPDATE instance SET value = $2 WHERE name = $1 AND value = $3 RETURNING name";
    tx.require(taken).bind(name).bind(&b"1"[..]).bind(&b"0"[..]).run().await
}

/// Something whose answer is waited for.
async fn ask(tx: &mut Tx) -> Result<(), Error> {
    tx.query("SELECT 1").execute().await.map(drop).or_else(|_| Ok(()))
}

on_both! {
    async fn what_is_required_and_there_lets_everything_be_written(database: TestDatabase) {
        let db = &database.db;
        db.write(async |tx| put(tx, "there").await).await.unwrap();
        db.write(async |tx| {
            require(tx, "there").await?;
            put(tx, "a").await?;
            // The same text once more: it can't wait together with the first.
            put(tx, "b").await?;
            take(tx, "there").await
        })
        .await
        .unwrap();
        assert!(exists(db, "a").await && exists(db, "b").await);
        assert_eq!(instance::load(&mut db.read().await.unwrap(), "there").await.unwrap().unwrap(), b"1");
        // However many rows.
        db.write(async |tx| tx.require("UPDATE instance SET value = $1 RETURNING name").bind(&b"2"[..]).run().await).await.unwrap();
        assert_eq!(instance::load(&mut db.read().await.unwrap(), "b").await.unwrap().unwrap(), b"2");
    }

    async fn what_is_required_and_gone_lets_nothing_be_written(database: TestDatabase) {
        let db = &database.db;
        let first = db.write(async |tx| { require(tx, "gone").await?; put(tx, "a").await }).await;
        let last = db.write(async |tx| { put(tx, "a").await?; require(tx, "gone").await }).await;
        let only = db.write(async |tx| require(tx, "gone").await).await;
        let nobody_looks = db.write(async |tx| { let _ = require(tx, "gone").await; put(tx, "a").await.or(Ok(())) }).await;
        let asked_before = db.write(async |tx| { ask(tx).await?; put(tx, "a").await?; require(tx, "gone").await }).await;
        let asked_later = db.write(async |tx| {
            put(tx, "a").await?;
            let _ = require(tx, "gone").await;
            ask(tx).await
        });
        let twice = db.write(async |tx| {
            put(tx, "a").await?;
            let _ = require(tx, "gone").await;
            let _ = require(tx, "gone").await;
            Ok(())
        });
        for (case, result) in
            [first, last, only, nobody_looks, asked_before, asked_later.await, twice.await].into_iter().enumerate()
        {
            assert!(matches!(result, Err(Error::Unmet)), "{case}: {result:?}");
            assert!(!exists(db, "a").await, "{case}");
        }
        // The connection is as good as before.
        db.write(async |tx| put(tx, "a").await).await.unwrap();
        assert!(exists(db, "a").await);
    }

    async fn of_fifty_who_require_the_same_one_gets_it(database: TestDatabase) {
        database.db.write(async |tx| put(tx, "once").await).await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let db = database.db.clone();
            tasks.spawn(async move {
                let name = format!("of {number}");
                let taken = db.write(async |tx| { take(tx, "once").await?; put(tx, &name).await }).await;
                assert!(matches!(taken, Ok(()) | Err(Error::Unmet)), "{taken:?}");
                assert_eq!(exists(&db, &name).await, taken.is_ok());
                taken.is_ok()
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
    }

    /// What PostgreSQL says then is not a mistake of the statement that needs the row.
    async fn a_mistake_is_not_taken_for_what_is_gone(database: TestDatabase) {
        let db = &database.db;
        db.write(async |tx| put(tx, "there").await).await.unwrap();
        let clash = db.write(async |tx| { require(tx, "there").await?; put(tx, "there").await }).await;
        assert!(matches!(clash, Err(Error::Conflict)), "{clash:?}");
    }
}
