//! What the group commit puts into SQLite's log, when it lasts, and what rests on it.

use ostiary::storage::db::{Change, DatabaseTarget};
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use tokio::time::timeout;

use super::group_commit::{culprit, exists, put};
use crate::support::database::TestDatabase;
use crate::support::holding::{Holding, MOMENT};

/// Checkpoints are made beside the writer, and the log begins anew although somebody always writes and reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_without_end() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let DatabaseTarget::Sqlite(path) = &database.target else { panic!("a file") };
    let log = path.with_extension("db-wal");
    let write = async |writer: usize| {
        let mut longest = 0;
        for number in 0..250 {
            // Ten pages and more.
            let (name, value) = (format!("{writer}-{number}"), vec![b'x'; 40_000]);
            db.write(async |tx| instance::insert_if_absent(tx, &name, &value).await).await.unwrap();
            assert!(exists(db, &name).await, "{name}");
            longest = longest.max(std::fs::metadata(&log).unwrap().len());
        }
        longest
    };
    let longest = tokio::join!(write(0), write(1), write(2), write(3), write(4), write(5), write(6), write(7));
    // 80 MB were written.
    let longest = <[u64; 8]>::from(longest).into_iter().max().unwrap();
    assert!(longest < 40_000_000, "{longest}");
    db.close().await;
    assert!(!log.exists(), "nobody has it open");
    let db = database.another_node().await;
    for writer in 0..8 {
        assert!(exists(&db, &format!("{writer}-249")).await, "{writer}");
    }
}

/// What another one wrote can be read before it lasts.
#[tokio::test]
async fn who_waits_until_all_is_settled_is_answered_after_those_who_wrote_it() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    db.settled().await.unwrap();
    let first = Holding::start(db, "first", Ok(())).await;
    let mut settled = tokio::spawn({
        let db = db.clone();
        async move { db.settled().await }
    });
    assert!(timeout(MOMENT, &mut settled).await.is_err(), "somebody writes");
    let written = first.finish().await;
    settled.await.unwrap().unwrap();
    written.unwrap();
    assert!(exists(db, "first").await);
}

/// A subscriber that panics costs those who wait for that commit their answer, and nobody after them.
#[tokio::test]
async fn a_subscriber_that_panics_stops_no_commit() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    db.subscribe(|change| assert_ne!(*change, Change::Outbox, "a mistake"));
    let told = db.write(async |tx| {
        put(tx, "told").await?;
        tx.changed(Change::Outbox);
        Ok(())
    });
    assert!(told.await.is_err());
    assert!(exists(db, "told").await);
    for name in ["after", "and after"] {
        db.write(async |tx| put(tx, name).await).await.unwrap();
    }
}

/// Who finds something in the way concludes from it: so it must be there to stay.
#[tokio::test]
async fn what_a_refusal_rests_on_is_committed_before_it_or_the_refusal_is_none() {
    let database = TestDatabase::sqlite().await;
    let db = &database.db;
    let refused = |outcome: Result<(), Error>| {
        let db = db.clone();
        tokio::spawn(async move { db.write(async |tx| put(tx, "lost").await.and(outcome.clone())).await })
    };
    let first = Holding::start(db, "first", Ok(())).await;
    let mut unmet = refused(Err(Error::Unmet));
    let last = first.hand_on(db, "last").await;
    assert!(timeout(MOMENT, &mut unmet).await.is_err(), "what it rests on is not committed");
    last.finish().await.unwrap();
    assert!(matches!(unmet.await.unwrap(), Err(Error::Unmet)));
    assert!(exists(db, "first").await && !exists(db, "lost").await);

    // What it rests on is lost.
    let second = Holding::start(db, "second", Ok(())).await;
    let unmet = refused(Err(Error::Unmet));
    let culprit = culprit(db).await;
    assert!(second.finish().await.is_err() && culprit.await.unwrap().is_err());
    let answer = unmet.await.unwrap();
    assert!(matches!(answer, Err(Error::Conflict)), "the commit's error: {answer:?}");
    assert!(!exists(db, "second").await);
}
