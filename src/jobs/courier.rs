//! Jobs that bring what waits in a queue to other servers: woken by a commit, a few at a time, until the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::pace::{POLL, duration, wait};
use crate::clock::Clock;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::db::{Change, Db};
use crate::storage::error::Error;
use crate::telemetry::metrics::job_ran;

/// One such job. Cheap to clone.
pub(super) trait Courier: Clone + Send + Sync + 'static {
    /// For the figures.
    const NAME: &'static str;

    /// For the log: what waits when the database does not work.
    const WAITING: &'static str;

    fn db(&self) -> &Db;
    fn clock(&self) -> &Clock;

    /// Set once, when the server stops: nothing new is begun then.
    fn stopping(&self) -> &AtomicBool;

    /// How long sending one may take.
    fn patience(&self) -> Seconds;

    /// Whether the change brought something to send.
    fn is_woken_by(change: &Change) -> bool;

    /// How many are sent at once now; `None`: the other server is left alone for a while.
    fn parallel(&self) -> Option<usize>;

    /// Sends everything that is due, and says when something will be next.
    fn round(&self) -> impl Future<Output = Result<Option<Timestamp>, Error>> + Send;

    /// Sends this one, if nobody else does.
    fn send(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Sends until `shutdown` resolves; then finishes what is under way.
pub(super) async fn run<C: Courier>(courier: &C, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let wake = Arc::new(Notify::new());
    courier.db().subscribe({
        let wake = Arc::clone(&wake);
        move |change| {
            if C::is_woken_by(change) {
                wake.notify_one();
            }
        }
    });
    loop {
        let mut round = std::pin::pin!(courier.round());
        let next = tokio::select! {
            next = &mut round => next,
            () = &mut shutdown => {
                courier.stopping().store(true, Ordering::SeqCst);
                // What doesn't end in time is sent again by whoever starts next.
                let _ = timeout(duration(courier.patience()), round).await;
                return;
            }
        };
        job_ran(C::NAME, courier.clock().now(), &next);
        let pause = match next {
            Ok(next) => next.map_or(duration(POLL), |next| wait(courier.clock().now(), next)),
            Err(error) => {
                tracing::warn!(%error, "{}", C::WAITING);
                duration(POLL)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wake.notified() => {}
            () = &mut shutdown => return,
        }
    }
}

/// A few at a time. A database that can't note what becomes of them ends it: the same would come up again at once.
pub(super) async fn send_all<C: Courier>(courier: &C, ids: Vec<String>) -> Result<(), Error> {
    let mut under_way = JoinSet::new();
    let mut outcome = Ok(());
    for id in ids {
        let parallel = courier.parallel().unwrap_or(1);
        while under_way.len() >= parallel {
            outcome = outcome.and(under_way.join_next().await.map_or(Ok(()), judge));
        }
        if outcome.is_err() || courier.stopping().load(Ordering::SeqCst) || courier.parallel().is_none() {
            break;
        }
        let courier = courier.clone();
        under_way.spawn(async move { courier.send(&id).await });
    }
    while let Some(ended) = under_way.join_next().await {
        outcome = outcome.and(judge(ended));
    }
    outcome
}

/// What came of sending one. A panic has been logged, and what was sent is claimed for a while: the others go on.
fn judge(ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    ended.unwrap_or(Ok(()))
}
