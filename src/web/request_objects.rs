//! Request objects that clients publish (OpenID Connect Core §6.2), asked for once however many requests name them.
//!
//! Anybody can make a browser ask for one: what that costs the client's server must not grow with the number of those who do.

use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use lru::LruCache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use crate::outbound::http::{Failure, Outbound};
use crate::protocol::time::{Seconds, Timestamp};

/// URLs that are remembered.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// How long an answer serves, a failure too.
const FRESH: Seconds = Seconds(10);

/// How long one does that is not what the URL's hash was made of.
const OUTDATED: Seconds = Seconds(1);

/// Knows what was found at the URLs.
#[derive(Clone, Debug)]
pub struct RequestObjects {
    outbound: Outbound,
    found: Arc<std::sync::Mutex<LruCache<String, Arc<Mutex<Found>>>>>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("{0}")]
    Unreachable(#[from] Failure),
    #[error("the answer is not 200 but {0}")]
    Status(StatusCode),
    #[error("not asked for")]
    Unasked,
}

type Found = Option<(Timestamp, Result<Bytes, Unavailable>)>;

impl RequestObjects {
    pub fn new(outbound: &Outbound) -> Self {
        Self { outbound: outbound.apart(), found: Arc::new(std::sync::Mutex::new(LruCache::new(KEPT))) }
    }

    /// What is at `location`. What `fits` doesn't take is asked for anew, not more than once a second.
    pub async fn at(&self, location: &str, fits: impl Fn(&[u8]) -> bool, now: Timestamp) -> Result<Bytes, Unavailable> {
        let entry = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.get_or_insert_ref(location, Arc::default))
        };
        // Who comes while another one asks waits here, and finds the answer.
        let found = entry.lock_owned().await;
        if let Some((at, answer)) = &*found {
            let lasts = if answer.as_ref().is_ok_and(|content| !fits(content)) { OUTDATED } else { FRESH };
            if now < *at + lasts {
                return answer.clone();
            }
        }
        let url = Url::parse(location).map_err(|_| Failure::Forbidden)?;
        // Goes on when whoever asked first goes away.
        tokio::spawn(ask(self.outbound.clone(), url, found, now)).await.unwrap_or(Err(Unavailable::Unasked))
    }
}

async fn ask(outbound: Outbound, url: Url, mut found: OwnedMutexGuard<Found>, now: Timestamp) -> Result<Bytes, Unavailable> {
    let answer = match outbound.get(&url, "application/oauth-authz-req+jwt, application/jwt").await {
        Ok(answer) if answer.status == StatusCode::OK => Ok(answer.body),
        Ok(answer) => Err(Unavailable::Status(answer.status)),
        Err(failure) => Err(failure.into()),
    };
    *found = Some((now, answer.clone()));
    answer
}
