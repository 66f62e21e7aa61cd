//! Protection against abuse: what may be done how often, by whom, and what happens beyond.
//!
//! The [table](limit::LIMITS) says what is limited; buckets are counted by the [generic cell rate algorithm](gcra), in
//! [memory](table). Nothing here tells a caller about somebody else's account: an answer of 429 comes from what the caller's
//! own address, client or session did.

pub mod gcra;
pub mod limit;
pub mod network;
pub mod table;

use std::net::IpAddr;

use self::gcra::Decision;
use self::limit::{Action, Excess, Key, LIMITS, Limit};
use self::network::{Class, Networks, Sender, Site, UnusableList};
use self::table::Table;
use crate::config::{Config, Rate};
use crate::protocol::time::{Seconds, Timestamp};

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

/// Who is about to do something: whatever the rows of the action count by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    address: IpAddr,
    account: Option<&'a str>,
    client: Option<&'a str>,
    session: Option<&'a str>,
    mail_domain: Option<&'a str>,
    token: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub const fn new(address: IpAddr) -> Self {
        Self { address, account: None, client: None, session: None, mail_domain: None, token: None }
    }

    /// The person's id, or the canonical name that was typed where nobody has it.
    #[must_use]
    pub const fn account(self, account: &'a str) -> Self {
        Self { account: Some(account), ..self }
    }

    /// The client's identifier, as it was presented.
    #[must_use]
    pub const fn client(self, client: &'a str) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Whatever names the login under way.
    #[must_use]
    pub const fn session(self, session: &'a str) -> Self {
        Self { session: Some(session), ..self }
    }

    /// In lower case.
    #[must_use]
    pub const fn mail_domain(self, domain: &'a str) -> Self {
        Self { mail_domain: Some(domain), ..self }
    }

    /// An access token, or a session's secret.
    #[must_use]
    pub const fn token(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// What a row counts by. Who leaves a part out shares one bucket with all who do.
    fn part(&self, key: Key) -> &'a str {
        let part = match key {
            Key::Address => Some(""),
            Key::Account => self.account,
            Key::Client | Key::ClientAndAddress => self.client,
            Key::Session => self.session,
            Key::MailDomain => self.mail_domain,
            Key::Token => self.token,
        };
        debug_assert!(part.is_some(), "the subject has no {key:?}");
        part.unwrap_or_default()
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

/// The guard of this node.
#[derive(Debug)]
pub struct Guard {
    enabled: bool,
    /// Of each row of the table, in its order.
    rates: Vec<Rate>,
    networks: Networks,
    table: Table,
}

/// The name of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bucket<'a> {
    row: &'static str,
    network: [u8; 16],
    text: &'a str,
}

impl Guard {
    pub fn new(config: &Config) -> Result<Self, UnusableList> {
        Ok(Self {
            enabled: config.limits.enabled,
            rates: LIMITS.iter().map(|limit| (limit.rate)(&config.rates)).collect(),
            networks: Networks::new(&config.limits)?,
            table: Table::new(config.limits.max_buckets),
        })
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
            let standing = self.take(limit, rate, subject, now).await;
            verdict = verdict.and(self.judge(limit, standing.decision, subject));
            if tightest.is_none_or(|before: Standing| rank(standing.decision) < rank(before.decision)) {
                tightest = Some(standing);
            }
        }
        (verdict, tightest)
    }

    /// What [`Guard::admit`] would say, as far as this node knows. Nothing is counted: for what is counted only when it fails.
    pub fn look(&self, action: Action, subject: &Subject<'_>, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::Allowed;
        if self.enabled {
            for (limit, rate) in rows(action, &self.rates) {
                for (bucket, rate) in self.buckets(limit, rate, subject).into_iter().flatten() {
                    let decision = self.table.look(self.table.key(bucket), rate, now.as_micros());
                    verdict = verdict.and(self.judge(limit, decision, subject));
                }
            }
        }
        verdict
    }

    async fn take(&self, limit: &Limit, rate: Rate, subject: &Subject<'_>, now: Timestamp) -> Standing {
        let mut standing = Standing { name: limit.name, rate, decision: Decision::Allowed { full_at: 0, remaining: u32::MAX } };
        for (bucket, rate) in self.buckets(limit, rate, subject).into_iter().flatten() {
            let decision = self.take_one(bucket, rate, now).await;
            if rank(decision) < rank(standing.decision) {
                standing = Standing { rate, decision, ..standing };
            }
            if !decision.is_allowed() {
                // What one sender is refused is not taken from its neighbours' share.
                break;
            }
        }
        standing
    }

    #[expect(clippy::unused_async, reason = "nodes that count together ask each other")]
    async fn take_one(&self, bucket: Bucket<'_>, rate: Rate, now: Timestamp) -> Decision {
        self.table.take(self.table.key(bucket), rate, now.as_micros())
    }

    /// The buckets of a row: one, or for an IPv6 address its own and its site's.
    fn buckets<'a>(&self, limit: &Limit, rate: Rate, subject: &Subject<'a>) -> [Option<(Bucket<'a>, Rate)>; 2] {
        let text = subject.part(limit.key);
        if !matches!(limit.key, Key::Address | Key::ClientAndAddress) {
            return [Some((Bucket { row: limit.name, network: [0; 16], text }, rate)), None];
        }
        let rate = self.networks.class(subject.address).adapt(rate);
        let sender = Sender::of(subject.address);
        let own = Bucket { row: limit.name, network: sender.bytes(), text };
        // The last byte of a /64 is 0: no sender is its site.
        let site = sender.site().map(|site| {
            let mut network = site.bytes();
            network[15] = 48;
            (Bucket { network, ..own }, Site::adapt(rate))
        });
        [Some((own, rate)), site]
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
