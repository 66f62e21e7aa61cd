//! Protection against abuse: what may be done how often, by whom, and what happens beyond.
//!
//! The [table](limit::LIMITS) says what is limited; buckets are counted by the [generic cell rate algorithm](gcra), in
//! [memory](table). Nothing here tells a caller about somebody else's account: an answer of 429 comes from what the caller's
//! own address, client or session did.

mod attempt;
pub mod buckets;
mod delay;
pub mod device;
mod failures;
pub mod gcra;
pub mod limit;
mod lockout;
pub mod login;
pub mod network;
pub mod proof_of_work;
pub mod shared;
mod subject;
mod surge;
pub mod table;

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use self::buckets::{Bucket, Counted};
use self::delay::WaitingRoom;
use self::device::{Device, Devices};
use self::failures::Failures;
use self::gcra::Decision;
use self::limit::{Action, Excess, LIMITS, Limit};
use self::login::LoginRates;
use self::network::{Class, Network, Networks, ProxyWatch, Sender, UnusableList};
use self::proof_of_work::ProofOfWork;
use self::shared::{Shared, UnusableRedis};
pub use self::subject::Subject;
use self::surge::Surge;
use self::table::Table;
use crate::clock::Clock;
use crate::config::{Config, Rate};
use crate::keys::root::Root;
use crate::outbound::mail::Outbox;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::mail_counts::Quota;
use crate::storage::spent;
use crate::telemetry::metrics::LIMITED;

/// The answer to whoever is about to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Allowed,
    /// Only with a proof of work.
    Challenge,
    /// Not before this long.
    Refused {
        retry_after: Seconds,
    },
}

impl Verdict {
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// The stricter of the two.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused { retry_after: one }, Self::Refused { retry_after: other }) => {
                Self::Refused { retry_after: one.max(other) }
            }
            (Self::Refused { .. }, _) | (Self::Challenge, Self::Allowed) => self,
            _ => other,
        }
    }
}

/// How one bucket stands after it was asked: for the fields `RateLimit` and `RateLimit-Policy`.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The policy's name.
    pub name: &'static str,
    pub rate: Rate,
    pub decision: Decision,
}

/// The configuration of the guard can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error(transparent)]
    List(#[from] UnusableList),
    #[error(transparent)]
    Redis(#[from] UnusableRedis),
}

/// The guard of this node.
#[derive(Debug)]
pub struct Guard {
    enabled: bool,
    clock: Clock,
    /// Of each row of the table, in its order.
    rates: Vec<Rate>,
    login: LoginRates,
    mailbox: Quota,
    networks: Networks,
    proxy: ProxyWatch,
    table: Table,
    shared: Option<Shared>,
    /// How many nodes share the rates when they can't count together.
    nodes: u32,
    /// Names what is counted in the database.
    keys: hmac::Key,
    failures: Arc<Failures>,
    waiting_room: WaitingRoom,
    surge: Surge,
    devices: Devices,
    proof_of_work: ProofOfWork,
}

impl Guard {
    pub fn new(config: &Config, root: &Root, db: &Db, clock: &Clock) -> Result<Self, Unusable> {
        let (limits, rates) = (&config.limits, &config.rates);
        let outbox = Outbox::new(root, &config.mail);
        Ok(Self {
            enabled: limits.enabled,
            clock: clock.clone(),
            rates: LIMITS.iter().map(|limit| (limit.rate)(rates)).collect(),
            login: LoginRates::new(config),
            mailbox: lockout::quota(rates.mailbox_hourly, rates.mailbox_daily),
            networks: Networks::new(limits)?,
            proxy: ProxyWatch::new(config),
            table: Table::new(limits.max_buckets),
            shared: Shared::new(&config.redis, &root.derive("guard/buckets"))?,
            nodes: config.redis.expected_nodes,
            keys: hmac::Key::new(HMAC_SHA256, root.derive("guard/keys").as_slice()),
            failures: Arc::new(Failures::new(db.clone(), clock.clone(), outbox, limits.lock_after)),
            waiting_room: WaitingRoom::new(limits.max_delayed, clock.clone()),
            surge: Surge::default(),
            devices: Devices::new(&root.derive("seal/device"), Seconds::days(limits.device_days.into())),
            proof_of_work: ProofOfWork::new(&root.derive("guard/proof-of-work"), limits.proof_of_work_bits),
        })
    }

    /// Connects to Redis, where one is configured, so that the first requests are counted with those of the other nodes.
    pub async fn connect(&self) {
        if let Some(shared) = &self.shared {
            shared.connect().await;
        }
    }

    /// Sends away whoever waits: the server is on its way out.
    pub fn close(&self) {
        self.waiting_room.close();
    }

    /// Writes down what failed up to now.
    pub async fn write_failures(&self) -> Result<(), Error> {
        self.failures.write().await
    }

    /// The browser of a device cookie.
    pub fn device(&self, cookie: &str) -> Option<Device> {
        self.devices.open(cookie)
    }

    /// The device cookie for a browser in which this person logged in just now, and how long it lives.
    pub fn remember(&self, device: Option<Device>, user_id: &UserId, now: Timestamp) -> (String, Seconds) {
        (self.devices.remember(device, user_id, now), self.devices.lifetime())
    }

    /// A proof of work to ask for.
    pub fn challenge(&self, action: Action, address: IpAddr, now: Timestamp) -> String {
        self.proof_of_work.challenge(action, Sender::of(address), now)
    }

    /// Whether a proof of work will be asked for, so that the page can begin with it at once.
    pub fn expects_proof(&self, action: Action, address: IpAddr, now: Timestamp) -> bool {
        let subject = Subject::new(address).mail_domain("");
        self.enabled && (self.look(action, &subject, now) != Verdict::Allowed || self.surge.is_on(now))
    }

    /// Takes a proof of work: `true` once. Without a solution the challenge has to have been waited for, which few may do
    /// from one address.
    pub async fn redeem(
        &self,
        action: Action,
        address: IpAddr,
        (challenge, solution): (&str, &str),
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sender = Sender::of(address);
        let Some(done) = self.proof_of_work.check(action, sender, challenge, solution, now) else { return Ok(false) };
        if done.waited {
            let networks = Network::around(address).map(|network| (network.bytes(), network.adapt(self.login.waits)));
            for (bytes, rate) in networks {
                if !self.take_one(Bucket::of("waits", b"").at(bytes), rate, now).await.is_allowed() {
                    return Ok(false);
                }
            }
        }
        self.failures.db().write(async |tx| spent::spend(tx, &done.hash, done.expires_at, now).await).await
    }

    /// Counts what somebody is about to do, and says whether they may. Ask before the work that is to be limited.
    pub async fn admit(&self, action: Action, subject: &Subject<'_>, now: Timestamp) -> Verdict {
        self.standing(action, subject, now).await.0
    }

    /// The same, and how the bucket stands that has the least left.
    pub async fn standing(&self, action: Action, subject: &Subject<'_>, now: Timestamp) -> (Verdict, Option<Standing>) {
        let (mut verdict, mut tightest) = (Verdict::Allowed, None);
        if !self.enabled {
            return (verdict, tightest);
        }
        for (limit, rate) in rows(action, &self.rates) {
            let (decision, rate) = self.take_each(self.buckets(limit, rate, subject), now).await;
            let standing = Standing { name: limit.name, rate, decision };
            verdict = verdict.and(self.judged(limit, decision, subject));
            if tightest.is_none_or(|before: Standing| rank(decision) < rank(before.decision)) {
                tightest = Some(standing);
            }
            if matches!(verdict, Verdict::Refused { .. }) {
                limit.note(rate);
                // What is not looked at is not taken from the rows that follow: nobody uses up what is somebody else's too.
                break;
            }
        }
        (verdict, tightest)
    }

    /// What [`Guard::admit`] would say, as far as this node knows. Nothing is counted: for what is counted only when it fails.
    pub fn look(&self, action: Action, subject: &Subject<'_>, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::Allowed;
        if self.enabled {
            for (limit, rate) in rows(action, &self.rates) {
                for (bucket, rate) in self.buckets(limit, rate, subject) {
                    let decision = self.table.look(self.table.key(bucket), rate, now.as_micros());
                    verdict = verdict.and(self.judge(limit, decision, subject));
                    if matches!(verdict, Verdict::Refused { .. }) {
                        limit.note(rate);
                    }
                }
            }
        }
        verdict
    }

    /// How long somebody has to wait who was just refused.
    pub fn wait(&self, action: Action, subject: &Subject<'_>, now: Timestamp) -> Seconds {
        match self.look(action, subject, now) {
            Verdict::Refused { retry_after } => retry_after,
            // There is room again already.
            Verdict::Allowed | Verdict::Challenge => Seconds(1),
        }
    }

    /// The buckets of a row.
    fn buckets<'a>(&self, limit: &Limit, rate: Rate, subject: &Subject<'a>) -> Counted<'a> {
        let bucket = Bucket::of(limit.name, subject.part(limit.key));
        if !limit.key.is_of_an_address() {
            return Counted::one(bucket, rate);
        }
        self.proxy.note(subject.address);
        self.at_address(bucket, rate, subject.address)
    }

    /// The same, of what was counted.
    fn judged(&self, limit: &Limit, decision: Decision, subject: &Subject<'_>) -> Verdict {
        let verdict = self.judge(limit, decision, subject);
        match verdict {
            Verdict::Allowed => {}
            Verdict::Challenge => LIMITED.count(limit.name, "challenge"),
            Verdict::Refused { .. } => LIMITED.count(limit.name, "refused"),
        }
        verdict
    }

    /// Whether nodes count together just now; `None` where they are not meant to.
    pub fn is_shared(&self) -> Option<bool> {
        self.shared.as_ref().map(Shared::is_connected)
    }

    fn judge(&self, limit: &Limit, decision: Decision, subject: &Subject<'_>) -> Verdict {
        let challenges = limit.excess == Excess::Challenge;
        match decision {
            Decision::Allowed { .. } if challenges && self.networks.class(subject.address) == Class::Datacentre => {
                Verdict::Challenge
            }
            Decision::Allowed { .. } => Verdict::Allowed,
            Decision::Refused { .. } if challenges => Verdict::Challenge,
            Decision::Refused { retry_after } => Verdict::Refused { retry_after: seconds(retry_after) },
        }
    }
}

fn rows(action: Action, rates: &[Rate]) -> impl Iterator<Item = (&'static Limit, Rate)> {
    LIMITS.iter().zip(rates.iter().copied()).filter(move |(limit, _)| limit.action == action)
}

/// The less is left, the less.
const fn rank(decision: Decision) -> i64 {
    match decision {
        Decision::Allowed { remaining, .. } => remaining as i64,
        Decision::Refused { retry_after } => -retry_after,
    }
}

/// Whole seconds, rounded up: who waits them is let in.
fn seconds(micros: i64) -> Seconds {
    Seconds(micros.saturating_add(999_999) / 1_000_000)
}

#[cfg(test)]
mod tests;
