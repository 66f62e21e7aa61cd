//! PostgreSQL that locks, takes no writes, gives transactions up, has no connections left, or is another one than before
//! (behaviours 2, "DB slow", "failover", "serialization", "connections exhausted").

use std::time::{Duration, Instant};

use ostiary::config::{Config, DatabaseConfig};
use ostiary::jobs::cleanup;
use ostiary::storage::db::{DatabaseTarget, Db};
use ostiary::storage::error::Error;
use ostiary::storage::instance;
use sqlx::{Connection, Executor};

use super::all;
use crate::support::cluster::Cluster;
use crate::support::database::TestDatabase;
use crate::support::flow::{assert_error, code, redeem, refresh, text, tokens};
use crate::support::postgres::Database;
use crate::support::proxy::Proxy;
use crate::support::server::{Persona, TestServer};

async fn put(db: &Db, name: &str) -> Result<(), Error> {
    db.write(async |tx| instance::insert_if_absent(tx, name, b"x").await.map(drop)).await
}

async fn exists(db: &Db, name: &str) -> bool {
    instance::load(&mut db.read().await.unwrap(), name).await.unwrap().is_some()
}

/// Tries until it succeeds.
async fn succeeds_within(most: Duration, mut attempt: impl AsyncFnMut() -> Result<(), Error>) {
    let began = Instant::now();
    while let Err(error) = attempt().await {
        assert!(began.elapsed() < most, "{error} after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_table_that_is_locked_is_not_waited_for() {
    let database = TestDatabase::postgres().await;
    let proxy = Proxy::to(Database::socket()).await;
    let server = TestServer::start(database.through(&proxy, "ostiary").await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let refresh_token = text(&tokens(&server, &client, "anna").await, "refresh_token");

    let mut other = server.database().server().connect().await;
    let mut lock = other.begin().await.unwrap();
    lock.execute("LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let waiting = (0..6).map(|_| refresh(&server, &client, &refresh_token));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for path in ["/health/live", "/health/ready", "/jwks"] {
            let asked = Instant::now();
            assert_eq!(server.get(path).await.status, 200, "{path}");
            assert!(asked.elapsed() < Duration::from_millis(100), "{path} took {:?}", asked.elapsed());
        }
    };
    let (answers, ()) = tokio::join!(all(waiting), meanwhile);
    for answer in answers {
        assert_error(&answer, 503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    lock.rollback().await.unwrap();
    assert_eq!(refresh(&server, &client, &refresh_token).await.status, 200);
}

/// The connections that there are lead to a server that has become read-only; new ones lead to one that is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_write_that_finds_its_server_read_only_looks_for_another() {
    let database = TestDatabase::postgres().await;
    let db = &database.db;
    // All that there may be: one of them is for jobs.
    let mut held = vec![db.for_jobs().read().await.unwrap()];
    for _ in 1..db.connections().most {
        held.push(db.read().await.unwrap());
    }
    for conn in &mut held {
        conn.query("SET default_transaction_read_only = on").execute().await.unwrap();
    }
    drop(held);
    put(db, "after").await.unwrap();
    assert!(exists(db, "after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_replica_is_never_asked_and_the_new_primary_is_found() {
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let proxy = Proxy::to(cluster.socket()).await;
    let url = format!("postgres://ostiary@127.0.0.1:{}/postgres", proxy.port);
    let db = Db::open(&DatabaseTarget::Postgres(url.into()), &DatabaseConfig::default()).await.unwrap();
    put(&db, "before").await.unwrap();
    tokio::task::block_in_place(|| cluster.make_replica());

    proxy.lead_to(cluster.replicas_socket());
    // It would answer, and it may be behind. More often than there are connections: the ones from before are dead, and a new one
    // does not count.
    for _ in 0..12 {
        let read = async { db.read().await?.query("SELECT CAST(1 AS BIGINT)").fetch_one::<(i64,)>().await };
        let read = read.await;
        assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    }
    assert!(matches!(put(&db, "replica").await, Err(Error::Unavailable(_))));

    tokio::task::block_in_place(|| {
        cluster.stop_at_once();
        cluster.promote();
    });
    succeeds_within(Duration::from_secs(5), async || put(&db, "after").await).await;
    assert!(exists(&db, "before").await && exists(&db, "after").await && !exists(&db, "replica").await);
    db.close().await;
}

/// Whatever the database was set to, what was answered is on the disk: see docs/faults.md.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_commit_waits_for_the_disk_whatever_the_database_was_set_to() {
    let database = TestDatabase::postgres().await;
    for (setting, holds) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        let name = database.server().name();
        database.server().run(&format!("ALTER DATABASE {name} SET synchronous_commit = {setting}")).await;
        let db = database.another_node().await;
        let stands =
            db.read().await.unwrap().query("SELECT current_setting('synchronous_commit')").fetch_one::<(String,)>().await;
        assert_eq!(stands.unwrap().0, holds, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn transactions_that_are_given_up_again_and_again_are_503_at_worst() {
    let database = TestDatabase::postgres().await;
    let name = database.server().name().to_owned();
    database.server().run(&format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")).await;
    database.cut_connections().await;
    let server = TestServer::start_with(database, |config| config.tokens.refresh_token_grace = 0).await;
    server.person("anna").await;
    let client = server.client(Persona::Spa, |_| {}).await;
    for _ in 0..4 {
        let (code, refresh_token) =
            (code(&server, &client, "anna").await, text(&tokens(&server, &client, "anna").await, "refresh_token"));
        let refreshes = all((0..16).map(|_| refresh(&server, &client, &refresh_token)));
        let redemptions = all((0..16).map(|_| redeem(&server, &client, &code)));
        let (refreshes, redemptions) = tokio::join!(refreshes, redemptions);
        for answers in [refreshes, redemptions] {
            let won = answers.iter().filter(|answer| answer.status == 200).count();
            assert!(won <= 1, "{won} won");
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
                let expected = [(400, "invalid_grant"), (503, "temporarily_unavailable")];
                assert!(expected.contains(&(answer.status.as_u16(), error.as_str())), "{answer:#?}");
            }
        }
    }
}

/// The pool may be larger than what PostgreSQL allows: who gets no connection is told so, and neither requests nor background jobs
/// keep the other from the few that there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn with_three_connections_requests_and_jobs_both_get_on() {
    let database = TestDatabase::postgres().await;
    let role = format!("poor_{}", database.server().name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 3; GRANT ALL ON SCHEMA public TO {role}; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    );
    database.server().run(&grants).await;
    let proxy = Proxy::to(Database::socket()).await;
    let server = TestServer::start(database.through(&proxy, &role).await).await;
    let listening = tokio::spawn(server.state.db.watch());
    let client = server.client(Persona::Service, |_| {}).await;
    server.person("anna").await;
    let web = server.client(Persona::Web, |_| {}).await;
    let refresh_token = text(&tokens(&server, &web, "anna").await, "refresh_token");

    let (mut cleaned, config) = (0, Config::default());
    for _ in 0..10 {
        let clean = cleanup::clean(&server.state.db, server.clock.now(), &config);
        let requests = all((0..40).map(|number| {
            let (server, client, web, refresh_token) = (&server, &client, &web, &refresh_token);
            async move {
                match number % 2 {
                    0 => server.token(client, &[("grant_type", "client_credentials")]).await,
                    _ => refresh(server, web, refresh_token).await,
                }
            }
        }));
        let (done, answers) = tokio::join!(clean, requests);
        cleaned += u32::from(done.is_ok());
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(good >= 20, "{good} of 40 were served");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_error(answer, 503, "temporarily_unavailable");
        }
    }
    assert!(cleaned >= 5, "{cleaned} of 10 runs");
    listening.abort();
    server.state.db.close().await;
}
