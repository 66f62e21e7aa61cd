//! The connections to PostgreSQL.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Postgres, Transaction};
use tokio::time::{sleep, timeout};

use super::Connections;
use super::change::{Change, Subscribers};
use crate::config::DatabaseConfig;
use crate::storage::error::Error;
use crate::telemetry::metrics::{POOL_TIMEOUTS, POOL_WAIT};

/// The channel of NOTIFY on which the nodes tell each other what they changed.
pub(super) const CHANNEL: &str = "ostiary_changes";

/// How long a silent LISTEN connection is believed to be alive.
const SILENCE: Duration = Duration::from_secs(15);

/// Reads the URL, which may hold a password: the error doesn't repeat it.
pub(in crate::storage) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions =
        url.parse().map_err(|_| Error::other("database.url is not a URL of a PostgreSQL database"))?;
    Ok(options.application_name("ostiary").statement_cache_capacity(256).disable_statement_logging())
}

/// A pool whose connections bound the time of a statement, of waiting for a lock, and of an idle transaction. It connects
/// when it is first used.
pub(super) fn pool(url: &str, config: &DatabaseConfig) -> Result<PgPool, Error> {
    let statement_timeout = format!("{}s", config.statement_timeout);
    let options = options(url)?.options([
        ("statement_timeout", statement_timeout.as_str()),
        ("lock_timeout", &statement_timeout),
        ("idle_in_transaction_session_timeout", "30s"),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_secs(config.acquire_timeout))
        .idle_timeout(Duration::from_mins(10))
        .max_lifetime(Duration::from_mins(30))
        // sqlx tests a connection when it comes back; asking again each time it goes out would cost every request a round trip.
        .test_before_acquire(false)
        .before_acquire(|connection, age| {
            Box::pin(async move {
                if age.idle_for > Duration::from_secs(2) {
                    sqlx::Connection::ping(connection).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// A connection of the pool.
pub(super) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let _time = POOL_WAIT.timer();
    pool.acquire().await.inspect_err(count_timeout)
}

/// A transaction on one.
pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let _time = POOL_WAIT.timer();
    pool.begin().await.inspect_err(count_timeout)
}

fn count_timeout(error: &sqlx::Error) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        POOL_TIMEOUTS.count();
    }
}

pub(super) fn connections(pool: &PgPool) -> Connections {
    let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (open, most) = (whole(pool.size()), whole(pool.options().get_max_connections()));
    Connections { in_use: open.saturating_sub(pool.num_idle()), open, most }
}

/// Whether the connection was cut, by the network or by the server's administrator.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P01"),
        _ => false,
    }
}

/// Tells the subscribers what other nodes, and this one, changed. Doesn't end.
///
/// While the connection was lost anything may have been missed: after that everything is taken to have changed.
pub(super) async fn watch(options: PgConnectOptions, subscribers: Subscribers) {
    let mut pause = Duration::from_millis(100);
    loop {
        match listener(&options).await {
            Ok(mut listener) => {
                pause = Duration::from_millis(100);
                subscribers.tell(&[Change::Everything]);
                let error = listen(&mut listener, &subscribers).await;
                tracing::warn!(%error, "the connection that listens for other nodes was lost");
            }
            Err(error) => tracing::warn!(%error, "can't listen for other nodes"),
        }
        // What is kept in memory may be stale now, and stays so no longer than the database is out of reach.
        subscribers.tell(&[Change::Everything]);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn listener(options: &PgConnectOptions) -> Result<PgListener, Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Ends when the connection is lost.
async fn listen(listener: &mut PgListener, subscribers: &Subscribers) -> Error {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(message))) => subscribers.tell(&[Change::from_message(message.payload())]),
            Ok(Ok(None)) => return Error::unavailable("the server closed it"),
            Ok(Err(error)) => return error.into(),
            // A dead network says nothing: ask.
            Err(_) => match timeout(Duration::from_secs(5), sqlx::query("SELECT 1").execute(&mut *listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Error::unavailable("it does not answer"),
            },
        }
    }
}
