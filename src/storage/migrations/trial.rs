//! Trying an update without doing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};
use tokio::task::spawn_blocking;

use super::{Failure, MigrationError, connect_postgres, migrate_sqlite, pending, planned_postgres};
use crate::storage::backup::{damage, snapshot};
use crate::storage::db::DatabaseTarget;
use crate::storage::error::Error;

/// On what it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// A copy of the file, which is gone.
    Copy,
    /// The database itself, in a transaction that was taken back.
    RolledBack,
}

/// How long the trial waits for a table that others use, and so how long those wait who come after it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// Does what an update would do, to what the database holds now, and keeps nothing of it.
pub async fn dry_run(target: &DatabaseTarget) -> Result<Trial, MigrationError> {
    match target {
        DatabaseTarget::Sqlite(path) => {
            let path = path.clone();
            let tried = spawn_blocking(move || try_sqlite(&path));
            tried.await.map_err(|error| Error::other(error.to_string()))??;
            Ok(Trial::Copy)
        }
        DatabaseTarget::Postgres(url) => {
            let mut connection = connect_postgres(url.expose_secret()).await?;
            try_postgres(&mut connection).await?;
            connection.close().await.map_err(Error::from)?;
            Ok(Trial::RolledBack)
        }
    }
}

/// A file beside the database that goes with this.
struct Scrap(PathBuf);

impl Scrap {
    fn beside(path: &Path) -> Result<Self, MigrationError> {
        let copy = with_ending(path, ".dry-run");
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&copy) {
            Ok(_) => Ok(Self(copy)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(MigrationError::InTheWay(copy)),
            Err(error) => Err(MigrationError::File(copy, Error::other(error.to_string()))),
        }
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(with_ending(&self.0, ending));
        }
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn try_sqlite(path: &Path) -> Result<(), MigrationError> {
    let copy = Scrap::beside(path)?;
    if path.exists() {
        snapshot(path, &copy.0).map_err(|error| MigrationError::File(path.to_owned(), error))?;
    }
    drop(migrate_sqlite(&copy.0).map_err(|failure| match failure {
        Failure::Migration(MigrationError::NotADatabase(_)) => MigrationError::NotADatabase(path.to_owned()),
        Failure::Migration(error) => error,
        Failure::Sqlite(error) => MigrationError::Fails(error.to_string()),
    })?);
    match damage(&copy.0).map_err(|error| MigrationError::File(copy.0.clone(), error))? {
        Some(damage) => Err(MigrationError::Fails(damage)),
        None => Ok(()),
    }
}

/// There is no copy of a database on a server that everybody could make: what runs takes its locks, and is taken back.
async fn try_postgres(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let done = planned_postgres(connection).await?;
    let fails = |error: sqlx::Error| MigrationError::Fails(error.to_string());
    let mut transaction = connection.begin().await.map_err(Error::from)?;
    sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut *transaction).await.map_err(Error::from)?;
    for migration in pending(&done) {
        sqlx::raw_sql(migration.sql.as_str()).execute(&mut *transaction).await.map_err(fails)?;
    }
    transaction.rollback().await.map_err(|error| Error::from(error).into())
}
