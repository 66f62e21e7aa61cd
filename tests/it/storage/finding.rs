//! What many look up at the same moment by a hash: on PostgreSQL they ask together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostiary::config::DatabaseConfig;
use ostiary::storage::db::{DatabaseTarget, Db};
use ostiary::storage::error::Error;
use ostiary::storage::refresh_tokens;
use sqlx::Executor;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::persona::{anna_and_app_with_a_grant, at, hash, refresh_token};
use crate::support::database::{TestDatabase, on_both};
use crate::support::postgres::Database;
use crate::support::proxy::Proxy;

/// Of so many tokens every other one is there.
const TOKENS: u8 = 200;

/// How long a round trip takes, so that others come meanwhile.
const FAR: Duration = Duration::from_millis(30);

async fn every_other_token(db: &Db) {
    anna_and_app_with_a_grant(db).await;
    let stored = db.write(async |tx| {
        for number in (0..TOKENS).step_by(2) {
            refresh_tokens::insert(tx, &refresh_token(number, at(0))).await?;
        }
        Ok(())
    });
    stored.await.unwrap();
}

/// Whether it is there. Nobody gets somebody else's.
async fn finds(db: &Db, number: u8) -> Result<bool, Error> {
    let found = refresh_tokens::load(db, &hash(number)).await?;
    Ok(found.inspect(|(token, ..)| assert_eq!(token.hash, hash(number))).is_some())
}

/// All of them at once, each in a task of its own.
fn at_once(db: &Db, count: u8) -> JoinSet<(u8, Result<bool, Error>)> {
    let (mut tasks, barrier) = (JoinSet::new(), Arc::new(Barrier::new(count.into())));
    for number in 0..count {
        let (db, barrier) = (db.clone(), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            (number, finds(&db, number).await)
        });
    }
    tasks
}

async fn all_are_right(tasks: JoinSet<(u8, Result<bool, Error>)>) {
    for (number, found) in tasks.join_all().await {
        assert_eq!(found.unwrap(), number % 2 == 0, "{number}");
    }
}

async fn impatient(url: String) -> Db {
    let config = DatabaseConfig { statement_timeout: 1, ..DatabaseConfig::default() };
    Db::open(&DatabaseTarget::Postgres(url.into()), &config).await.expect("the test's database opens")
}

/// Nobody of twenty is told anything else, and all of them are told by then.
async fn all_are_told_that_it_is_not_available(db: &Db, by: Duration) {
    let began = Instant::now();
    for (number, found) in at_once(db, 20).join_all().await {
        assert!(matches!(found, Err(Error::Unavailable(_))), "{number}: {found:?}");
    }
    assert!(began.elapsed() < by, "{:?}", began.elapsed());
}

on_both! {
    async fn who_looks_something_up_beside_others_finds_what_they_look_for(database: TestDatabase) {
        every_other_token(&database.db).await;
        for _ in 0..10 {
            all_are_right(at_once(&database.db, TOKENS)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn those_who_come_meanwhile_ask_together() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    let proxy = Proxy::to(Database::socket()).await;
    let database = database.through(&proxy, "ostiary").await;
    // Two connections, on which both statements are prepared.
    for _ in 0..3 {
        all_are_right(at_once(&database.db, 100)).await;
    }
    proxy.slow_down(FAR);
    let before = proxy.questions();
    all_are_right(at_once(&database.db, 100)).await;
    // The first two; then 64 and what is left of the hundred, or a few more where the others come late.
    let asked = proxy.questions() - before;
    assert!((4..12).contains(&asked), "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn who_goes_away_takes_nobody_with_them() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    let proxy = Proxy::to(Database::socket()).await;
    let database = database.through(&proxy, "ostiary").await;
    proxy.slow_down(FAR);
    for round in 0..10_u8 {
        let (mut tasks, mut leaving) = (JoinSet::new(), Vec::new());
        // Whoever comes first asks: in turn those who stay and those who go.
        for number in 0..TOKENS {
            let db = database.db.clone();
            let task = tasks.spawn(async move { (number, finds(&db, number).await) });
            if (number + round) % 3 == 0 {
                leaving.push(task);
            }
        }
        for (place, task) in leaving.into_iter().enumerate() {
            if place % 8 == 0 {
                tokio::time::sleep(FAR / 8).await;
            }
            task.abort();
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((number, found)) => assert_eq!(found.unwrap(), number % 2 == 0, "{number}"),
                Err(left) => assert!(left.is_cancelled()),
            }
        }
    }
    // Nobody's place was lost.
    all_are_right(at_once(&database.db, TOKENS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn who_asks_when_the_connections_were_cut_asks_again() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    for _ in 0..3 {
        let mut open = Vec::new();
        for _ in 0..6 {
            open.push(database.db.read().await.unwrap());
        }
        drop(open);
        database.cut_connections().await;
        all_are_right(at_once(&database.db, 50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn all_who_wait_are_told_that_a_statement_took_too_long() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    let db = impatient(database.server().url()).await;
    let mut holding = database.server().connect().await;
    holding.execute("BEGIN; LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // Those who asked, and then those who came meanwhile.
    all_are_told_that_it_is_not_available(&db, Duration::from_millis(3_500)).await;
    holding.execute("ROLLBACK").await.unwrap();
    all_are_right(at_once(&db, 50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn all_who_wait_are_told_that_nothing_answers() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    let proxy = Proxy::to(Database::socket()).await;
    let db = impatient(format!("postgres://ostiary@127.0.0.1:{}/{}", proxy.port, database.server().name())).await;
    all_are_right(at_once(&db, 50)).await;
    proxy.keep_silent();
    // A statement's second and half of one for the way, and nobody another one after that.
    all_are_told_that_it_is_not_available(&db, Duration::from_millis(2_500)).await;
    proxy.pass();
    proxy.forget_connections();
    all_are_right(at_once(&db, 50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn nobody_waits_longer_than_for_a_connection() {
    let database = TestDatabase::postgres().await;
    every_other_token(&database.db).await;
    let proxy = Proxy::to(Database::socket()).await;
    let url = format!("postgres://ostiary@127.0.0.1:{}/{}", proxy.port, database.server().name());
    let config = DatabaseConfig { acquire_timeout: 1, ..DatabaseConfig::default() };
    let db = Db::open(&DatabaseTarget::Postgres(url.into()), &config).await.expect("the test's database opens");
    for _ in 0..3 {
        all_are_right(at_once(&db, 100)).await;
    }
    // Of 400 callers two ask at once, and 128 with the next two: when they are told, it is too late for the others.
    proxy.slow_down(Duration::from_millis(300));
    let began = Instant::now();
    let (first, second) = (at_once(&db, TOKENS), at_once(&db, TOKENS));
    let mut late = 0;
    for (number, found) in first.join_all().await.into_iter().chain(second.join_all().await) {
        match found {
            Ok(found) => assert_eq!(found, number % 2 == 0, "{number}"),
            Err(Error::Unavailable(_)) => late += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..=270).contains(&late), "{late}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    proxy.pass();
    all_are_right(at_once(&db, TOKENS)).await;
}
