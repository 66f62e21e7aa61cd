//! Failed logins on their way to the database: counted in memory at once, written behind the answer.
//!
//! So the answer takes as long whether there is such an account or not, and a flood costs one transaction in a while. What
//! counts is the sum of both: what is written, and what is about to be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::audit::{self, Kind as AuditKind, Origin};
use crate::clock::Clock;
use crate::outbound::mail::{self, Mail, Message, Outbox};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::{Db, Tx};
use crate::storage::error::Error;
use crate::storage::login_failures::{self, Kind, More};
use crate::storage::{self, email_addresses, profiles};
use crate::telemetry::TraceId;

/// How long a failure waits for others.
const WINDOW: Duration = Duration::from_millis(200);

/// How long until the next try, when the database could not be written to.
const PAUSE: Duration = Duration::from_secs(2);

/// Names that may wait to be written. Beyond, those that nobody has are let go.
const MAX_WAITING: usize = 20_000;

/// Rows of one transaction.
const BATCH: usize = 500;

/// Failures at a known device without a success between them, after which it is known no more.
pub const DEVICE_LIMIT: i64 = 20;

/// What waits, and where it goes.
#[derive(Debug)]
pub struct Failures {
    waiting: Mutex<HashMap<[u8; 32], More>>,
    scheduled: AtomicBool,
    /// One writer at a time: what is being written still waits.
    writing: tokio::sync::Mutex<()>,
    db: Db,
    clock: Clock,
    outbox: Outbox,
    lock_after: i64,
}

/// Whose failure it is.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    pub key: [u8; 32],
    pub kind: Kind,
    pub user_id: Option<&'a UserId>,
}

impl Failures {
    pub fn new(db: Db, clock: Clock, outbox: Outbox, lock_after: u32) -> Self {
        Self {
            waiting: Mutex::default(),
            scheduled: AtomicBool::new(false),
            writing: tokio::sync::Mutex::default(),
            db,
            clock,
            outbox,
            lock_after: lock_after.into(),
        }
    }

    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// At how many in a row this kind is locked.
    pub const fn limit(&self, kind: Kind) -> i64 {
        match kind {
            Kind::Account => self.lock_after,
            Kind::Device | Kind::Address => DEVICE_LIMIT,
        }
    }

    /// Counts one; how many wait to be written, this one included. The caller sees to it that [`Failures::write_later`] runs.
    pub fn count(&self, of: Counter<'_>, now: Timestamp) -> i64 {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING && of.user_id.is_none() && !waiting.contains_key(&of.key) {
            return 1;
        }
        let more = waiting.entry(of.key).or_insert_with(|| More {
            key: of.key,
            kind: of.kind,
            user_id: of.user_id.cloned(),
            count: 0,
            first_at: now,
            last_at: now,
        });
        more.count += 1;
        more.last_at = now;
        more.count
    }

    /// How many wait to be written.
    pub fn count_of(&self, key: &[u8; 32]) -> i64 {
        self.waiting().get(key).map_or(0, |more| more.count)
    }

    /// Lets go of what waits under a key, after a success.
    pub fn forget(&self, key: &[u8; 32]) {
        self.waiting().remove(key);
    }

    /// Writes what waits, in a moment, in a task of its own.
    pub fn write_later(self: &std::sync::Arc<Self>) {
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = std::sync::Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(WINDOW).await;
            this.scheduled.store(false, Ordering::Release);
            while let Err(error) = this.write().await {
                tracing::warn!(%error, "failed logins wait for the database to be written");
                // One task is enough to try again.
                if this.scheduled.swap(true, Ordering::AcqRel) {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
                this.scheduled.store(false, Ordering::Release);
            }
        });
    }

    /// Writes what waits.
    pub async fn write(&self) -> Result<(), Error> {
        let _one = self.writing.lock().await;
        let mut all: Vec<More> = self.waiting().values().cloned().collect();
        // Two nodes that write the same rows in another order would wait for each other.
        all.sort_unstable_by_key(|more| more.key);
        for batch in all.chunks(BATCH) {
            self.db
                .write(async |tx| {
                    for more in batch {
                        self.add(tx, more).await?;
                    }
                    Ok(())
                })
                .await?;
            let mut waiting = self.waiting();
            for written in batch {
                if let Some(more) = waiting.get_mut(&written.key) {
                    more.count -= written.count;
                    if more.count <= 0 {
                        waiting.remove(&written.key);
                    }
                }
            }
        }
        Ok(())
    }

    async fn add(&self, tx: &mut Tx, more: &More) -> Result<(), Error> {
        let row = login_failures::add(tx, more).await?;
        if row.consecutive < self.limit(more.kind) || !login_failures::lock(tx, &more.key, more.last_at).await? {
            return Ok(());
        }
        match &more.user_id {
            Some(user_id) if more.kind == Kind::Account => self.tell(tx, user_id, row.consecutive).await,
            _ => Ok(()),
        }
    }

    /// The owner is told by mail, and the administrators by the audit log.
    async fn tell(&self, tx: &mut Tx, user_id: &UserId, failures: i64) -> Result<(), Error> {
        let now = self.clock.now();
        let origin = Origin { at: now, address: None, trace_id: TraceId::random().to_string() };
        let event = Event {
            actor: Actor::System,
            user_id: Some(user_id.clone()),
            details: serde_json::Map::from_iter([("failures".to_owned(), failures.into())]),
            ..audit::event(AuditKind::UserPasswordLocked, origin)
        };
        storage::audit::insert(tx, &event).await?;
        let Some(to) = email_addresses::load(tx, user_id).await?.filter(|address| address.verified_at.is_some()) else {
            return Ok(());
        };
        let locale = profiles::load(tx, user_id).await?.and_then(|(profile, _)| profile.locale);
        let notice = Mail { to: to.address, locale, user_id: Some(user_id.clone()), message: Message::PasswordLocked };
        mail::enqueue(tx, &self.outbox, &notice, now).await
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<[u8; 32], More>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
