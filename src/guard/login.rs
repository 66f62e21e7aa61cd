//! An attempt to log in with a password: what it is counted as before anything is hashed, and what becomes of it.
//!
//! An attempt counts as a failure until it is known to be none, so that a thousand that come at once are a thousand. Strangers
//! are counted by account wherever they come from; a browser in which the owner logged in before has a bucket of its own, so
//! nothing that strangers do keeps the owner out. Nothing here depends on whether there is such an account.

use std::net::IpAddr;
use std::time::Duration;

use super::buckets::Bucket;
use super::device::Device;
use super::failures::{Counter, DEVICE_LIMIT};
use super::gcra::Decision;
use super::network::Sender;
use super::{Guard, delay, seconds};
use crate::config::{Config, Rate};
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::error::Error;
use crate::storage::login_failures::{self, Kind, LoginFailures};
use crate::storage::users::User;

/// Who tries.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub address: IpAddr,
    /// The canonical form of the name, or what was typed when it has none.
    pub name: &'a str,
    /// Whose name it is.
    pub user: Option<&'a User>,
    /// Of the browser's cookie.
    pub device: Option<&'a Device>,
    /// [`Guard::admit`] asked for a proof of work.
    pub challenged: bool,
    /// It was given.
    pub proved: bool,
    pub now: Timestamp,
}

/// Whether the password is looked at.
#[derive(Debug)]
#[must_use]
pub enum Entry {
    /// It is. Say what came of it: [`Guard::failed`] or [`Guard::succeeded`].
    Open(Ticket),
    /// Not without a proof of work.
    Challenge,
    /// Not from this address before that.
    Refused { retry_after: Seconds },
    /// Too many are waiting.
    Overloaded,
}

/// An attempt that is under way.
#[derive(Debug)]
pub struct Ticket {
    counted: Counted,
    user_id: Option<UserId>,
    account: [u8; 32],
    address: IpAddr,
    locked: bool,
    /// There may be something in the database to forget after a success.
    stored: bool,
    begun_at: Timestamp,
}

/// What the attempt was counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Account,
    Device([u8; 32]),
}

impl Ticket {
    /// Whether a right password opens the door. It is hashed all the same when it doesn't: the answer must not tell.
    pub const fn opens(&self) -> bool {
        !self.locked
    }
}

/// Buckets that are not in the table, because what they do is not the same for everybody.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoginRates {
    pub pair: Rate,
    pub account: Rate,
    pub device: Rate,
    pub accounts: Rate,
    pub waits: Rate,
    pub block: Seconds,
}

impl LoginRates {
    pub(super) fn new(config: &Config) -> Self {
        let rates = &config.rates;
        Self {
            pair: rates.login_pair,
            account: rates.login_account,
            device: rates.login_device,
            accounts: rates.login_accounts,
            waits: rates.waits,
            block: Seconds::hours(config.limits.block_hours.into()),
        }
    }
}

impl Guard {
    /// Counts an attempt, makes it wait if it has to, and says whether its password is looked at.
    pub async fn login(&self, attempt: &Attempt<'_>) -> Result<Entry, Error> {
        let Attempt { address, user, now, .. } = *attempt;
        let account = self.account_key(user.map(|user| &user.id), attempt.name);
        let mut ticket = Ticket {
            counted: Counted::Account,
            user_id: user.map(|user| user.id.clone()),
            account,
            address,
            locked: false,
            stored: false,
            begun_at: now,
        };
        if !self.enabled {
            return Ok(Entry::Open(ticket));
        }
        let device_key = self.device_key(attempt);
        let blocked_key = self.address_key(address);
        let rows = {
            let mut conn = self.failures.db().read().await?;
            login_failures::load(&mut conn, [&account, &device_key.unwrap_or_default(), &blocked_key]).await?
        };
        let row = |key: &[u8; 32]| rows.iter().find(|row| row.key == *key);
        if let Some(until) = row(&blocked_key).filter(|row| row.is_locked(now)).and_then(|row| row.locked_until) {
            return Ok(Entry::Refused { retry_after: seconds(until.as_micros() - now.as_micros()) });
        }
        let is_known = |key: &[u8; 32]| {
            let written = row(key);
            let failed = written.map_or(0, |row| row.consecutive) + self.failures.count_of(key);
            failed < DEVICE_LIMIT && written.is_none_or(|row| !row.is_locked(now))
        };
        if let Some(key) = device_key.filter(is_known)
            && self.take_one(Bucket::of("login_device", &key), self.login.device, now).await.is_allowed()
        {
            self.count(&ticket, key, Kind::Device, now);
            ticket.counted = Counted::Device(key);
            ticket.stored = row(&key).is_some() || row(&account).is_some();
            return Ok(Entry::Open(ticket));
        }
        self.stranger(attempt, ticket, row(&account)).await
    }

    async fn stranger(&self, attempt: &Attempt<'_>, mut ticket: Ticket, row: Option<&LoginFailures>) -> Result<Entry, Error> {
        let Attempt { address, now, .. } = *attempt;
        let class = self.networks.class(address);
        let bucket = Bucket::of("login_account", &ticket.account);
        let tried = self.level(bucket, self.login.account, now);
        let needs_proof = attempt.challenged || tried >= self.login.account.burst() || self.surge.is_on(now);
        if needs_proof && !attempt.proved {
            return Ok(Entry::Challenge);
        }
        let pair = Bucket::of("login_pair", &ticket.account).at(Sender::of(address).bytes());
        if let Decision::Refused { retry_after } = self.take_one(pair, class.adapt(self.login.pair), now).await {
            return Ok(Entry::Refused { retry_after: seconds(retry_after) });
        }
        let level = self.count_one(bucket, self.login.account, now).await;
        let waiting = self.count(&ticket, ticket.account, Kind::Account, now);
        let consecutive = row.map_or(0, |row| row.consecutive) + waiting;
        let row_locked = row.is_some_and(|row| row.is_locked(now));
        ticket.locked = row_locked || consecutive > self.failures.limit(Kind::Account);
        ticket.stored = row.is_some();
        match self.waiting_room.wait(delay::after(level)).await {
            Ok(()) => Ok(Entry::Open(ticket)),
            Err(delay::NoSeat) => Ok(Entry::Overloaded),
        }
    }

    /// The password was wrong, or opened nothing.
    pub async fn failed(&self, ticket: &Ticket) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        let now = ticket.begun_at;
        self.surge.record(false, now);
        if ticket.counted != Counted::Account {
            return Ok(());
        }
        // Each account counts once for an address, for as long as the address is watched.
        let sender = Sender::of(ticket.address);
        let seen = Bucket::of("login_seen", &ticket.account).at(sender.bytes());
        let window = Rate::per(1, window(self.login.accounts));
        if !self.take_one(seen, window, now).await.is_allowed() {
            return Ok(());
        }
        let bucket = Bucket::of("login_accounts", b"").at(sender.bytes());
        let rate = self.networks.class(ticket.address).adapt(self.login.accounts);
        if self.take_one(bucket, rate, now).await.is_allowed() {
            return Ok(());
        }
        self.block(sender, now).await
    }

    /// The password was right. Strangers' failures at the account are forgotten when a stranger turned out to be the owner.
    pub async fn succeeded(&self, ticket: &Ticket) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        self.surge.record(true, ticket.begun_at);
        self.failures.forget(&ticket.account);
        match ticket.counted {
            Counted::Account => self.refill(Bucket::of("login_account", &ticket.account)).await,
            Counted::Device(key) => {
                self.failures.forget(&key);
                self.refill(Bucket::of("login_device", &key)).await;
            }
        }
        if ticket.stored || self.delayed(ticket) {
            self.failures.db().write(async |tx| ticket.forget(tx).await).await?;
        }
        Ok(())
    }

    /// So long ago that its own count may have been written.
    fn delayed(&self, ticket: &Ticket) -> bool {
        self.clock.now() >= ticket.begun_at + Seconds(1)
    }

    /// Lets an account in again from anywhere, as far as this node's memory goes: after its rows were cleared.
    pub async fn forgive(&self, user_id: &UserId) {
        let account = self.account_key(Some(user_id), "");
        self.failures.forget(&account);
        self.refill(Bucket::of("login_account", &account)).await;
    }

    /// The same for an address.
    pub async fn forgive_address(&self, address: IpAddr) {
        self.refill(Bucket::of("login_accounts", b"").at(Sender::of(address).bytes())).await;
    }

    fn count(&self, ticket: &Ticket, key: [u8; 32], kind: Kind, now: Timestamp) -> i64 {
        let waiting = self.failures.count(Counter { key, kind, user_id: ticket.user_id.as_ref() }, now);
        self.failures.write_later();
        waiting
    }

    fn device_key(&self, attempt: &Attempt<'_>) -> Option<[u8; 32]> {
        let (device, user) = (attempt.device?, attempt.user?);
        let known = device.knows(user, self.devices.lifetime(), attempt.now);
        known.then(|| self.key(&["device", device.id(), user.id.as_str()]))
    }
}

impl Ticket {
    async fn forget(&self, tx: &mut crate::storage::db::Tx) -> Result<(), Error> {
        if let Counted::Device(key) = &self.counted {
            login_failures::forget(tx, key, true).await?;
        }
        // A lock stays: the owner came in by a known device, and strangers stay out.
        login_failures::forget(tx, &self.account, self.counted == Counted::Account).await
    }
}

/// How long a bucket takes to fill, in seconds.
fn window(rate: Rate) -> u32 {
    let micros = rate.interval().saturating_mul(rate.burst().into());
    u32::try_from(Duration::from_micros(micros).as_secs()).unwrap_or(u32::MAX).max(1)
}
