//! Seals the audit log: moves what was written to its chain, and vouches for the chain with checkpoints.
//!
//! No request waits for it. Of several nodes one seals and the others stand back; when two do it at once, one of them finds that
//! the chain goes on elsewhere by now, and nothing of what it did is kept. A node that dies leaves the chain as it was before or
//! after a whole batch.

mod copies;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub use copies::Copies;

use super::pace::Batch;
use crate::audit::Kind;
use crate::clock::Clock;
use crate::config::AuditConfig;
use crate::keys::evidence::{EvidenceKey, digest};
use crate::protocol::evidence::{Checkpoint, Occasion};
use crate::protocol::jwt::encode;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::AuditFilter;
use crate::storage::audit::chain::{self, Head, Row, Stored};
use crate::storage::db::{Change, Db};
use crate::storage::error::Error;
use crate::telemetry::metrics::job_ran;

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// Entries sealed in one transaction.
const BATCH: Batch = Batch::between(16, 256);

/// How many rounds are left to a node that is seen to seal.
const STAND_BACK: u32 = 5;

/// How long the last round may take when the server stops.
const LAST_ROUND: Duration = Duration::from_secs(5);

/// How long the last copies of checkpoints may take then.
const LAST_COPIES: Duration = Duration::from_secs(2);

/// What a checkpoint follows at once: which keys sign, and who may open the database. Commands change both, beside a server that is not
/// told what, or while none runs.
const VOUCHED_AT_ONCE: [Kind; 3] = [Kind::KeyRotated, Kind::MasterKeyAdded, Kind::MasterKeyDropped];

/// Why nothing is sealed: what comes next would take the place of what was there.
const WENT_BACK: &str = "the audit log ends before where it ended, or its end is another: somebody changed the database, or it lost \
     what it had confirmed; `ostiary audit verify` says more";

/// Seals.
#[derive(Debug)]
pub struct Sealer {
    db: Db,
    clock: Clock,
    key: Arc<EvidenceKey>,
    interval: Seconds,
    copies: Copies,
    /// Where the chain ended when this was last looked at.
    seen: Option<Head>,
    standing_back: u32,
    /// Entries that go into the next transaction.
    batch: Batch,
    newest: Option<Stored>,
    keys_changed: Arc<AtomicBool>,
}

impl Sealer {
    pub fn new(db: &Db, clock: &Clock, key: Arc<EvidenceKey>, config: &AuditConfig) -> Self {
        let keys_changed = Arc::new(AtomicBool::new(false));
        db.subscribe({
            let keys_changed = Arc::clone(&keys_changed);
            move |change| {
                if *change == Change::Keys {
                    keys_changed.store(true, Ordering::Relaxed);
                }
            }
        });
        Self {
            db: db.clone(),
            clock: clock.clone(),
            key,
            interval: Seconds(config.checkpoint_interval),
            copies: Copies::new(config, clock),
            seen: None,
            standing_back: 0,
            batch: BATCH,
            newest: None,
            keys_changed,
        }
    }

    /// Seals until `shutdown` resolves, then what is left.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = ticks.tick() => {}
            }
            let outcome = if self.stands_back() { Ok(()) } else { self.round().await };
            job_ran("sealer", self.clock.now(), &outcome);
            match outcome {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the audit log can't be sealed now; what happens is recorded all the same, and sealed later");
                }
                Err(_) => {}
            }
        }
        match timeout(LAST_ROUND, self.finish()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the last entries of the audit log were not sealed; the next server to start does it");
            }
            Err(_) => {
                tracing::warn!("the last entries of the audit log were not sealed in time; the next server to start does it");
            }
        }
        if timeout(LAST_COPIES, self.copies.written()).await.is_err() {
            tracing::warn!("the last checkpoints of the audit log were not copied in time: they are in the database alone");
        }
    }

    fn stands_back(&mut self) -> bool {
        self.standing_back = self.standing_back.saturating_sub(1);
        self.standing_back > 0
    }

    /// Seals everything that waits, and makes a checkpoint if one is due.
    pub async fn round(&mut self) -> Result<(), Error> {
        let head = self.seal_all().await?;
        self.vouch(head, None).await
    }

    /// The same, with a checkpoint of all of it.
    pub async fn finish(&mut self) -> Result<(), Error> {
        let head = self.seal_all().await?;
        self.vouch(head, Some(Occasion::Shutdown)).await
    }

    async fn seal_all(&mut self) -> Result<Head, Error> {
        loop {
            let (head, waiting) = self.look().await?;
            if waiting.is_empty() {
                return Ok(head);
            }
            let (next, seals) = self.seals(head, &waiting);
            let begun = Instant::now();
            let appended = self.db.write(async |tx| chain::append(tx, head, next, &waiting, &seals).await).await;
            self.batch.took(begun.elapsed());
            match appended {
                Ok(true) => {
                    self.seen = Some(next);
                    if waiting.iter().any(|row| VOUCHED_AT_ONCE.iter().any(|kind| kind.as_str() == row.kind)) {
                        self.keys_changed.store(true, Ordering::Relaxed);
                    }
                }
                // Another node was quicker.
                Ok(false) => {
                    self.standing_back = STAND_BACK;
                    return Ok(head);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The end of the chain, and what waits to come after it.
    async fn look(&mut self) -> Result<(Head, Vec<Row>), Error> {
        // First the checkpoint: another node may make one of what comes after the end that is found.
        let newest = match self.seen {
            None => chain::last_checkpoint(&mut self.db.read().await?).await?,
            Some(_) => None,
        };
        let found = chain::head(&mut self.db.read().await?).await?;
        let head = found.unwrap_or(Head::BEGINNING);
        let goes_on = match self.seen {
            None => self.is_the_end(head, newest.as_ref()).await?,
            Some(seen) => head == seen || head.sequence > seen.sequence,
        };
        if !goes_on {
            return Err(Error::other(WENT_BACK));
        }
        if found.is_none() {
            self.db.write(async |tx| chain::begin(tx).await).await?;
        }
        if self.seen.is_none()
            && let Some(newest) = &newest
        {
            // The server before may have ended before it copied this one, or made one that was due.
            self.copies.add(&newest.signed);
            if self.keys_changed_after(newest).await? {
                self.keys_changed.store(true, Ordering::Relaxed);
            }
        }
        if self.seen.replace(head).is_some_and(|seen| seen != head) {
            self.standing_back = STAND_BACK;
        }
        let waiting = chain::pending(&mut self.db.read().await?, self.batch.rows()).await?;
        Ok((head, waiting))
    }

    /// Whether something came after the checkpoint that one follows at once.
    async fn keys_changed_after(&self, newest: &Stored) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        for kind in VOUCHED_AT_ONCE {
            let filter = AuditFilter { kind: Some(kind.as_str().to_owned()), ..AuditFilter::default() };
            if !chain::entries(&mut conn, newest.sequence + 1, &filter, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the chain may go on after `head`: nothing that the newest checkpoint vouches for is gone, and the last entry, unless it was
    /// deleted for its age, is the one that the head says.
    async fn is_the_end(&self, head: Head, newest: Option<&Stored>) -> Result<bool, Error> {
        if let Some(newest) = newest {
            let Some(checkpoint) = self.key.checkpoint(&newest.signed) else { return Ok(false) };
            let other = checkpoint.sequence == head.sequence && checkpoint.seal != encode(&head.seal);
            if checkpoint.sequence > head.sequence || other {
                return Ok(false);
            }
        }
        let last = chain::entries(&mut self.db.read().await?, head.sequence, &AuditFilter::default(), 1).await?;
        Ok(last.first().is_none_or(|last| last.sequence != head.sequence || last.seal == head.seal))
    }

    fn seals(&self, head: Head, rows: &[Row]) -> (Head, Vec<[u8; 32]>) {
        let mut end = head;
        let seals = rows.iter().map(|row| {
            let sequence = end.sequence + 1;
            end = Head { sequence, seal: self.key.seal(&end.seal, sequence, row) };
            end.seal
        });
        let seals = seals.collect();
        (end, seals)
    }

    /// Makes a checkpoint if there is a reason: none was made yet, time has passed or keys have changed since the last, or `occasion`.
    async fn vouch(&mut self, head: Head, occasion: Option<Occasion>) -> Result<(), Error> {
        let now = self.clock.now();
        if self.newest.is_none() {
            self.newest = chain::last_checkpoint(&mut self.db.read().await?).await?;
        }
        let Some(occasion) = self.due(head, now, occasion) else { return Ok(()) };
        // Another node may have made some since.
        self.newest = chain::last_checkpoint(&mut self.db.read().await?).await?;
        let Some(occasion) = self.due(head, now, Some(occasion)) else { return Ok(()) };
        let number = self.newest.as_ref().map_or(1, |newest| newest.number + 1);
        let checkpoint = Checkpoint {
            number,
            sequence: head.sequence,
            seal: encode(&head.seal),
            iat: now.as_seconds(),
            occasion,
            previous: self.newest.as_ref().map(|newest| digest(&newest.signed)),
        };
        let Ok(signed) = self.key.sign(&checkpoint).inspect_err(|error| tracing::error!(%error, "a checkpoint was not signed"))
        else {
            return Ok(());
        };
        let stored = Stored { number, sequence: head.sequence, made_at: now, signed };
        match self.db.write(async |tx| chain::insert_checkpoint(tx, &stored).await).await {
            Ok(()) => {
                self.keys_changed.store(false, Ordering::Relaxed);
                self.copies.add(&stored.signed);
                self.newest = Some(stored);
                Ok(())
            }
            // Another node has just made one.
            Err(Error::Conflict) => {
                self.newest = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn due(&self, head: Head, now: Timestamp, occasion: Option<Occasion>) -> Option<Occasion> {
        let Some(newest) = &self.newest else { return Some(Occasion::Beginning) };
        if head.sequence <= newest.sequence {
            return None;
        }
        let by_keys = self.keys_changed.load(Ordering::Relaxed).then_some(Occasion::Keys);
        let by_time = (now >= newest.made_at + self.interval).then_some(Occasion::Interval);
        occasion.or(by_keys).or(by_time)
    }
}
