//! The places for connections: how many there are, how many of them one address may have, and who gives theirs up when all
//! are taken.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::Limits;
use super::progress::Progress;

/// How long somebody who has asked for nothing yet has a place for sure, though others wait for it. A request comes with its
/// connection, or right after it.
const GRACE: Duration = Duration::from_millis(50);

/// How often room is made while all places are taken.
const PACE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Places {
    limits: Arc<Limits>,
    total: usize,
    free: Arc<Semaphore>,
    shares: Arc<Shares>,
    /// Whoever has a place, the longest there first, and some who have left.
    guests: VecDeque<Guest>,
}

#[derive(Debug)]
struct Guest {
    progress: Weak<Progress>,
    since: Instant,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl Place {
    /// How many places are free.
    pub(super) fn others_free(&self) -> usize {
        self.permit.semaphore().available_permits()
    }
}

impl Places {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        let total = limits.max_connections.min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(total));
        Self { limits, total, free, shares: Arc::default(), guests: VecDeque::new() }
    }

    pub(super) fn taken(&self) -> usize {
        self.total - self.free.available_permits()
    }

    /// A free place, if there is one.
    pub(super) fn try_free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// A free place, as soon as there is one. Meanwhile, connections wait in the listen queue, and those who do nothing with
    /// their place are asked to leave.
    pub(super) async fn free(&mut self) -> OwnedSemaphorePermit {
        loop {
            if let Some(permit) = self.try_free() {
                return permit;
            }
            self.make_room(Instant::now());
            if let Ok(Ok(permit)) = timeout(PACE, Arc::clone(&self.free).acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Asks one connection to leave: the one that has been there longest without asking for anything, or else the one that has
    /// been there longest of those between two requests.
    pub(super) fn make_room(&mut self, now: Instant) {
        self.guests.retain(|guest| guest.progress.strong_count() > 0);
        let find = |suits: fn(&Progress) -> bool| {
            let suits = |guest: &Guest| guest.progress.upgrade().is_some_and(|progress| suits(&progress));
            self.guests.iter().position(|guest| now - guest.since >= GRACE && suits(guest))
        };
        let chosen = find(Progress::is_stranger).or_else(|| find(Progress::is_idle));
        let guest = chosen.and_then(|index| self.guests.remove(index));
        if let Some(progress) = guest.and_then(|guest| guest.progress.upgrade()) {
            progress.ask_to_leave();
        }
    }

    /// Gives a free place to a connection from `address`; `None` when that address has as many as it may.
    pub(super) fn take(
        &mut self,
        permit: OwnedSemaphorePermit,
        address: IpAddr,
        progress: &Arc<Progress>,
        now: Instant,
    ) -> Option<Place> {
        let address = address.to_canonical();
        let unlimited = self.limits.unlimited.iter().any(|network| network.contains(&address));
        let share = if unlimited {
            None
        } else {
            Some(Share::take(&self.shares, source(address), self.limits.max_connections_per_address)?)
        };
        if self.guests.len() >= self.total.saturating_mul(2) {
            self.guests.retain(|guest| guest.progress.strong_count() > 0);
        }
        self.guests.push_back(Guest { progress: Arc::downgrade(progress), since: now });
        Some(Place { permit, _share: share })
    }
}

/// Whom an address stands for: with IPv6, one subscriber has a network of 64 bits.
fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// How many connections each address has.
type Shares = Mutex<HashMap<IpAddr, usize>>;

/// One connection of an address.
#[derive(Debug)]
struct Share {
    shares: Arc<Shares>,
    source: IpAddr,
}

impl Share {
    fn take(shares: &Arc<Shares>, source: IpAddr, limit: usize) -> Option<Self> {
        let mut counts = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self { shares: Arc::clone(shares), source })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::Phase;
    use super::*;
    use crate::config::ServerConfig;

    fn places() -> Places {
        let limits = Limits { max_connections: 8, max_connections_per_address: 2, ..Limits::from(&ServerConfig::default()) };
        Places::new(Arc::new(limits))
    }

    fn take(places: &mut Places, address: &str) -> Option<Place> {
        let permit = places.try_free()?;
        places.take(permit, address.parse().unwrap(), &Arc::default(), Instant::now())
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let mut places = places();
        let first = take(&mut places, "192.0.2.1").unwrap();
        let _second = take(&mut places, "::ffff:192.0.2.1").unwrap();
        assert!(take(&mut places, "192.0.2.1").is_none());
        let _other = take(&mut places, "192.0.2.2").unwrap();
        drop(first);
        assert!(take(&mut places, "192.0.2.1").is_some());
        assert_eq!(places.taken(), 2, "what was refused or dropped takes no place");
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let mut places = places();
        let taken: Vec<_> = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8::3"].map(|address| take(&mut places, address)).into();
        assert_eq!(taken.iter().flatten().count(), 2);
        assert!(take(&mut places, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn this_machine_and_trusted_proxies_have_no_share() {
        let config = ServerConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..ServerConfig::default() };
        let limits = Limits { max_connections: 8, max_connections_per_address: 1, ..Limits::from(&config) };
        let mut places = Places::new(Arc::new(limits));
        for address in ["127.0.0.1", "::1", "10.1.2.3"] {
            assert_eq!([take(&mut places, address), take(&mut places, address)].iter().flatten().count(), 2, "{address}");
        }
    }

    #[tokio::test]
    async fn who_was_served_stays_when_somebody_asks_for_nothing() {
        let mut places = places();
        let begin = Instant::now();
        let [served, silent, late] = [(); 3].map(|()| Arc::<Progress>::default());
        served.enter(Phase::Busy);
        served.enter(Phase::Idle);
        let mut taken = Vec::new();
        for (progress, since) in [(&served, begin), (&silent, begin), (&late, begin + GRACE)] {
            let permit = places.try_free().unwrap();
            taken.push(places.take(permit, IpAddr::from([127, 0, 0, 1]), progress, since));
        }
        let asked = async |progress: &Progress| tokio::time::timeout(Duration::ZERO, progress.asked_to_leave()).await.is_ok();
        places.make_room(begin + GRACE);
        assert_eq!((asked(&served).await, asked(&silent).await, asked(&late).await), (false, true, false));
        places.make_room(begin + GRACE);
        assert_eq!((asked(&served).await, asked(&late).await), (true, false), "then who waits between two requests");
        places.make_room(begin + GRACE);
        assert!(!asked(&late).await, "it has only just come");
        places.make_room(begin + 2 * GRACE);
        assert!(asked(&late).await);
    }
}
