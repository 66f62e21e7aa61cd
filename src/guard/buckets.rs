//! Asking one bucket: in memory first, and with the other nodes where there is a Redis.
//!
//! What this node alone would refuse never reaches Redis, and what Redis says is noted here: so a flood costs one look at
//! memory, and an emptied Redis forgets nothing that this node has seen.

use std::net::IpAddr;

use super::gcra::{self, Decision};
use super::network::Network;
use super::shared::Mode;
use super::{Guard, rank};
use crate::config::Rate;
use crate::protocol::time::Timestamp;

/// The name of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket<'a> {
    /// The rate's name.
    pub row: &'static str,
    /// The sender or the site, where it counts.
    pub network: [u8; 16],
    pub text: &'a [u8],
}

impl<'a> Bucket<'a> {
    pub const fn of(row: &'static str, text: &'a [u8]) -> Self {
        Self { row, network: [0; 16], text }
    }

    /// That of one sender, or of a site.
    #[must_use]
    pub const fn at(self, network: [u8; 16]) -> Self {
        Self { network, ..self }
    }
}

/// What one thing is counted by: one bucket, or that of a sender and that of the site around it.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a>([Option<(Bucket<'a>, Rate)>; 2]);

impl<'a> Counted<'a> {
    pub const fn one(bucket: Bucket<'a>, rate: Rate) -> Self {
        Self([Some((bucket, rate)), None])
    }
}

impl<'a> IntoIterator for Counted<'a> {
    type Item = (Bucket<'a>, Rate);
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Self::Item>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// Sets a node's share of a bucket apart from the whole, while nodes can't count together.
const fn share_of(bucket: Bucket<'_>) -> (&'static str, Bucket<'_>) {
    ("share", bucket)
}

impl Guard {
    /// What an address is counted by: a bucket for each of its networks, as large as their class allows.
    pub(super) fn at_address<'a>(&self, bucket: Bucket<'a>, rate: Rate, address: IpAddr) -> Counted<'a> {
        let rate = self.networks.class(address).adapt(rate);
        let mut networks = Network::around(address).map(|network| (bucket.at(network.bytes()), network.adapt(rate)));
        Counted([networks.next(), networks.next()])
    }

    /// Takes one out of each bucket until one refuses: what one sender is refused is not taken from its neighbours' share. The
    /// decision that left the least, and the rate of its bucket.
    pub(super) async fn take_each(&self, buckets: Counted<'_>, now: Timestamp) -> (Decision, Rate) {
        let mut tightest = (Decision::Allowed { full_at: 0, remaining: u32::MAX }, Rate::per(1, 1));
        for (bucket, rate) in buckets {
            let decision = self.take_one(bucket, rate, now).await;
            if rank(decision) < rank(tightest.0) {
                tightest = (decision, rate);
            }
            if !decision.is_allowed() {
                break;
            }
        }
        tightest
    }

    /// Takes one out of a bucket.
    pub(super) async fn take_one(&self, bucket: Bucket<'_>, rate: Rate, now: Timestamp) -> Decision {
        let (key, micros) = (self.table.key(bucket), now.as_micros());
        let own = self.table.take(key, rate, micros);
        let Some(shared) = self.shared.as_ref().filter(|_| own.is_allowed()) else { return own };
        let Some(answer) = shared.ask(bucket, rate, Mode::Take).await else {
            return self.table.take(self.table.key(share_of(bucket)), rate.share(self.nodes), micros);
        };
        let decision = gcra::take(Some(answer.before), 0, rate);
        self.table.note(key, rate, micros.saturating_add(answer.after.unwrap_or(answer.before)), micros);
        decision
    }

    /// Adds one to what has been taken, and says how much that is. Counted up to twice what the bucket holds.
    pub(super) async fn count_one(&self, bucket: Bucket<'_>, rate: Rate, now: Timestamp) -> u32 {
        let (key, micros) = (self.table.key(bucket), now.as_micros());
        let own = self.table.count(key, rate, rate.burst().saturating_mul(2), micros);
        let Some(shared) = &self.shared else { return own };
        match shared.ask(bucket, rate, Mode::Count).await.and_then(|answer| answer.after) {
            Some(after) => {
                self.table.note(key, rate, micros.saturating_add(after), micros);
                own.max(gcra::taken(after, 0, rate))
            }
            None => own,
        }
    }

    /// How much has been taken, as far as this node knows.
    pub(super) fn level(&self, bucket: Bucket<'_>, rate: Rate, now: Timestamp) -> u32 {
        self.table.level(self.table.key(bucket), rate, now.as_micros())
    }

    /// Makes a bucket full.
    pub(super) async fn refill(&self, bucket: Bucket<'_>) {
        self.table.refill(self.table.key(bucket));
        self.table.refill(self.table.key(share_of(bucket)));
        if let Some(shared) = &self.shared {
            shared.refill(bucket).await;
        }
    }
}
