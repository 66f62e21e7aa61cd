//! A connection to read with, and a transaction.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::change::{Change, Subscribers};
use super::group_commit::Turn;
use super::readers::Lease;
use super::{Shared, postgres};
use crate::storage::audit::{Event, Marker};
use crate::storage::error::Error;
use crate::telemetry::metrics::{COMMIT_TIME, EVENTS};

/// A connection to read with, until it is dropped.
pub struct Conn(pub(super) Link);

/// Where statements go.
pub(super) enum Link {
    Reader(Lease),
    Writer(Turn),
    Pooled(postgres::Lease),
    Transaction(postgres::Lease),
}

/// A transaction. It derefs to [`Conn`], so what reads can be called in it too.
pub struct Tx {
    pub(super) conn: Conn,
    changes: Vec<Change>,
    /// Events of the audit log, which are counted once they are committed: type, outcome, how many.
    recorded: Vec<(&'static str, &'static str, u64)>,
    shared: Arc<Shared>,
}

impl Tx {
    pub(super) fn new(link: Link, shared: &Arc<Shared>) -> Self {
        Self { conn: Conn(link), changes: Vec::new(), recorded: Vec::new(), shared: Arc::clone(shared) }
    }

    /// What entries of the audit log are marked with; `None` in an installation whose keys are not open.
    pub(in crate::storage) fn marker(&self) -> Option<&Marker> {
        self.shared.marker.get()
    }

    /// Notes a change of something that is kept in memory; the subscribers are told once it is committed.
    pub fn changed(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Notes an event of the audit log.
    pub(in crate::storage) fn recorded(&mut self, event: &Event) {
        self.recorded.push((event.kind, event.outcome.as_str(), u64::try_from(event.count).unwrap_or_default()));
    }

    /// Commits what `work` gave, or undoes it.
    pub(super) async fn finish<T>(mut self, mut result: Result<T, Error>, subscribers: &Subscribers) -> Result<T, Error> {
        if let Link::Transaction(_) = self.conn.0
            && result.is_ok()
        {
            for change in &self.changes {
                let message = change.to_message();
                let notify = self.conn.query("SELECT pg_notify($1, $2)").bind(postgres::CHANNEL).bind(message);
                if let Err(error) = notify.execute().await {
                    result = Err(error);
                    break;
                }
            }
        }
        match self.conn.0 {
            Link::Writer(turn) => {
                let value = match result {
                    Ok(value) => value,
                    Err(error) => {
                        // What was found missing or in the way may be another caller's work, not committed yet.
                        if matches!(error, Error::Unmet | Error::Conflict) {
                            turn.refuse().await?;
                        }
                        // Dropping the turn undoes what was done in it.
                        return Err(error);
                    }
                };
                match turn.failure() {
                    Some(error) => return Err(error.clone()),
                    None => turn.keep(self.changes).await?,
                }
                count(&self.recorded);
                Ok(value)
            }
            Link::Transaction(lease) => {
                let failure = lease.failure().cloned();
                let value = match (result, failure) {
                    (Ok(value), None) => value,
                    (Err(error), _) | (Ok(_), Some(error)) => {
                        lease.roll_back().await;
                        return Err(error);
                    }
                };
                let time = COMMIT_TIME.timer();
                lease.commit().await?;
                drop(time);
                subscribers.tell(&self.changes);
                count(&self.recorded);
                Ok(value)
            }
            Link::Reader(_) | Link::Pooled(_) => result,
        }
    }
}

fn count(recorded: &[(&'static str, &'static str, u64)]) {
    for (kind, outcome, count) in recorded {
        EVENTS.add(kind, outcome, *count);
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Conn")
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tx")
    }
}
