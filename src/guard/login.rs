//! An attempt to log in with a password: what it is counted as before anything is hashed, and what becomes of it.
//!
//! An attempt counts as a failure until it is known to be none, so that a thousand that come at once are a thousand. A browser
//! in which the owner logged in before has a bucket of its own, so nothing that strangers do keeps the owner out.
//!
//! Strangers are counted twice. By the name that they typed, wherever they come from: what follows from that can be seen (a
//! delay, a proof of work, a refusal), and says nothing but how often this name was typed. And by account, whichever of its
//! names was typed: what follows from that can't be seen. The password is then not looked at, and the answer is that to a
//! wrong one; the form that comes back carries a challenge, and who solves it is looked at again. So nothing tells whether
//! there is such an account, or whether two names are one.

use std::time::Duration;

use super::attempt::Counted;
pub use super::attempt::{Attempt, Entry, Ticket};
use super::buckets::Bucket;
use super::device::Device;
use super::failures::{Counter, DEVICE_LIMIT};
use super::gcra::Decision;
use super::limit::Action;
use super::network::Network;
use super::surge::Surge;
use super::{Guard, Subject, Verdict, delay, seconds};
use crate::config::{Config, Rate};
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::error::Error;
use crate::storage::login_failures::{self, Kind, LoginFailures};
use crate::storage::users::User;

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
        let mut ticket = self.ticket(attempt);
        if !self.enabled {
            return Ok(Entry::Open(ticket));
        }
        let now = attempt.now;
        let rows = self.rows(attempt, &ticket).await?;
        if self.is_known(attempt, &mut ticket, &rows).await {
            return Ok(Entry::Open(ticket));
        }
        // An address may be kept out for what others do there; a known device is not.
        let blocked = rows.iter().filter(|row| row.kind == Kind::Address && row.is_locked(now));
        if let Some(until) = blocked.filter_map(|row| row.locked_until).max() {
            return Ok(Entry::Refused { retry_after: seconds(until.as_micros() - now.as_micros()) });
        }
        let level = match self.at_the_door(attempt, &ticket).await {
            Ok(level) => level,
            Err(entry) => return Ok(*entry),
        };
        self.at_the_account(attempt, &mut ticket, &rows).await;
        match self.waiting_room.wait(delay::after(level)).await {
            Ok(()) => Ok(Entry::Open(ticket)),
            Err(delay::NoSeat) => Ok(Entry::Overloaded),
        }
    }

    /// Counts the password that somebody who is logged in types once more. Whoever stole a session has as many tries as a
    /// stranger: they count to the failures that lock the password.
    pub async fn reauthenticate(&self, attempt: &Attempt<'_>) -> Result<Entry, Error> {
        let mut ticket = self.ticket(attempt);
        if !self.enabled {
            return Ok(Entry::Open(ticket));
        }
        let device = attempt.user.and_then(|user| self.known_device(attempt.device, user, attempt.now));
        let id = attempt.user.map_or("", |user| user.id.as_str());
        let subject = Subject::new(attempt.address).account(id).device(device.as_ref());
        if let Verdict::Refused { retry_after } = self.admit(Action::Reauthenticate, &subject, attempt.now).await {
            return Ok(Entry::Refused { retry_after });
        }
        let rows = self.rows(attempt, &ticket).await?;
        if !self.is_known(attempt, &mut ticket, &rows).await {
            self.count_failure(&mut ticket, &rows, attempt.now);
        }
        Ok(Entry::Open(ticket))
    }

    /// What is known of a browser in which this person logged in: the name of its buckets.
    pub fn known_device(&self, device: Option<&Device>, user: &User, now: Timestamp) -> Option<[u8; 32]> {
        let device = device.filter(|device| device.knows(user, self.devices.lifetime(), now))?;
        Some(self.key(&["device", device.id(), user.id.as_str()]))
    }

    fn ticket(&self, attempt: &Attempt<'_>) -> Ticket {
        Ticket {
            counted: Counted::Nothing,
            user_id: attempt.user.map(|user| user.id.clone()),
            name: self.key(&["typed", attempt.name]),
            account: self.account_key(attempt.user.map(|user| &user.id), attempt.name),
            address: attempt.address,
            closed: None,
            stored: false,
            begun_at: attempt.now,
        }
    }

    /// What is written down of the account, the device and the networks: one query, whatever there is.
    async fn rows(&self, attempt: &Attempt<'_>, ticket: &Ticket) -> Result<Vec<LoginFailures>, Error> {
        let device = attempt.user.and_then(|user| self.known_device(attempt.device, user, attempt.now));
        let mut networks = Network::around(attempt.address).map(|network| self.network_key(network));
        let keys = [Some(ticket.account), device, networks.next(), networks.next()].map(Option::unwrap_or_default);
        let mut conn = self.failures.db().read().await?;
        login_failures::load(&mut conn, keys.each_ref()).await
    }

    /// Whether this is a browser in which the person logged in before, and which did not guess since; then it is counted as one.
    async fn is_known(&self, attempt: &Attempt<'_>, ticket: &mut Ticket, rows: &[LoginFailures]) -> bool {
        let Some(key) = attempt.user.and_then(|user| self.known_device(attempt.device, user, attempt.now)) else { return false };
        let written = row(rows, &key);
        let failed = written.map_or(0, |row| row.consecutive) + self.failures.count_of(&key);
        if failed >= DEVICE_LIMIT
            || written.is_some_and(|row| row.is_locked(attempt.now))
            || !self.take_one(Bucket::of("login_device", &key), self.login.device, attempt.now).await.is_allowed()
        {
            return false;
        }
        self.count(ticket, key, Kind::Device, attempt.now);
        ticket.counted = Counted::Device(key);
        ticket.stored = written.is_some() || row(rows, &ticket.account).is_some();
        true
    }

    /// Counts a stranger by what can be seen from outside: the name that was typed, and where from. How often the name was
    /// typed, or the answer that ends it.
    async fn at_the_door(&self, attempt: &Attempt<'_>, ticket: &Ticket) -> Result<u32, Box<Entry>> {
        let (now, rate) = (attempt.now, self.login.account);
        let bucket = Bucket::of("login_name", &ticket.name);
        let is_due = |tried: u32| attempt.challenged || tried > rate.burst() || self.surge.is_on(now);
        if is_due(self.level(bucket, rate, now) + 1) && !attempt.proved {
            return Err(Box::new(Entry::Challenge));
        }
        let pair = self.at_address(Bucket::of("login_pair", &ticket.name), self.login.pair, attempt.address);
        if let Decision::Refused { retry_after } = self.take_each(pair, now).await.0 {
            return Err(Box::new(Entry::Refused { retry_after: seconds(retry_after) }));
        }
        let level = self.count_one(bucket, rate, now).await;
        // Others may have come at the same time.
        if is_due(level) && !attempt.proved { Err(Box::new(Entry::Challenge)) } else { Ok(level) }
    }

    /// Counts a stranger by account, without a sign: a password that is not looked at is not counted either.
    async fn at_the_account(&self, attempt: &Attempt<'_>, ticket: &mut Ticket, rows: &[LoginFailures]) {
        let (now, rate) = (attempt.now, self.login.account);
        let bucket = Bucket::of("login_account", &ticket.account);
        if attempt.proved {
            self.count_one(bucket, rate, now).await;
        } else {
            let pair = self.at_address(Bucket::of("login_account_pair", &ticket.account), self.login.pair, attempt.address);
            let is_full = self.level(bucket, rate, now) >= rate.burst();
            if is_full
                || !self.take_each(pair, now).await.0.is_allowed()
                || self.count_one(bucket, rate, now).await > rate.burst()
            {
                ticket.closed = Some("account_throttled");
                return;
            }
        }
        self.count_failure(ticket, rows, now);
    }

    fn count_failure(&self, ticket: &mut Ticket, rows: &[LoginFailures], now: Timestamp) {
        let written = row(rows, &ticket.account);
        let consecutive = written.map_or(0, |row| row.consecutive) + self.count(ticket, ticket.account, Kind::Account, now);
        let is_locked = written.is_some_and(|row| row.is_locked(now)) || consecutive > self.failures.limit(Kind::Account);
        ticket.counted = Counted::Account;
        ticket.closed = is_locked.then_some("password_locked");
        ticket.stored = written.is_some();
    }

    /// The password was wrong, or opened nothing.
    pub async fn failed(&self, ticket: &Ticket) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        let now = ticket.begun_at;
        self.surge.record(false, now);
        if matches!(ticket.counted, Counted::Device(_)) {
            return Ok(());
        }
        // Each name counts once for a network, for as long as the network is watched.
        let rate = self.networks.class(ticket.address).adapt(self.login.accounts);
        let seen = Rate::per(1, window(self.login.accounts));
        for network in Network::around(ticket.address) {
            let is_new = self.take_one(Bucket::of("login_seen", &ticket.name).at(network.bytes()), seen, now).await.is_allowed();
            let bucket = Bucket::of("login_accounts", b"").at(network.bytes());
            if is_new && !self.take_one(bucket, network.adapt(rate), now).await.is_allowed() {
                self.block(network, now).await?;
            }
        }
        Ok(())
    }

    /// The password was right. Strangers' failures at the account are forgotten when a stranger turned out to be the owner.
    pub async fn succeeded(&self, ticket: &Ticket) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        // Who logs in again and again must not make up for the failures of others, or of their own.
        let once = Bucket::of("login_success", &ticket.account);
        if self.table.take(self.table.key(once), Surge::WINDOW, ticket.begun_at.as_micros()).is_allowed() {
            self.surge.record(true, ticket.begun_at);
        }
        self.confirmed(ticket).await
    }

    /// The password that was typed once more was right.
    pub async fn confirmed(&self, ticket: &Ticket) -> Result<(), Error> {
        match ticket.counted {
            Counted::Nothing => return Ok(()),
            Counted::Account => self.refill(Bucket::of("login_account", &ticket.account)).await,
            Counted::Device(key) => {
                self.failures.forget(&key);
                self.refill(Bucket::of("login_device", &key)).await;
            }
        }
        self.failures.forget(&ticket.account);
        if ticket.stored || self.delayed(ticket) {
            self.failures.db().write(async |tx| ticket.forget(tx).await).await?;
        }
        Ok(())
    }

    /// So long ago that its own count may have been written.
    fn delayed(&self, ticket: &Ticket) -> bool {
        self.clock.now() >= ticket.begun_at + Seconds(1)
    }

    /// Lets an account in again from anywhere, as far as this node's memory goes: after its rows were cleared. How often its
    /// names were typed stays as it is: whoever typed them would see it.
    pub async fn forgive(&self, user_id: &UserId) {
        let account = self.account_key(Some(user_id), "");
        self.failures.forget(&account);
        self.refill(Bucket::of("login_account", &account)).await;
    }

    /// The same for a network, by the name under which it was kept out.
    pub async fn forgive_network(&self, name: &str) {
        let address = name.split('/').next().and_then(|address| address.parse().ok());
        let Some(address) = address else { return };
        if let Some(network) = Network::around(address).find(|network| network.name() == name) {
            self.refill(Bucket::of("login_accounts", b"").at(network.bytes())).await;
        }
    }

    fn count(&self, ticket: &Ticket, key: [u8; 32], kind: Kind, now: Timestamp) -> i64 {
        let waiting = self.failures.count(Counter { key, kind, user_id: ticket.user_id.as_ref() }, now);
        self.failures.write_later();
        waiting
    }
}

fn row<'a>(rows: &'a [LoginFailures], key: &[u8; 32]) -> Option<&'a LoginFailures> {
    rows.iter().find(|row| row.key == *key)
}

/// How long a bucket takes to fill, in seconds.
fn window(rate: Rate) -> u32 {
    let micros = rate.interval().saturating_mul(rate.burst().into());
    u32::try_from(Duration::from_micros(micros).as_secs()).unwrap_or(u32::MAX).max(1)
}
