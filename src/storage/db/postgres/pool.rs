//! The connections to PostgreSQL that are open.
//!
//! Not sqlx's pool: that one asks every connection that comes back whether it is well, which is one round trip more for each read and
//! each transaction. Here one that answered all its questions is well; another is not used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::line::Transaction;
use super::{Line, Pending, WAY, bounded, must_be_the_primary};
use crate::config::DatabaseConfig;
use crate::storage::db::Connections;
use crate::storage::error::Error;
use crate::telemetry::metrics::{POOL_TIMEOUTS, POOL_WAIT};

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage::db) enum Purpose {
    Requests,
    Jobs,
}

/// How often is looked for a connection that became free, while a new one is being made.
const LOOK: Duration = Duration::from_millis(20);

/// Before making one is tried again, the first time; then twice as long each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How old a connection gets.
const LIFETIME: Duration = Duration::from_mins(30);

/// How long one stays open that nobody needs.
const REST: Duration = Duration::from_mins(10);

/// One that rested longer is asked whether it is well before it is used: a firewall may have forgotten it.
const BELIEVED: Duration = Duration::from_secs(2);

/// How long a connection may take to take its leave.
const LEAVE: Duration = Duration::from_secs(2);

/// The connections. Who answers a request and what runs in the background take them from the same pool, each within bounds: however
/// many wait on one side, there is one for the other.
#[derive(Clone, Debug)]
pub(in crate::storage::db) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    /// How long a connection is waited for.
    acquire_timeout: Duration,
    /// How long an answer is waited for.
    patience: Duration,
    most: u32,
    /// For each connection that there may be; who holds one of them finds a connection free or may make one.
    room: Arc<Semaphore>,
    /// All but one, unless there are so few that one request could not do with the rest.
    for_requests: Arc<Semaphore>,
    /// A quarter, and one at least.
    for_jobs: Arc<Semaphore>,
    resting: Mutex<Resting>,
}

#[derive(Debug, Default)]
struct Resting {
    /// The one that was used last comes last, and is used next.
    connections: Vec<Open>,
    /// Connections that were made before this are not used any more.
    distrusted: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    connection: PgConnection,
    made: Instant,
    used: Instant,
}

impl Pool {
    /// It connects when it is first used.
    pub(in crate::storage::db) fn new(url: &str, config: &DatabaseConfig) -> Result<Self, Error> {
        let most = config.max_connections.max(1);
        let share = |number: u32| Arc::new(Semaphore::new(usize::try_from(number.max(1)).unwrap_or(1)));
        Ok(Self(Arc::new(Shared {
            options: bounded(url, config)?,
            acquire_timeout: Duration::from_secs(config.acquire_timeout),
            patience: Duration::from_secs(config.statement_timeout) + WAY,
            most,
            room: share(most),
            for_requests: share(if most > 2 { most - 1 } else { most }),
            for_jobs: share(most / 4),
            resting: Mutex::default(),
        })))
    }

    /// A connection.
    pub(in crate::storage::db) async fn acquire(&self, purpose: Purpose) -> Result<Lease, Error> {
        let _time = POOL_WAIT.timer();
        let pool = &self.0;
        let share = match purpose {
            Purpose::Requests => &pool.for_requests,
            Purpose::Jobs => &pool.for_jobs,
        };
        let acquired = timeout(pool.acquire_timeout, async {
            let closed = |_| sqlx::Error::PoolClosed;
            let share = Arc::clone(share).acquire_owned().await.map_err(closed)?;
            let room = Arc::clone(&pool.room).acquire_owned().await.map_err(closed)?;
            Ok((pool.connection().await?, (room, share)))
        });
        let (open, permits) = acquired.await.unwrap_or_else(|_| Err(timed_out()))?;
        Ok(Lease {
            open: Some(open),
            failure: None,
            pending: Pending::default(),
            asking: false,
            transaction: Transaction::None,
            pool: Arc::clone(pool),
            _permits: permits,
        })
    }

    /// How long a connection is waited for.
    pub(super) fn acquire_timeout(&self) -> Duration {
        self.0.acquire_timeout
    }

    /// One for a transaction, which begins with its first statement that has a result.
    pub(in crate::storage::db) async fn begin(&self, purpose: Purpose) -> Result<Lease, Error> {
        let mut lease = self.acquire(purpose).await.map_err(Error::before_anything)?;
        lease.transaction = Transaction::Due;
        Ok(lease)
    }

    /// From now on connections are made anew: the server that they lead to takes no writes.
    pub(in crate::storage::db) fn distrust(&self) {
        self.0.distrust(Instant::now());
    }

    pub(in crate::storage::db) fn connections(&self) -> Connections {
        let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let in_use = whole(self.0.most).saturating_sub(self.0.room.available_permits());
        Connections { in_use, open: in_use + self.0.resting().connections.len(), most: whole(self.0.most) }
    }

    /// Gives no more of them out, and closes each when it has come back.
    pub(in crate::storage::db) async fn close(&self) {
        self.0.for_requests.close();
        self.0.for_jobs.close();
        let _all = self.0.room.acquire_many(self.0.most).await;
        let resting = std::mem::take(&mut self.0.resting().connections);
        for open in resting {
            let _left = timeout(LEAVE, open.connection.close()).await;
        }
    }
}

impl Shared {
    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn distrust(&self, since: Instant) {
        let mut resting = self.resting();
        resting.distrusted = resting.distrusted.max(Some(since));
    }

    /// One that is free and well, or else a new one. Where PostgreSQL allows no more, or takes its time, one that becomes free
    /// meanwhile will do.
    async fn connection(&self) -> Result<Open, sqlx::Error> {
        if let Some(open) = self.free().await {
            return Ok(open);
        }
        let mut made = Box::pin(self.make());
        loop {
            if let Ok(made) = timeout(LOOK, &mut made).await {
                return made;
            }
            if let Some(open) = self.free().await {
                return Ok(open);
            }
        }
    }

    async fn free(&self) -> Option<Open> {
        while let Some(open) = self.take() {
            if let Some(open) = self.still_well(open).await {
                return Some(open);
            }
        }
        None
    }

    /// The free one that was used last. What is too old, or rested too long, is closed.
    fn take(&self) -> Option<Open> {
        let mut resting = self.resting();
        let distrusted = resting.distrusted;
        let is_good = |open: &Open| open.made.elapsed() < LIFETIME && distrusted.is_none_or(|since| open.made > since);
        let rested = resting.connections.iter().take_while(|open| open.used.elapsed() >= REST).count();
        let mut stale: Vec<_> = resting.connections.drain(..rested).collect();
        let mut taken = None;
        while taken.is_none()
            && let Some(open) = resting.connections.pop()
        {
            if is_good(&open) {
                taken = Some(open);
            } else {
                stale.push(open);
            }
        }
        drop(resting);
        for open in stale {
            take_leave(open);
        }
        taken
    }

    async fn still_well(&self, mut open: Open) -> Option<Open> {
        if open.used.elapsed() > BELIEVED {
            let asked = Instant::now();
            let Ok(answered) = timeout(WAY, open.connection.ping()).await else {
                // A firewall that forgot this connection has forgotten the others too: none of them is waited for.
                self.distrust(asked);
                return None;
            };
            answered.ok()?;
        }
        Some(open)
    }

    /// A new one. It is tried again while PostgreSQL starts, has no room, or is a replica.
    async fn make(&self) -> Result<Open, sqlx::Error> {
        let mut pause = PAUSE;
        loop {
            let made = Instant::now();
            match self.options.connect().await {
                Ok(mut connection) => {
                    if must_be_the_primary(&mut connection).await.is_ok() {
                        return Ok(Open { connection, made, used: Instant::now() });
                    }
                }
                Err(error) if may_change_soon(&error) => {}
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn may_change_soon(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

/// What somebody is told who waited too long for a connection.
pub(super) fn timed_out() -> sqlx::Error {
    POOL_TIMEOUTS.count();
    sqlx::Error::PoolTimedOut
}

/// Tells PostgreSQL that a connection ends, while nobody waits for that.
fn take_leave(open: Open) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(timeout(LEAVE, open.connection.close()));
    }
}

/// A connection of the pool, until this is dropped.
#[derive(Debug)]
pub(in crate::storage::db) struct Lease {
    /// `None` only while it is dropped.
    open: Option<Open>,
    failure: Option<Error>,
    pending: Pending,
    /// A question was sent that has no answer yet.
    asking: bool,
    transaction: Transaction,
    pool: Arc<Shared>,
    /// Given back after the connection is.
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Lease {
    /// A line for one statement, and what failed before.
    #[expect(clippy::expect_used, reason = "only drop takes the connection")]
    pub(in crate::storage::db) fn parts(&mut self) -> (Line<'_>, &mut Option<Error>) {
        let open = self.open.as_mut().expect("a lease holds a connection");
        let (pending, asking, transaction) = (&mut self.pending, &mut self.asking, &mut self.transaction);
        let line = Line { connection: &mut open.connection, pending, patience: self.pool.patience, asking, transaction };
        (line, &mut self.failure)
    }

    pub(in crate::storage::db) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Sends what was put off, and ends the transaction: where nothing was sent before, that is all of it, and one statement is a
    /// transaction by itself.
    pub(in crate::storage::db) async fn commit(mut self) -> Result<(), Error> {
        let (mut line, failure) = self.parts();
        if let Err(error) = line.send_pending().await {
            *failure = Some(error.clone());
            let error = if self.transaction == Transaction::Begun { error } else { error.before_it_was_sent() };
            self.roll_back().await;
            return Err(error);
        }
        if self.transaction != Transaction::Begun {
            return Ok(());
        }
        let committed = self.command("COMMIT").await;
        // Where the server answered, there is no transaction any more.
        if !committed.as_ref().is_err_and(Error::is_silence) {
            self.transaction = Transaction::None;
        }
        committed
    }

    pub(in crate::storage::db) async fn roll_back(mut self) {
        if self.transaction == Transaction::Begun && !self.is_lost() && self.command("ROLLBACK").await.is_ok() {
            self.transaction = Transaction::None;
        }
    }

    /// Runs a statement without parameters.
    async fn command(&mut self, sql: &'static str) -> Result<(), Error> {
        let (mut line, failure) = self.parts();
        line.command(sql).await.map_err(|error| failure.insert(error).clone())
    }

    /// Whether it can't be used any more, or nobody knows what it is in the middle of.
    fn is_lost(&self) -> bool {
        self.asking || self.failure.as_ref().is_some_and(Error::is_silence)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        // Where PostgreSQL could not work it may have ended it. Its end is the end of what it is in the middle of.
        let is_well = match &self.failure {
            Some(error @ Error::Unavailable(_)) => error.is_worth_retrying() || error.is_read_only(),
            _ => true,
        };
        if is_well && self.transaction != Transaction::Begun && !self.asking {
            open.used = Instant::now();
            self.pool.resting().connections.push(open);
        }
    }
}
