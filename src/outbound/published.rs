//! What others publish at a URL: asked for once however many want it, and known for a while.
//!
//! Anybody can make this server ask: what that costs the other one must not grow with the number of those who do. Each node
//! remembers for itself.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

use http::StatusCode;
use lru::LruCache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use super::http::{Answer, Failure, Outbound};

/// URLs that are remembered.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Knows what was found at URLs: an `S` of each.
pub struct Published<S> {
    outbound: Outbound,
    found: Shared<S>,
}

type Shared<S> = Arc<std::sync::Mutex<LruCache<String, Arc<Mutex<S>>>>>;

/// Why there is nothing at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("{0}")]
    Unreachable(#[from] Failure),
    #[error("the answer is not 200 but {0}")]
    Status(StatusCode),
    #[error("not asked for")]
    Unasked,
}

impl<S: Default + Send + 'static> Published<S> {
    pub fn new(outbound: &Outbound) -> Self {
        Self { outbound: outbound.apart(), found: Arc::new(std::sync::Mutex::new(LruCache::new(KEPT))) }
    }

    /// What `kept` makes of what is known of the URL. One that nobody asked for takes no place: it costs nothing to make up many.
    pub async fn known<R>(&self, url: &str, kept: impl FnOnce(&S) -> Option<R>) -> Option<R> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned()?;
        kept(&*found.lock_owned().await)
    }

    /// The same; if that is nothing, what `ask` finds out. Who comes while another one asks waits for the answer, and the asking
    /// goes on when whoever came first goes away. `None`: it broke off.
    pub async fn ask<R, F>(
        &self,
        url: &str,
        kept: impl FnOnce(&S) -> Option<R>,
        ask: impl FnOnce(Outbound, OwnedMutexGuard<S>) -> F,
    ) -> Option<R>
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let found = self.entry(url).lock_owned().await;
        if let Some(known) = kept(&found) {
            return Some(known);
        }
        tokio::spawn(ask(self.outbound.clone(), found)).await.ok()
    }

    fn entry(&self, url: &str) -> Arc<Mutex<S>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(found.get_or_insert_ref(url, Arc::default))
    }
}

/// The answer of a URL, if there is one and it is 200.
pub async fn fetch(outbound: &Outbound, url: &str, accept: &'static str) -> Result<Answer, Unavailable> {
    let url = Url::parse(url).map_err(|_| Failure::Forbidden)?;
    let answer = outbound.get(&url, accept).await?;
    if answer.status == StatusCode::OK { Ok(answer) } else { Err(Unavailable::Status(answer.status)) }
}

impl<S> Clone for Published<S> {
    fn clone(&self) -> Self {
        Self { outbound: self.outbound.clone(), found: Arc::clone(&self.found) }
    }
}

impl<S> fmt::Debug for Published<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Published")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::OutboundConfig;

    #[tokio::test]
    async fn what_nobody_asked_for_takes_no_place() {
        let outbound = Outbound::new(&OutboundConfig::default(), &Clock::system()).unwrap();
        let published = Published::<u8>::new(&outbound);
        let kept = |found: &u8| (*found > 0).then_some(*found);
        assert_eq!(published.known("https://a.example/", |_| Some(1)).await, None);
        assert_eq!(published.found.lock().unwrap().len(), 0);
        let found = published.ask("https://a.example/", kept, async |_, mut found: OwnedMutexGuard<u8>| {
            *found = 7;
            7
        });
        assert_eq!(found.await, Some(7));
        assert_eq!(published.known("https://a.example/", kept).await, Some(7));
    }
}
