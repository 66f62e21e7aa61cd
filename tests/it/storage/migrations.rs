//! The schema is brought up to date once, by whoever comes first.

use std::process::Stdio;

use ostiary::storage::db::{DatabaseTarget, Db};
use ostiary::storage::migrations::MigrationError;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::task::JoinSet;

use crate::program::{Program, Run};
use crate::support::database::{TestDatabase, config};
use crate::support::postgres;

/// Starts `ostiary migrate` eight times at once on an empty database.
fn migrate_in_many_processes(url: &str) {
    let programs: Vec<_> = (0..8).map(|_| Program::new()).collect();
    let processes: Vec<_> = programs
        .iter()
        .map(|program| {
            let mut command = program.command(&["migrate"]);
            command.env("OSTIARY_DATABASE__URL", url).env("OSTIARY_MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program starts")
        })
        .collect();
    for process in processes {
        Run::from(process.wait_with_output().expect("the program ends")).ok();
    }
}

async fn migrate_over_many_connections(target: DatabaseTarget) {
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let target = target.clone();
        tasks.spawn(async move { Db::open(&target, &config()).await.map(drop) });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
}

mod many_processes_migrate_an_empty_database_once {
    use super::*;

    #[test]
    fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        migrate_in_many_processes(&format!("sqlite:{}", folder.path().join("shared.db").display()));
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: --include-ignored"]
    async fn postgres() {
        let database = postgres::Database::create("many_processes", "template0").await;
        migrate_in_many_processes(&database.url());
    }
}

mod many_connections_migrate_an_empty_database_once {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        migrate_over_many_connections(DatabaseTarget::Sqlite(folder.path().join("shared.db"))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs PostgreSQL: --include-ignored"]
    async fn postgres() {
        let database = postgres::Database::create("many_connections", "template0").await;
        migrate_over_many_connections(DatabaseTarget::Postgres(database.url().into())).await;
    }
}

/// Runs SQL that no Ostiary would, and opens the database again.
async fn open_after(database: &TestDatabase, sql: &str) -> Result<Db, MigrationError> {
    match &database.target {
        DatabaseTarget::Sqlite(path) => {
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
        DatabaseTarget::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = secrecy::ExposeSecret::expose_secret(url).parse().unwrap();
            options.connect().await.unwrap().execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        }
    }
    Db::open(&database.target, &config()).await
}

crate::support::database::on_both! {
    async fn a_database_newer_than_the_program_is_left_alone(database: TestDatabase) {
        let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                      SELECT 9999, 'later', TRUE, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        let opened = open_after(&database, insert).await;
        assert!(matches!(opened, Err(MigrationError::Newer(9999))), "{opened:?}");
    }

    async fn a_database_of_another_lineage_is_left_alone(database: TestDatabase) {
        let update = "UPDATE _sqlx_migrations SET checksum = (SELECT value FROM instance WHERE name = 'x') WHERE version = 1";
        database.db.write(async |tx| ostiary::storage::instance::insert_if_absent(tx, "x", b"x").await).await.unwrap();
        let opened = open_after(&database, update).await;
        assert!(matches!(opened, Err(MigrationError::Different(1))), "{opened:?}");
    }

    async fn an_unfinished_update_is_told(database: TestDatabase) {
        let opened = open_after(&database, "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 1").await;
        assert!(matches!(opened, Err(MigrationError::Unfinished(1))), "{opened:?}");
    }

    async fn a_database_that_is_up_to_date_is_opened_again(database: TestDatabase) {
        database.another_node().await;
    }
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for content in [
        "this is no database, though it is long enough to hold the header of one\n".repeat(100),
        "SQLite format 3\0half".to_owned(),
    ] {
        let path = folder.path().join("ostiary.db");
        std::fs::write(&path, &content).unwrap();
        let opened = Db::open(&DatabaseTarget::Sqlite(path.clone()), &config()).await;
        assert!(matches!(opened, Err(MigrationError::NotADatabase(_))), "{opened:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY)").unwrap();
    let opened = Db::open(&DatabaseTarget::Sqlite(path), &config()).await;
    assert!(matches!(opened, Err(MigrationError::NotADatabase(_))), "{opened:?}");
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_master", (), |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no such folder").join("ostiary.db");
    let error = Db::open(&DatabaseTarget::Sqlite(path.clone()), &config()).await.unwrap_err();
    assert!(matches!(error, MigrationError::File(..)) && error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let database = TestDatabase::sqlite().await;
    let DatabaseTarget::Sqlite(path) = &database.target else { unreachable!("it is SQLite") };
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        assert_eq!(std::fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o600, "{}", name.display());
    }
}

#[tokio::test]
async fn a_url_that_is_wrong_is_not_repeated() {
    let target = DatabaseTarget::new("postgres://ostiary:hunter2@host:notaport/x", std::path::Path::new("."));
    let opened = Db::open(&target, &config()).await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("database.url") && !error.contains("hunter2"), "{error}");
    assert!(!format!("{target:?}").contains("hunter2"));
}
