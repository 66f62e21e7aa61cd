//! Bringing the schema up to date, once, however many processes start; and saying before what that would do.

pub mod effects;
mod trial;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection as Sqlite, TransactionBehavior};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::db::{
    Access, DatabaseTarget, open_sqlite, postgres_options, primary_code, use_write_ahead_log, warn_of_what_does_not_last,
};
use super::error::Error;
use effects::{Effect, Phase, effects};

pub use trial::{Trial, dry_run};

/// How long PostgreSQL may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(10);

static MIGRATOR: Migrator = sqlx::migrate!();

/// Why a database can't be opened. Each is a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("{0} is not an Ostiary database, or is damaged: restore it from a backup, or name another file in database.url")]
    NotADatabase(PathBuf),
    #[error("the database was written by a newer version of Ostiary (schema {0}): start that version, or a newer one")]
    Newer(i64),
    #[error(
        "the database is of another lineage than this version of Ostiary (schema {0} differs): start the version that wrote it"
    )]
    Different(i64),
    #[error("an update of the database was not finished (schema {0}): restore it from a backup and start again")]
    Unfinished(i64),
    #[error(
        "{0} can't be opened: {1}. Check the owner and the permissions of the file and its folder, or name another in database.url"
    )]
    File(PathBuf, Error),
    #[error("{0} is in the way of the copy that is tried: delete it, if no other `ostiary migrate --dry-run` runs now")]
    InTheWay(PathBuf),
    #[error("the update fails on the copy: {0}. The database itself is as it was")]
    Fails(String),
    #[error("the database can't be opened: {0}")]
    Storage(#[from] Error),
}

impl From<MigrateError> for MigrationError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) if MIGRATOR.iter().all(|known| known.version < version) => Self::Newer(version),
            MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => Self::Different(version),
            MigrateError::Dirty(version) => Self::Unfinished(version),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Storage(error.into()),
            error => Self::Storage(Error::other(error.to_string())),
        }
    }
}

/// The newest migration that this program knows: the version of its schema.
pub fn newest() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// What a database holds, before anything is done to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// In their order.
    versions: Vec<i64>,
    tables: i64,
}

impl Applied {
    /// No table at all: a new database.
    pub fn is_empty(&self) -> bool {
        self.tables == 0
    }

    /// The version of its schema. `None`: it is not one of Ostiary's, or is empty.
    pub fn newest(&self) -> Option<i64> {
        self.versions.last().copied()
    }
}

/// Looks at a database, and changes nothing.
pub async fn inspect(target: &DatabaseTarget) -> Result<Applied, MigrationError> {
    match target {
        DatabaseTarget::Sqlite(path) if !path.exists() => Ok(Applied::default()),
        DatabaseTarget::Sqlite(path) => {
            let damaged = |error: rusqlite::Error| match primary_code(&error) {
                Some(CORRUPT | NOT_A_DATABASE) => MigrationError::NotADatabase(path.clone()),
                _ => MigrationError::File(path.clone(), error.into()),
            };
            let connection = open_sqlite(path, Access::Read).map_err(damaged)?;
            let tables = count_sqlite(&connection).map_err(damaged)?.0;
            let versions = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
            let versions = match connection.prepare(versions) {
                Ok(mut statement) => statement.query_map((), |row| row.get(0)).and_then(Iterator::collect).map_err(damaged)?,
                // There is no such table.
                Err(_) => Vec::new(),
            };
            Ok(Applied { versions, tables })
        }
        DatabaseTarget::Postgres(url) => {
            let mut connection = connect_postgres(url.expose_secret()).await?;
            let tables = "SELECT COUNT(*), COUNT(*) FILTER (WHERE tablename = '_sqlx_migrations') FROM pg_tables \
                 WHERE schemaname = current_schema()";
            let (tables, ours): (i64, i64) = sqlx::query_as(tables).fetch_one(&mut connection).await.map_err(Error::from)?;
            let versions = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
            let versions = if ours == 0 {
                Vec::new()
            } else {
                sqlx::query_scalar(versions).fetch_all(&mut connection).await.map_err(Error::from)?
            };
            connection.close().await.map_err(Error::from)?;
            Ok(Applied { versions, tables })
        }
    }
}

/// A migration that a database has yet to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub version: i64,
    pub name: String,
    pub phase: Phase,
    pub effects: Vec<Effect>,
}

/// What bringing a database up to date would do to it; nothing is changed.
pub async fn plan(target: &DatabaseTarget) -> Result<Vec<Step>, MigrationError> {
    let done = match target {
        DatabaseTarget::Sqlite(path) if !path.exists() => Vec::new(),
        DatabaseTarget::Sqlite(path) => planned_sqlite(path).map_err(|failure| failure.about(path.clone()))?,
        DatabaseTarget::Postgres(url) => {
            let mut connection = connect_postgres(url.expose_secret()).await?;
            let done = planned_postgres(&mut connection).await?;
            connection.close().await.map_err(Error::from)?;
            done
        }
    };
    Ok(pending(&done).map(step).collect())
}

fn pending(done: &[i64]) -> impl Iterator<Item = &'static Migration> {
    MIGRATOR.iter().filter(|migration| !done.contains(&migration.version))
}

fn step(migration: &Migration) -> Step {
    let sql = migration.sql.as_str();
    let effects = effects(sql);
    let contracts = effects.iter().any(|effect| effect.phase == Phase::Contract);
    // The first ones declare nothing.
    let phase = Phase::declared(sql).unwrap_or(if contracts { Phase::Contract } else { Phase::Expand });
    Step { version: migration.version, name: migration.description.to_string(), phase, effects }
}

fn planned_sqlite(path: &Path) -> Result<Vec<i64>, Failure> {
    let connection = open_sqlite(path, Access::Read)?;
    match count_sqlite(&connection)? {
        (0, _) => Ok(Vec::new()),
        (_, 0) => Err(Failure::Migration(MigrationError::NotADatabase(path.to_owned()))),
        _ => applied(&connection),
    }
}

async fn planned_postgres(connection: &mut PgConnection) -> Result<Vec<i64>, MigrationError> {
    let ours = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'";
    let ours: i64 = sqlx::query_scalar(ours).fetch_one(&mut *connection).await.map_err(Error::from)?;
    if ours == 0 {
        return Ok(Vec::new());
    }
    let rows = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    let rows: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(rows).fetch_all(connection).await.map_err(Error::from)?;
    let mut versions = Vec::new();
    for (version, checksum, success) in rows {
        if let Some(problem) = problem(version, Some(&checksum), success) {
            return Err(problem.into());
        }
        versions.push(version);
    }
    Ok(versions)
}

/// Opens and migrates an SQLite database, and returns the connection.
pub(super) async fn sqlite(path: &Path) -> Result<Sqlite, MigrationError> {
    let path = path.to_owned();
    // It may have to wait for another process that does the same.
    let migrated = spawn_blocking(move || migrate_sqlite(&path).map_err(|failure| failure.about(path)));
    migrated.await.map_err(|error| Error::other(error.to_string()))?
}

enum Failure {
    Sqlite(rusqlite::Error),
    Migration(MigrationError),
}

impl Failure {
    fn about(self, path: PathBuf) -> MigrationError {
        match self {
            Self::Migration(error) => error,
            Self::Sqlite(error) if matches!(primary_code(&error), Some(CORRUPT | NOT_A_DATABASE)) => {
                MigrationError::NotADatabase(path)
            }
            Self::Sqlite(error) => MigrationError::File(path, error.into()),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

/// All in one transaction that no other process can write beside. The table of what was done is that of sqlx, which does the
/// same on PostgreSQL.
fn migrate_sqlite(path: &Path) -> Result<Sqlite, Failure> {
    let mut connection = open_sqlite(path, Access::Write)?;
    // Nothing is changed in a file before it is known to be ours.
    if is_another_programs(&connection)? {
        return Err(Failure::Migration(MigrationError::NotADatabase(path.to_owned())));
    }
    use_write_ahead_log(&connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
         execution_time BIGINT NOT NULL)",
    )?;
    let done = applied(&transaction)?;
    for migration in pending(&done) {
        transaction.execute_batch(migration.sql.as_str())?;
        transaction.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, 0)",
            (migration.version, &migration.description, &migration.checksum),
        )?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// The versions that the database has, each of them one that this program knows.
fn applied(connection: &Sqlite) -> Result<Vec<i64>, Failure> {
    let mut statement = connection.prepare("SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version")?;
    let mut rows = statement.query(())?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let version: i64 = row.get(0)?;
        let checksum: Option<Vec<u8>> = row.get(1)?;
        if let Some(problem) = problem(version, checksum.as_deref(), row.get(2)?) {
            return Err(Failure::Migration(problem.into()));
        }
        versions.push(version);
    }
    Ok(versions)
}

/// What is wrong with a migration that a database has.
fn problem(version: i64, checksum: Option<&[u8]>, success: bool) -> Option<MigrateError> {
    match MIGRATOR.iter().find(|known| known.version == version) {
        _ if !success => Some(MigrateError::Dirty(version)),
        None => Some(MigrateError::VersionMissing(version)),
        Some(known) if checksum != Some(&known.checksum) => Some(MigrateError::VersionMismatch(version)),
        Some(_) => None,
    }
}

fn is_another_programs(connection: &Sqlite) -> rusqlite::Result<bool> {
    let (tables, ours) = count_sqlite(connection)?;
    Ok(tables > 0 && ours == 0)
}

/// How many tables there are, and whether the table of migrations is among them.
fn count_sqlite(connection: &Sqlite) -> rusqlite::Result<(i64, i64)> {
    let count = "SELECT COUNT(*), COUNT(*) FILTER (WHERE name = '_sqlx_migrations') FROM sqlite_master WHERE type = 'table'";
    connection.query_row(count, (), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Migrates a PostgreSQL database, under the advisory lock that sqlx takes, on a connection without the limits of the pool's.
pub(super) async fn postgres(url: &str) -> Result<(), MigrationError> {
    let mut connection = connect_postgres(url).await?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    warn_of_what_does_not_last(&mut connection).await.map_err(Error::from)?;
    connection.close().await.map_err(Error::from)?;
    Ok(())
}

async fn connect_postgres(url: &str) -> Result<PgConnection, MigrationError> {
    let connection = timeout(PATIENCE, postgres_options(url)?.connect()).await;
    Ok(connection.map_err(|_| Error::unavailable("PostgreSQL does not answer"))?.map_err(Error::from)?)
}
