//! Killed in the middle of a migration (behaviours 2, "kill -9 in a migration"): whoever comes next finishes it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ostiary::storage::db::{DatabaseTarget, Db};
use ostiary::storage::migrations;

use crate::program::Program;
use crate::support::database::config;
use crate::support::postgres::Database;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn migrate(program: &Program, url: &str) -> Child {
    let mut command = program.command(&["migrate"]);
    command.env("OSTIARY_DATABASE__URL", url).env("OSTIARY_MASTER_KEY", KEY);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Kills it on the way, each time a little later; gives how far the database was each time.
async fn kill_on_the_way(fresh: impl AsyncFn(usize) -> (DatabaseTarget, String)) -> Vec<Option<i64>> {
    let program = Program::new();
    let (_, url) = fresh(0).await;
    let began = Instant::now();
    assert!(migrate(&program, &url).wait().expect("it ends").success());
    let whole = began.elapsed();
    let mut seen = Vec::new();
    for step in 1..=16_u32 {
        let (target, url) = fresh(step as usize).await;
        let mut process = migrate(&program, &url);
        tokio::time::sleep(whole * step / 16).await;
        process.kill().expect("killed");
        process.wait().expect("ended");
        // What the killed one began, PostgreSQL may still be ending: it is waited for, as by every node that starts.
        let stands = migrations::inspect(&target).await.expect("a database that can be looked at");
        seen.push(stands.newest());
        let db = Db::open(&target, &config()).await.unwrap_or_else(|error| panic!("after {stands:?}: {error}"));
        db.ping().await.expect("it works");
        db.close().await;
        let stands = migrations::inspect(&target).await.expect("a database that can be looked at");
        assert_eq!(stands.newest(), Some(migrations::newest()));
    }
    seen
}

/// All of it or nothing: there is one transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_migration_the_next_start_finishes_it_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = kill_on_the_way(async |step| {
        let path = folder.path().join(format!("{step}.db"));
        let url = format!("sqlite:{}", path.display());
        (DatabaseTarget::Sqlite(path), url)
    });
    for version in seen.await.into_iter().flatten() {
        assert_eq!(version, migrations::newest(), "half a schema");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn killed_in_a_migration_the_next_start_finishes_it_on_postgresql() {
    let databases = tokio::sync::Mutex::new(Vec::new());
    let seen = kill_on_the_way(async |step| {
        let database = Database::create(&format!("killed_migration_{step}"), "template0").await;
        let url = database.url();
        databases.lock().await.push(database);
        (DatabaseTarget::Postgres(url.clone().into()), url)
    });
    let seen = seen.await;
    let half = seen.iter().flatten().any(|version| *version < migrations::newest());
    assert!(half || seen.contains(&None), "it was never killed on the way: {seen:?}");
}

/// Each step of its own: the database stands still after it, as if the machine had stopped there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn killed_while_it_waits_at_a_step_the_next_start_goes_on_from_there() {
    for step in [2, 9, migrations::newest()] {
        let database = Database::create(&format!("step_{step}"), "template0").await;
        // Who writes down that this step is done waits for ever.
        database
            .run(&format!(
                "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                 installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
                 execution_time BIGINT NOT NULL); \
                 CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN IF NEW.version = {step} THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER stop_here BEFORE INSERT ON _sqlx_migrations FOR EACH ROW EXECUTE FUNCTION stop_here()"
            ))
            .await;
        let target = DatabaseTarget::Postgres(database.url().into());
        let program = Program::new();
        let mut process = migrate(&program, &database.url());
        let end = Instant::now() + Duration::from_secs(20);
        while migrations::inspect(&target).await.expect("readable").newest() != (step > 1).then_some(step - 1) {
            assert!(Instant::now() < end, "it does not get to step {step}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process.kill().expect("killed");
        process.wait().expect("ended");
        database.cut_connections().await;
        database.run("DROP TRIGGER stop_here ON _sqlx_migrations; DROP FUNCTION stop_here").await;
        assert_eq!(migrations::inspect(&target).await.expect("readable").newest(), Some(step - 1));
        Db::open(&target, &config()).await.unwrap_or_else(|error| panic!("step {step}: {error}")).close().await;
        assert_eq!(migrations::inspect(&target).await.expect("readable").newest(), Some(migrations::newest()));
    }
}
