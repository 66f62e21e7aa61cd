//! Sends the mail in the outbox: each by one node, at least once, each again until it is out or of no use any more.
//!
//! A node claims a mail for as long as sending it may take. Should it die meanwhile, another one takes the mail over, and when
//! the server had taken it already it arrives twice (with the same Message-ID). A server that doesn't work is left alone for a
//! while, and no mail pays for that but the one that found it out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::timeout;

use super::courier::{self, Courier};
use super::pace::{duration, pause};
use crate::audit::{self, Kind, Origin};
use crate::clock::Clock;
use crate::outbound::breaker::Breaker;
use crate::outbound::mail::{Consequence, Mail, Outbox, Sender, Transport, Unsent};
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::{Actor, Event, Outcome, insert as record};
use crate::storage::db::{Change, Db};
use crate::storage::error::Error;
use crate::storage::outbox::{self, Waiting};
use crate::telemetry::TraceId;
use crate::telemetry::metrics::MAILS;

/// Mails that are sent at once.
const PARALLEL: usize = 4;

/// Mails looked up at once.
const BATCH: i64 = 32;

/// A mail that can't be read or written here is left for another node, which may be newer.
const UNREADABLE_PAUSE: Seconds = Seconds::minutes(5);

/// Sends mail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Postman(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    clock: Clock,
    outbox: Outbox,
    transport: Transport,
    sender: Sender,
    /// How long sending one mail may take.
    patience: Seconds,
    breaker: Breaker,
    stopping: AtomicBool,
}

/// What the postman needs.
#[derive(Debug)]
pub struct Parts {
    pub db: Db,
    pub clock: Clock,
    pub outbox: Outbox,
    pub transport: Transport,
    pub sender: Sender,
    /// Seconds that the mail server may take for each step.
    pub timeout: u64,
}

impl Postman {
    pub fn new(parts: Parts) -> Self {
        let Parts { db, clock, outbox, transport, sender, timeout } = parts;
        // A mail has some eight steps, of which one or two take long at worst.
        let patience = Seconds(i64::try_from(timeout).unwrap_or(i64::MAX / 4).saturating_mul(3));
        let (breaker, stopping) = (Breaker::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { db, clock, outbox, transport, sender, patience, breaker, stopping }))
    }

    /// Sends until `shutdown` resolves; then finishes what is under way.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        courier::run(&self, shutdown).await;
        self.0.transport.close().await;
    }

    /// Sends everything that is due, and says when something will be next.
    pub async fn round(&self) -> Result<Option<Timestamp>, Error> {
        while !self.0.stopping.load(Ordering::SeqCst) {
            self.give_up_expired().await?;
            let now = self.0.clock.now();
            if let Some(closed_until) = self.0.breaker.closed_until(now) {
                return Ok(Some(closed_until));
            }
            let due = outbox::due(&mut self.0.db.read().await?, now, BATCH).await?;
            if due.is_empty() {
                return outbox::next_due(&mut self.0.db.read().await?).await;
            }
            courier::send_all(self, due).await?;
        }
        Ok(None)
    }

    async fn send(&self, id: &str) -> Result<(), Error> {
        let Shared { db, clock, outbox, transport, sender, patience, breaker, .. } = &*self.0;
        let now = clock.now();
        let claimed_until = now + *patience + Seconds(1);
        let Some(waiting) = db.write(async |tx| outbox::claim(tx, id, now, claimed_until).await).await? else {
            return Ok(());
        };
        let claim = Claim { waiting: &waiting, until: claimed_until };
        let Some(mail) = outbox.open(&waiting) else {
            tracing::error!(
                id,
                kind = waiting.kind,
                "a mail in the outbox can't be opened: its row was changed, or it is of another version"
            );
            return self.postpone(&claim, clock.now() + UNREADABLE_PAUSE, "unreadable").await;
        };
        let sending = transport.send(&mail, sender, id, waiting.created_at);
        let result = timeout(duration(*patience), sending).await;
        let now = clock.now();
        let failure = match result {
            Ok(Ok(())) => {
                MAILS.count("sent", "");
                breaker.works();
                tracing::info!(id, kind = waiting.kind, to = mail.to.masked(), attempts = waiting.attempts, "mail sent");
                return db.write(async |tx| outbox::delete(tx, id).await).await.map(drop);
            }
            Ok(Err(Unsent::Unwritable(error))) => {
                tracing::error!(%error, id, kind = waiting.kind, "a mail can't be written");
                return self.postpone(&claim, now + UNREADABLE_PAUSE, "unwritable").await;
            }
            Ok(Err(Unsent::Refused(failure))) => Some(failure),
            Err(_) => None,
        };
        let why = failure.map_or_else(|| "no answer".to_owned(), |failure| failure.to_string());
        match failure.map_or(Consequence::ServerDown, crate::outbound::mail::Failure::consequence) {
            Consequence::ServerDown => {
                MAILS.count("down", "");
                // The mail that found it out waits for its own pause too: it may be its recipient that the server chokes on.
                let again = breaker.fails(now).max(now + pause(waiting.attempts));
                tracing::warn!(id, why, attempts = waiting.attempts, "the mail server does not work; mail waits");
                self.postpone(&claim, again, &why).await
            }
            Consequence::Later => {
                MAILS.count("postponed", "");
                breaker.works();
                tracing::info!(id, kind = waiting.kind, to = mail.to.masked(), why, "the mail server wants a mail later");
                self.postpone(&claim, now + pause(waiting.attempts), &why).await
            }
            Consequence::Refused => {
                MAILS.count("refused", "");
                breaker.works();
                tracing::warn!(id, kind = waiting.kind, to = mail.to.masked(), why, "the mail server refuses a mail");
                self.end(&waiting, Some(&mail), Kind::MailRefused, &why).await
            }
        }
    }

    /// Gives a mail back for later; not for after its end, so that its end is noticed.
    async fn postpone(&self, claim: &Claim<'_>, next: Timestamp, why: &str) -> Result<(), Error> {
        let Claim { waiting, until } = claim;
        let next = next.min(waiting.expires_at);
        self.0.db.write(async |tx| outbox::postpone(tx, &waiting.id, *until, next, why).await).await
    }

    /// Removes what is of no use any more, whether the server works or not.
    async fn give_up_expired(&self) -> Result<(), Error> {
        loop {
            let expired = outbox::expired(&mut self.0.db.read().await?, self.0.clock.now(), BATCH).await?;
            if expired.is_empty() {
                return Ok(());
            }
            for waiting in expired {
                tracing::warn!(
                    id = waiting.id,
                    kind = waiting.kind,
                    attempts = waiting.attempts,
                    "a mail was given up: it came too late"
                );
                MAILS.count("expired", "");
                let mail = self.0.outbox.open(&waiting);
                self.end(&waiting, mail.as_ref(), Kind::MailExpired, "expired").await?;
            }
        }
    }

    /// Takes a mail out that was not sent, and records it.
    async fn end(&self, waiting: &Waiting, mail: Option<&Mail>, kind: Kind, why: &str) -> Result<(), Error> {
        let origin = Origin { at: self.0.clock.now(), address: None, trace_id: TraceId::random().to_string() };
        let mut event = Event {
            actor: Actor::System,
            outcome: Outcome::Failed,
            reason: Some(if kind == Kind::MailExpired { "expired" } else { "refused_by_server" }),
            user_id: mail.and_then(|mail| mail.user_id.clone()),
            ..audit::event(kind, origin)
        };
        for (name, value) in [("mail", waiting.kind.as_str()), ("why", why)] {
            event.details.insert(name.to_owned(), value.into());
        }
        event.details.insert("attempts".to_owned(), waiting.attempts.into());
        let write = self.0.db.write(async |tx| {
            if outbox::delete(tx, &waiting.id).await? {
                record(tx, &event).await?;
            }
            Ok(())
        });
        write.await
    }
}

impl Courier for Postman {
    const NAME: &'static str = "mail";
    const WAITING: &'static str = "the outbox can't be read or written; mail waits, and what was being sent may be sent twice";

    fn db(&self) -> &Db {
        &self.0.db
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn stopping(&self) -> &AtomicBool {
        &self.0.stopping
    }

    fn patience(&self) -> Seconds {
        self.0.patience
    }

    fn is_woken_by(change: &Change) -> bool {
        matches!(change, Change::Outbox | Change::Everything)
    }

    /// One alone where the server failed last time.
    fn parallel(&self) -> Option<usize> {
        let Shared { breaker, clock, .. } = &*self.0;
        let count = if breaker.is_unsure() { 1 } else { PARALLEL };
        breaker.closed_until(clock.now()).is_none().then_some(count)
    }

    fn round(&self) -> impl Future<Output = Result<Option<Timestamp>, Error>> + Send {
        self.round()
    }

    fn send(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send {
        self.send(id)
    }
}

/// A mail that this node sends, for as long as it may.
struct Claim<'w> {
    waiting: &'w Waiting,
    until: Timestamp,
}
