//! One interface to two databases: pools, transactions, and the group commit of SQLite.

mod change;
mod group_commit;
mod log;
mod postgres;
mod query;
mod readers;
mod sqlite;
mod transaction;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

pub use change::Change;
pub use query::{Columns, Locking, Put, Query, Record};
pub(super) use query::{locking, sharing};
pub use transaction::{Conn, Tx};

use self::change::Subscribers;
use self::group_commit::Writer;
use self::postgres::Purpose;
use self::readers::Readers;
use self::transaction::Link;
use super::audit::Marker;
use super::error::Error;
use super::migrations::{self, MigrationError};
use super::value::Hash;
use crate::config::DatabaseConfig;
use crate::telemetry::metrics::TRANSACTION_RETRIES;
use crate::telemetry::spans;

pub(super) use self::postgres::{options as postgres_options, warn_of_what_does_not_last};
pub(super) use self::sqlite::{Access, open as open_sqlite, primary_code, use_write_ahead_log};

/// How often a transaction that PostgreSQL gave up for another one is run again.
const RETRIES: u32 = 5;

/// How often SQLite is asked whether another process has written.
const POLL: Duration = Duration::from_millis(200);

/// Which database.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// A file, which is created when it doesn't exist.
    Sqlite(PathBuf),
    /// `postgres://USER:PASSWORD@HOST/NAME`.
    Postgres(SecretString),
}

impl DatabaseTarget {
    /// Reads `database.url`: `sqlite:PATH`, `postgres://…`, or nothing, which is `ostiary.db` in the data folder.
    pub fn new(url: &str, data_dir: &Path) -> Self {
        match url.strip_prefix("sqlite:") {
            None if url.is_empty() => Self::Sqlite(data_dir.join("ostiary.db")),
            None => Self::Postgres(url.into()),
            Some(path) => Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Arc<Shared>, Purpose);

#[derive(Debug)]
struct Shared {
    backend: Backend,
    subscribers: Subscribers,
    marker: OnceLock<Marker>,
}

#[derive(Debug)]
enum Backend {
    Sqlite { readers: Arc<Readers>, writer: Writer },
    Postgres { pool: postgres::Pool, gather: postgres::Gather, listening: Box<PgConnectOptions> },
}

impl Db {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// See [`MigrationError`]: each is a sentence that says what to do.
    pub async fn open(target: &DatabaseTarget, config: &DatabaseConfig) -> Result<Self, MigrationError> {
        let subscribers = Subscribers::default();
        let backend = match target {
            DatabaseTarget::Sqlite(path) => {
                let connection = migrations::sqlite(path).await?;
                let patience = Duration::from_secs(config.acquire_timeout);
                Backend::Sqlite {
                    readers: Arc::new(Readers::new(path, config.max_connections, patience)),
                    writer: Writer::new(path, connection, subscribers.clone(), patience)?,
                }
            }
            DatabaseTarget::Postgres(url) => {
                let url = url.expose_secret();
                migrations::postgres(url).await?;
                let pool = postgres::Pool::new(url, config)?;
                Backend::Postgres {
                    gather: postgres::Gather::new(pool.clone()),
                    pool,
                    listening: Box::new(postgres::options(url)?),
                }
            }
        };
        Ok(Self(Arc::new(Shared { backend, subscribers, marker: OnceLock::new() }), Purpose::Requests))
    }

    /// The same for what runs in the background: with PostgreSQL it has a quarter of the connections at most, and one of them for sure.
    #[must_use]
    pub fn for_jobs(&self) -> Self {
        Self(Arc::clone(&self.0), Purpose::Jobs)
    }

    /// From now on entries of the audit log are marked with this. The first that comes stays.
    pub fn mark_entries(&self, marker: Marker) {
        self.0.marker.get_or_init(|| marker);
    }

    /// A connection to read with; every statement sees what was committed before it.
    pub async fn read(&self) -> Result<Conn, Error> {
        Ok(Conn(match &self.0.backend {
            Backend::Sqlite { readers, .. } => Link::Reader(readers.lease().await?),
            Backend::Postgres { pool, .. } => Link::Pooled(pool.acquire(self.1).await?),
        }))
    }

    /// The row that a SELECT gives for a hash, its one parameter: what somebody may have who knows a secret. On PostgreSQL those who ask
    /// at the same moment ask together.
    pub async fn find<R: Record>(&self, select: &'static str, hash: &[u8; 32]) -> Result<Option<R>, Error> {
        match &self.0.backend {
            Backend::Sqlite { .. } => self.read().await?.query(select).bind(Hash(*hash)).fetch_optional().await,
            Backend::Postgres { gather, .. } => {
                let _span = spans::statement(select);
                let row = gather.find(select, *hash).await?;
                row.map(|row| R::read(&mut Columns::postgres(&row))).transpose()
            }
        }
    }

    /// How many connections there are to read with, or in the pool.
    pub fn connections(&self) -> Connections {
        match &self.0.backend {
            Backend::Sqlite { readers, .. } => readers.connections(),
            Backend::Postgres { pool, .. } => pool.connections(),
        }
    }

    /// Runs `work` in one transaction. `Ok` is committed, and on the disk when this returns; `Err` is rolled back.
    ///
    /// A refusal that must be remembered is a value, not an error: return it in `Ok`. A statement that fails spoils the
    /// transaction, even if `work` goes on: it is rolled back, and the statement's error returned.
    ///
    /// Inside stands SQL only. On SQLite all writers wait meanwhile; on PostgreSQL `work` runs again when the transaction was
    /// given up for the sake of another one. So: no hashing, signing, HTTP or sleeping, no other [`Db::write`] (it would
    /// wait for itself), and nothing that can't be done twice.
    ///
    /// When the future is dropped before `work` has ended, nothing of it is kept; when it is dropped while it waits for the
    /// commit, all of it is.
    ///
    /// The closure may borrow what stands around it, but not change it.
    pub async fn write<T, F>(&self, mut work: F) -> Result<T, Error>
    where
        F: AsyncFnMut(&mut Tx) -> Result<T, Error> + for<'t> Work<'t, T>,
    {
        let _span = spans::span("transaction");
        match &self.0.backend {
            Backend::Sqlite { writer, .. } => {
                let mut tx = Tx::new(Link::Writer(writer.turn().await?), &self.0);
                let result = work.run(&mut tx).await;
                tx.finish(result, &self.0.subscribers).await
            }
            Backend::Postgres { pool, .. } => {
                let mut attempt = 0;
                loop {
                    let result = match pool.begin(self.1).await {
                        Ok(lease) => {
                            let mut tx = Tx::new(Link::Transaction(lease), &self.0);
                            let result = work.run(&mut tx).await;
                            tx.finish(result, &self.0.subscribers).await
                        }
                        Err(error) => Err(error),
                    };
                    match result {
                        // The server was restarted while the connection lay in the pool.
                        Err(error) if error.is_before_anything() && attempt < RETRIES => {
                            attempt += 1;
                            continue;
                        }
                        // Another server may have become the primary: a new connection leads there, or to nowhere.
                        Err(error) if error.is_read_only() && attempt < RETRIES => {
                            pool.distrust();
                            attempt += 1;
                        }
                        Err(error) if error.is_worth_retrying() && attempt < RETRIES => {
                            TRANSACTION_RETRIES.count();
                            attempt += 1;
                        }
                        result => return result,
                    }
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
    }

    /// Waits until all that can be read now lasts: for an answer that vouches for what somebody else wrote. SQLite shows what was
    /// committed before it is on the disk, PostgreSQL after.
    pub async fn settled(&self) -> Result<(), Error> {
        match &self.0.backend {
            Backend::Sqlite { writer, .. } => writer.settled().await,
            Backend::Postgres { .. } => Ok(()),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read().await?.query("SELECT 1").execute().await?;
        Ok(())
    }

    /// Calls `subscriber` for every change, after it was committed and before the one who made it is answered; and, while
    /// [`Db::watch`] runs, for what other processes changed. It must be quick and must not wait.
    pub fn subscribe(&self, subscriber: impl Fn(&Change) + Send + Sync + 'static) {
        self.0.subscribers.add(subscriber);
    }

    /// Learns what other nodes (PostgreSQL, by NOTIFY) or other processes (SQLite, which can only say that something changed)
    /// commit, and tells the subscribers. It ends with the database at the
    /// earliest: spawn it.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static {
        let db = self.clone();
        async move {
            match &db.0.backend {
                Backend::Sqlite { writer, .. } => poll(writer, &db.0.subscribers).await,
                Backend::Postgres { listening, .. } => {
                    postgres::watch(PgConnectOptions::clone(listening), db.0.subscribers.clone()).await;
                }
            }
        }
    }

    /// Closes the connections, after what is under way. Every later call fails.
    pub async fn close(&self) {
        match &self.0.backend {
            Backend::Sqlite { readers, writer } => {
                readers.close();
                writer.close().await;
            }
            Backend::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// The connections of a [`Db`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    pub in_use: usize,
    pub open: usize,
    pub most: usize,
}

/// Says of an async closure that its futures can be sent between threads, so that [`Db::write`] can be called in a spawned
/// task; `AsyncFnMut` alone has no way to say it yet. Implemented for all closures of that kind: nobody else needs it.
pub trait Work<'t, T>: Send {
    type Run: Future<Output = Result<T, Error>> + Send;

    fn run(&mut self, tx: &'t mut Tx) -> Self::Run;
}

impl<'t, T, F, R> Work<'t, T> for F
where
    F: FnMut(&'t mut Tx) -> R + Send,
    R: Future<Output = Result<T, Error>> + Send,
{
    type Run = R;

    fn run(&mut self, tx: &'t mut Tx) -> R {
        self(tx)
    }
}

/// Asks the writing connection, which isn't told of its own commits, whether another process has committed.
async fn poll(writer: &Writer, subscribers: &Subscribers) {
    let mut last = None;
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match writer.data_version().await {
            Ok(version) => {
                if last.replace(version).is_some_and(|last| last != version) {
                    subscribers.tell(&[Change::Everything]);
                }
            }
            Err(_) if writer.is_closed() => return,
            Err(error) => tracing::warn!(%error, "can't ask whether another process has written"),
        }
    }
}

/// Before the nth retry: a few milliseconds, doubled each time, and random, so that those who clashed don't clash again.
fn pause(attempt: u32) -> Duration {
    let most = 4_000_u64 << attempt.min(RETRIES);
    Duration::from_micros(u64::from_le_bytes(crate::random::bytes()) % most)
}
