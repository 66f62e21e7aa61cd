//! What others publish at a URL: asked for once however many want it, and known for a while.
//!
//! Anybody can make this server ask: what that costs the other one must not grow with the number of those who do, nor what it costs
//! here with what there is to read. Each node remembers for itself.

use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use lru::LruCache;
use tokio::sync::OwnedMutexGuard;
use url::Url;

use super::http::{Answer, Failure, Outbound};
use crate::telemetry::spans;

/// URLs that are remembered.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Bytes of what was found at them, all together.
const MOST: usize = 8 * 1_024 * 1_024;

/// What was found at a URL.
pub trait Finding: Clone + Default + Send + Sync + 'static {
    /// What it takes to remember it, about.
    fn bytes(&self) -> usize;
}

/// Knows what was found at URLs: an `S` of each.
pub struct Published<S> {
    outbound: Outbound,
    found: Shared<S>,
}

type Shared<S> = Arc<Mutex<LruCache<String, Arc<Entry<S>>>>>;

struct Entry<S> {
    /// Of whoever asks.
    turn: Arc<tokio::sync::Mutex<()>>,
    found: Mutex<Arc<S>>,
}

/// What is known of a URL, for the one who asks anew. What it holds at the end is what was found.
pub struct Turn<S: Finding> {
    found: S,
    entry: Arc<Entry<S>>,
    all: Shared<S>,
    /// Given back last.
    _asking: OwnedMutexGuard<()>,
}

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

impl<S: Finding> Published<S> {
    pub fn new(outbound: &Outbound, purpose: &'static str) -> Self {
        Self { outbound: outbound.apart(purpose), found: Arc::new(Mutex::new(LruCache::new(KEPT))) }
    }

    /// What `kept` makes of what is known of the URL, and of whether somebody asks for it right now: what is old may serve until there is
    /// an answer. A URL that nobody asked for takes no place: it costs nothing to make up many.
    pub fn known<R>(&self, url: &str, kept: impl FnOnce(&S, bool) -> Option<R>) -> Option<R> {
        let entry = lock(&self.found).get(url).cloned()?;
        kept(&entry.found(), entry.turn.try_lock().is_err())
    }

    /// The same; if that is nothing, what `ask` finds out. Who comes while another one asks waits for the answer, and the asking
    /// goes on when whoever came first goes away. `None`: it broke off.
    pub async fn ask<R, F>(
        &self,
        url: &str,
        kept: impl Fn(&S, bool) -> Option<R>,
        ask: impl FnOnce(Outbound, Turn<S>) -> F,
    ) -> Option<R>
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let entry = self.entry(url);
        let turn = if let Ok(turn) = Arc::clone(&entry.turn).try_lock_owned() {
            turn
        } else if let Some(known) = kept(&entry.found(), true) {
            return Some(known);
        } else {
            Arc::clone(&entry.turn).lock_owned().await
        };
        let found = entry.found();
        if let Some(known) = kept(&found, false) {
            return Some(known);
        }
        let turn = Turn { found: S::clone(&found), entry, all: Arc::clone(&self.found), _asking: turn };
        let _span = spans::asking(|| format!("GET {}", self.outbound.purpose()));
        tokio::spawn(ask(self.outbound.on_behalf(), turn)).await.ok()
    }

    fn entry(&self, url: &str) -> Arc<Entry<S>> {
        let mut found = lock(&self.found);
        Arc::clone(found.get_or_insert_ref(url, || Arc::new(Entry { turn: Arc::default(), found: Mutex::default() })))
    }
}

impl<S> Entry<S> {
    fn found(&self) -> Arc<S> {
        Arc::clone(&lock(&self.found))
    }
}

impl<S: Finding> Deref for Turn<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.found
    }
}

impl<S: Finding> DerefMut for Turn<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.found
    }
}

impl<S: Finding> Drop for Turn<S> {
    fn drop(&mut self) {
        *lock(&self.entry.found) = Arc::new(mem::take(&mut self.found));
        let mut all = lock(&self.all);
        let mut bytes: usize = all.iter().map(|(_, entry)| entry.found().bytes()).sum();
        while bytes > MOST
            && let Some((_, forgotten)) = all.pop_lru()
        {
            bytes = bytes.saturating_sub(forgotten.found().bytes());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

impl<S: Finding> fmt::Debug for Turn<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Turn")
    }
}

impl<S> fmt::Debug for Published<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Published")
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::clock::Clock;
    use crate::config::OutboundConfig;

    /// So many bytes, and nothing else of interest.
    #[derive(Clone, Default)]
    struct Heavy(usize);

    impl Finding for Heavy {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    fn published() -> Published<Heavy> {
        Published::new(&Outbound::new(&OutboundConfig::default(), &Clock::system()).unwrap(), "test")
    }

    fn kept(found: &Heavy, _: bool) -> Option<usize> {
        (found.0 > 0).then_some(found.0)
    }

    async fn find(published: &Published<Heavy>, url: &str, bytes: usize) -> Option<usize> {
        let ask = async move |_, mut found: Turn<Heavy>| {
            found.0 = bytes;
            bytes
        };
        published.ask(url, kept, ask).await
    }

    #[tokio::test]
    async fn what_nobody_asked_for_takes_no_place() {
        let published = published();
        assert_eq!(published.known("https://a.example/", |_, _| Some(1)), None);
        assert_eq!(published.found.lock().unwrap().len(), 0);
        assert_eq!(find(&published, "https://a.example/", 7).await, Some(7));
        assert_eq!(published.known("https://a.example/", kept), Some(7));
    }

    #[tokio::test]
    async fn what_is_old_may_serve_while_one_asks_and_others_wait_for_the_answer() {
        let published = published();
        find(&published, "https://a.example/", 7).await;
        let ((begun, begins), (finish, finished)) = (oneshot::channel(), oneshot::channel());
        let asking = tokio::spawn({
            let published = published.clone();
            async move {
                let ask = async move |_, mut found: Turn<Heavy>| {
                    begun.send(()).unwrap();
                    finished.await.unwrap();
                    found.0 = 8;
                    8
                };
                published.ask("https://a.example/", |_, _| None, ask).await
            }
        });
        begins.await.unwrap();
        let meanwhile = |found: &Heavy, is_asked: bool| is_asked.then_some(found.0);
        assert_eq!(published.known("https://a.example/", meanwhile), Some(7));
        assert_eq!(published.ask("https://a.example/", meanwhile, async |_, _| 0).await, Some(7));
        let new = |found: &Heavy, _: bool| (found.0 == 8).then_some(8);
        let waiting = tokio::spawn({
            let published = published.clone();
            async move { published.ask("https://a.example/", new, async |_, _| 0).await }
        });
        finish.send(()).unwrap();
        assert_eq!((asking.await.unwrap(), waiting.await.unwrap()), (Some(8), Some(8)), "asked once");
        assert_eq!(published.known("https://a.example/", meanwhile), None);
    }

    #[tokio::test]
    async fn what_is_remembered_takes_no_more_than_it_may_whoever_publishes_it() {
        let published = published();
        for number in 0..200 {
            find(&published, &format!("https://a.example/{number}"), MOST / 100).await;
        }
        let left = published.found.lock().unwrap().len();
        assert_eq!(left, 100);
        assert!(published.known("https://a.example/199", kept).is_some());
        assert_eq!(published.known("https://a.example/0", kept), None);
    }
}
