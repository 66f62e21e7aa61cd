//! Bringing the schema up to date, once, however many processes start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::time::timeout;

use super::db::{connect_sqlite, postgres_options, primary_code, use_write_ahead_log};
use super::error::Error;

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

/// Opens and migrates an SQLite database, and returns the connection.
///
/// All in one transaction that no other process can write beside: sqlx has no lock of its own for SQLite.
pub(super) async fn sqlite(path: &Path) -> Result<SqliteConnection, MigrationError> {
    let failed = |error: sqlx::Error| match primary_code(&error) {
        Some(CORRUPT | NOT_A_DATABASE) => MigrationError::NotADatabase(path.to_owned()),
        _ => MigrationError::File(path.to_owned(), error.into()),
    };
    let mut connection = connect_sqlite(path).await.map_err(failed)?;
    // Nothing is changed in a file before it is known to be ours.
    if is_another_programs(&mut connection).await.map_err(failed)? {
        return Err(MigrationError::NotADatabase(path.to_owned()));
    }
    use_write_ahead_log(&mut connection).await.map_err(failed)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    MIGRATOR.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(connection)
}

const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

async fn is_another_programs(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (tables, ours) = sqlx::query_as::<_, (i64, i64)>(
        "SELECT COUNT(*), COUNT(*) FILTER (WHERE name = '_sqlx_migrations') FROM sqlite_master WHERE type = 'table'",
    )
    .fetch_one(connection)
    .await?;
    Ok(tables > 0 && ours == 0)
}

/// Migrates a PostgreSQL database, under the advisory lock that sqlx takes, on a connection without the limits of the pool's.
pub(super) async fn postgres(url: &str) -> Result<(), MigrationError> {
    let options = postgres_options(url)?;
    let connection = timeout(PATIENCE, options.connect()).await;
    let mut connection = connection.map_err(|_| Error::unavailable("PostgreSQL does not answer"))?.map_err(Error::from)?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    connection.close().await.map_err(Error::from)?;
    Ok(())
}
