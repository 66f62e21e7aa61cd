//! The connections to PostgreSQL.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Postgres};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::Connections;
use super::change::{Change, Subscribers};
use crate::config::DatabaseConfig;
use crate::storage::error::Error;
use crate::telemetry::metrics::{POOL_TIMEOUTS, POOL_WAIT};

/// The channel of NOTIFY on which the nodes tell each other what they changed.
pub(super) const CHANNEL: &str = "ostiary_changes";

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Requests,
    Jobs,
}

/// How long a silent LISTEN connection is believed to be alive.
const SILENCE: Duration = Duration::from_secs(15);

/// Reads the URL, which may hold a password: the error doesn't repeat it.
pub(in crate::storage) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions =
        url.parse().map_err(|_| Error::other("database.url is not a URL of a PostgreSQL database"))?;
    Ok(options.application_name("ostiary").statement_cache_capacity(256).disable_statement_logging())
}

/// How long a connection may take to say that it is well when it comes back.
const RETURN: Duration = Duration::from_secs(2);

/// What a statement may take longer than the server was told to let it, before the server counts as dead; and all that a question
/// may take which costs the server nothing.
const WAY: Duration = Duration::from_millis(500);

/// How often is looked for a connection that became free, while a new one is being made.
const LOOK: Duration = Duration::from_millis(20);

/// How old a connection gets.
const LIFETIME: Duration = Duration::from_mins(30);

/// The connections. What bounds them stands on both sides: the server ends a statement, a wait for a lock, and an idle
/// transaction; and where nothing comes back, because the network or the server died, this side waits no longer either.
///
/// Who answers a request and what runs in the background take them from the same pool, each within bounds: however many wait on one
/// side, there is one for the other.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    connections: PgPool,
    /// How long a connection is waited for.
    acquire_timeout: Duration,
    /// All but one, unless there are so few that one request could not do with the rest.
    for_requests: Arc<Semaphore>,
    /// A quarter, and one at least.
    for_jobs: Arc<Semaphore>,
    /// How long an answer is waited for.
    patience: Duration,
    /// Connections that were made before this are not used any more.
    distrusted: Arc<Mutex<Option<Instant>>>,
}

impl Pool {
    /// It connects when it is first used.
    pub(super) fn new(url: &str, config: &DatabaseConfig) -> Result<Self, Error> {
        let statement_timeout = format!("{}s", config.statement_timeout);
        let options = options(url)?.options([
            ("statement_timeout", statement_timeout.as_str()),
            ("lock_timeout", &statement_timeout),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        let distrusted = Arc::new(Mutex::new(None::<Instant>));
        let doubts = Arc::clone(&distrusted);
        let connections = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(Duration::from_secs(config.acquire_timeout))
            .idle_timeout(Duration::from_mins(10))
            .max_lifetime(LIFETIME)
            .after_connect(|connection, _| Box::pin(must_be_the_primary(connection)))
            // sqlx tests a connection when it comes back; asking again each time it goes out would cost every request a round trip.
            .test_before_acquire(false)
            .before_acquire(move |connection, age| {
                let doubts = Arc::clone(&doubts);
                Box::pin(async move {
                    let since = *doubts.lock().unwrap_or_else(PoisonError::into_inner);
                    if since.is_some_and(|since| age.age >= since.elapsed()) {
                        return Ok(false);
                    }
                    if age.idle_for > Duration::from_secs(2) {
                        // A firewall that forgot this connection has forgotten the others too: none of them is waited for.
                        let asked = Instant::now();
                        let Ok(answered) = timeout(WAY, sqlx::Connection::ping(connection)).await else {
                            let mut since = doubts.lock().unwrap_or_else(PoisonError::into_inner);
                            *since = since.max(Some(asked));
                            return Err(sqlx::Error::PoolTimedOut);
                        };
                        answered?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        let patience = Duration::from_secs(config.statement_timeout) + WAY;
        let share = |number: u32| Arc::new(Semaphore::new(usize::try_from(number.max(1)).unwrap_or(1)));
        Ok(Self {
            connections,
            acquire_timeout: Duration::from_secs(config.acquire_timeout),
            for_requests: share(if config.max_connections > 2 { config.max_connections - 1 } else { config.max_connections }),
            for_jobs: share(config.max_connections / 4),
            patience,
            distrusted,
        })
    }

    /// A connection.
    pub(super) async fn acquire(&self, purpose: Purpose) -> Result<Lease, Error> {
        let _time = POOL_WAIT.timer();
        let share = match purpose {
            Purpose::Requests => &self.for_requests,
            Purpose::Jobs => &self.for_jobs,
        };
        let acquired = timeout(self.acquire_timeout, async {
            let share = Arc::clone(share).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            Ok((share, self.connection().await?))
        });
        let (share, connection) = acquired.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).inspect_err(count_timeout)?;
        Ok(Lease { connection: Some(connection), share: Some(share), failure: None, patience: self.patience, open: false })
    }

    /// One that is free, or a new one. sqlx would go on trying to make one where PostgreSQL allows no more, while others become free.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let mut acquired = pin!(self.connections.acquire());
        loop {
            if let Ok(acquired) = timeout(LOOK, acquired.as_mut()).await {
                return acquired;
            }
            // It comes without the questions that are asked of others: whether it lives, and leads to where writes go.
            let mut asked = Asked(self.connections.try_acquire());
            if let Some(free) = &mut asked.0
                && let Ok(Ok(())) = timeout(WAY, must_be_the_primary(free)).await
                && let Some(free) = asked.0.take()
            {
                return Ok(free);
            }
        }
    }

    /// A transaction on one.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<Lease, Error> {
        let mut lease = self.acquire(purpose).await?;
        lease.open = true;
        lease.command("BEGIN").await?;
        Ok(lease)
    }

    /// From now on connections are made anew: the server that they lead to takes no writes.
    pub(super) fn distrust(&self) {
        *self.distrusted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn connections(&self) -> Connections {
        let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (open, most) = (whole(self.connections.size()), whole(self.connections.options().get_max_connections()));
        Connections { in_use: open.saturating_sub(self.connections.num_idle()), open, most }
    }

    pub(super) async fn close(&self) {
        self.for_requests.close();
        self.for_jobs.close();
        self.connections.close().await;
    }
}

fn count_timeout(error: &sqlx::Error) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        POOL_TIMEOUTS.count();
    }
}

/// A new connection is used only if it leads to where writes go: a replica would answer that something isn't revoked which
/// is. A commit that was answered has to last, whatever the server, the role or the database were set to.
async fn must_be_the_primary(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let question = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean, \
         current_setting('synchronous_commit') IN ('off', 'local')";
    let (read_only, forgetful): (bool, bool) = sqlx::query_as(question).persistent(false).fetch_one(&mut *connection).await?;
    if read_only {
        return Err(sqlx::Error::Configuration("PostgreSQL takes no writes: it is a replica, or was made read-only".into()));
    }
    if forgetful {
        connection.execute("SET synchronous_commit = on").await?;
    }
    Ok(())
}

/// Says what of the server's settings lets a crash take back what was answered.
pub(in crate::storage) async fn warn_of_what_does_not_last(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let question = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on' ORDER BY name";
    for (setting,) in sqlx::query_as::<_, (String,)>(question).fetch_all(connection).await? {
        tracing::warn!(
            setting,
            "PostgreSQL may lose what it has confirmed when the machine stops: turn this setting on (see docs/faults.md)"
        );
    }
    Ok(())
}

/// A connection that has yet to answer. It ends with this: sqlx would wait for it before it made room for another.
struct Asked(Option<PoolConnection<Postgres>>);

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// A connection of the pool, until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` only while it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    /// Of what there is for its purpose; given back when the connection is.
    share: Option<OwnedSemaphorePermit>,
    failure: Option<Error>,
    patience: Duration,
    /// Whether there is a transaction on it, or may be.
    open: bool,
}

impl Lease {
    /// The connection, what failed on it, and how long to wait for an answer.
    #[expect(clippy::expect_used, reason = "only drop takes the connection")]
    pub(super) fn parts(&mut self) -> (&mut PgConnection, &mut Option<Error>, Duration) {
        (self.connection.as_mut().expect("a lease holds a connection"), &mut self.failure, self.patience)
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let committed = self.command("COMMIT").await;
        // Where the server answered, there is no transaction any more.
        self.open = committed.as_ref().is_err_and(Error::is_silence);
        committed
    }

    pub(super) async fn roll_back(mut self) {
        if !self.failure.as_ref().is_some_and(Error::is_silence) && self.command("ROLLBACK").await.is_ok() {
            self.open = false;
        }
    }

    /// Runs a statement without parameters.
    async fn command(&mut self, sql: &'static str) -> Result<(), Error> {
        let (connection, failure, patience) = self.parts();
        let done = in_time(patience, connection.execute(sql)).await;
        done.map(drop).map_err(|error| failure.insert(error).clone())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.open || self.failure.as_ref().is_some_and(Error::is_silence) {
            // Nobody knows what it is in the middle of: its end is the end of that.
            drop(connection.detach());
            return;
        }
        // sqlx asks it whether it is well, and would wait for the answer for as long as the network is silent.
        let (returned, share) = (connection.return_to_pool(), self.share.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _in_time = timeout(RETURN, returned).await;
                drop(share);
            });
        }
    }
}

/// The answer of the server, if it comes in time.
pub(super) async fn in_time<T>(patience: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match timeout(patience, answer).await {
        Ok(answer) => answer.map_err(Error::from),
        Err(_) => Err(Error::unavailable("PostgreSQL does not answer")),
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
    let connections = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&connections).await?;
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
