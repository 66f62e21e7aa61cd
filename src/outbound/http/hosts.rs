//! How each server is treated: few requests at once, and none for a while after it failed.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    /// A seat for one request, if the server may be asked now.
    pub(super) fn seat(&self, now: Timestamp) -> Option<OwnedSemaphorePermit> {
        if self.breaker.closed_until(now).is_some() {
            return None;
        }
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    pub(super) fn works(&self) {
        self.breaker.works();
    }

    pub(super) fn fails(&self, now: Timestamp) {
        _ = self.breaker.fails(now);
    }
}
