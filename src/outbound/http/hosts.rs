//! How each server is treated: few requests at once, and none for a while after it failed.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Failure;
use crate::clock::Clock;
use crate::outbound::breaker::Breaker;
use crate::protocol::time::Timestamp;

/// Requests to one server at once.
const AT_ONCE: usize = 4;

/// Servers that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

pub(super) struct Hosts(Mutex<LruCache<String, Arc<Server>>>);

impl Default for Hosts {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

/// One server: a host with its port.
pub(super) struct Server {
    breaker: Breaker,
    seats: Arc<Semaphore>,
}

impl Hosts {
    pub(super) fn of(&self, authority: &str) -> Arc<Server> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Server { breaker: Breaker::default(), seats: Arc::new(Semaphore::new(AT_ONCE)) });
        Arc::clone(hosts.get_or_insert_ref(authority, new))
    }
}

impl Server {
    /// A seat for one request, as soon as there is one, if the server may be asked.
    pub(super) async fn seat(&self, clock: &Clock, patience: Duration) -> Result<OwnedSemaphorePermit, Failure> {
        self.is_awake(clock)?;
        let seat = tokio::time::timeout(patience, Arc::clone(&self.seats).acquire_owned()).await;
        let seat = seat.ok().and_then(Result::ok).ok_or(Failure::Busy)?;
        // Whoever had it before may have found out.
        self.is_awake(clock)?;
        Ok(seat)
    }

    fn is_awake(&self, clock: &Clock) -> Result<(), Failure> {
        if self.breaker.closed_until(clock.now()).is_some() { Err(Failure::Resting) } else { Ok(()) }
    }

    pub(super) fn works(&self) {
        self.breaker.works();
    }

    pub(super) fn fails(&self, now: Timestamp) {
        _ = self.breaker.fails(now);
    }
}
