//! The public keys of clients: those that are registered by value, and those that a client publishes at its `jwks_uri`.
//!
//! Published keys are kept in memory, each node for itself, and asked for once however many requests need them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use serde_json::Value;

use super::http::{Failure, MAX_BODY, Outbound};
use super::published::{self, Finding, Published, Turn, fetch};
use crate::keys::foreign::ForeignKeys;
use crate::protocol::client::{Client, KeyManagement};
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::foreign_jwk::{ForeignJwk, InvalidJwk};
use crate::protocol::id::ClientId;
use crate::protocol::time::{Seconds, Timestamp};

/// Registered sets that are kept as they were read.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Bytes of a set that nobody has vouched for.
const MOST_OF_STRANGERS: usize = 16 * 1_024;

/// How long a set is good for, whatever its server says of it: a key that its owner takes back must not count for long.
const FRESH: Seconds = Seconds(60);

/// How often a set is asked for at most: after a failure, and for a key that isn't in it.
const PAUSE: Seconds = Seconds(10);

/// How long the last set counts on while no new one can be had: a client shall survive an outage of its own server, and a key that
/// was taken back for being stolen must not count for ever.
const OUTAGE: Seconds = Seconds::hours(24);

/// Knows the keys of clients.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    registered: Registered,
    published: Published<Found>,
    /// Of clients that registered themselves and that nobody has vouched for: however many there are, they push nobody else's out.
    strangers: Published<Found>,
}

type Registered = Arc<Mutex<LruCache<ClientId, (Value, Arc<ForeignKeys>)>>>;

/// Why a client's keys can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("{0}")]
    Unpublished(#[from] published::Unavailable),
    #[error("the answer is no JSON")]
    NotJson,
    #[error("the answer {0}")]
    Unusable(#[from] InvalidJwk),
}

const UNASKED: Unavailable = Unavailable::Unpublished(published::Unavailable::Unasked);

/// What one URL answered with.
#[derive(Clone, Debug, Default)]
struct Found {
    known: Option<Known>,
    tried_at: Option<Timestamp>,
    /// Of the last try.
    failure: Option<Unavailable>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<ForeignKeys>,
    /// Of the answer.
    bytes: usize,
    fresh_until: Timestamp,
    /// Even if no newer set can be had.
    usable_until: Timestamp,
}

/// The key that the keys are asked for.
#[derive(Clone, Copy, Debug)]
enum Sought<'a> {
    SignerOf(&'a str),
    Key(Thumbprint),
    Recipient(KeyManagement),
}

impl Sought<'_> {
    fn is_among(self, keys: &ForeignKeys) -> bool {
        match self {
            Self::SignerOf(token) => keys.may_have_signed(token),
            Self::Key(key) => keys.hold(key),
            Self::Recipient(alg) => keys.recipient(alg).is_some(),
        }
    }
}

impl ClientKeys {
    pub fn new(outbound: &Outbound) -> Self {
        Self {
            registered: Arc::new(Mutex::new(LruCache::new(KEPT))),
            published: Published::new(outbound, "keys"),
            strangers: Published::new(outbound, "keys"),
        }
    }

    /// The keys of a client, to check `token` with: if it names one that isn't among them, they are asked for anew.
    pub async fn of(&self, client: &Client, token: &str, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        self.sought(client, Sought::SignerOf(token), now).await
    }

    /// The keys of a client, to look for this one: if it isn't among them, they are asked for anew.
    pub async fn holding(&self, client: &Client, key: Thumbprint, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        self.sought(client, Sought::Key(key), now).await
    }

    /// The keys that anybody publishes at this URL, to check `token` with.
    pub async fn at(&self, uri: &str, token: &str, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        published(&self.published, (uri, MAX_BODY), Sought::SignerOf(token), now).await
    }

    /// The keys of a client, to encrypt for it: if none of them is for `alg`, they are asked for anew.
    pub async fn to_encrypt(&self, client: &Client, alg: KeyManagement, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        self.sought(client, Sought::Recipient(alg), now).await
    }

    async fn sought(&self, client: &Client, sought: Sought<'_>, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        if let Some(jwks) = &client.metadata.jwks {
            return Ok(self.registered(&client.id, jwks)?);
        }
        match &client.metadata.jwks_uri {
            Some(uri) if client.metadata.self_registered => {
                published(&self.strangers, (uri, MOST_OF_STRANGERS), sought, now).await
            }
            Some(uri) => published(&self.published, (uri, MAX_BODY), sought, now).await,
            None => Ok(Arc::default()),
        }
    }

    /// As they were read when they were last needed, if they are still the same.
    fn registered(&self, id: &ClientId, jwks: &Value) -> Result<Arc<ForeignKeys>, InvalidJwk> {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, keys)) = registered.get(id)
            && of == jwks
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(ForeignKeys::new(ForeignJwk::parse_set(jwks)?));
        registered.put(id.clone(), (jwks.clone(), Arc::clone(&keys)));
        Ok(keys)
    }
}

/// The keys at a URL, in an answer of so many bytes at most.
async fn published(
    known: &Published<Found>,
    (uri, most): (&str, usize),
    sought: Sought<'_>,
    now: Timestamp,
) -> Result<Arc<ForeignKeys>, Unavailable> {
    let kept = |found: &Found, is_asked| {
        let serves = !found.should_ask(sought, now) || is_asked && found.has(sought, now);
        serves.then(|| found.usable(now))
    };
    let url = uri.to_owned();
    let asked = known.ask(uri, kept, async move |outbound, mut found: Turn<Found>| {
        found.renew(keys_at(&outbound, &url, most).await, &url, now);
        found.usable(now)
    });
    asked.await.unwrap_or(Err(UNASKED))
}

impl Found {
    fn should_ask(&self, sought: Sought<'_>, now: Timestamp) -> bool {
        let is_fresh = |known: &Known| now < known.fresh_until && sought.is_among(&known.keys);
        !self.known.as_ref().is_some_and(is_fresh) && self.tried_at.is_none_or(|tried_at| now >= tried_at + PAUSE)
    }

    /// Whether what is known will do until there is an answer.
    fn has(&self, sought: Sought<'_>, now: Timestamp) -> bool {
        self.known.as_ref().is_some_and(|known| now < known.usable_until && sought.is_among(&known.keys))
    }

    fn usable(&self, now: Timestamp) -> Result<Arc<ForeignKeys>, Unavailable> {
        match &self.known {
            Some(known) if now < known.usable_until => Ok(Arc::clone(&known.keys)),
            _ => Err(self.failure.unwrap_or(UNASKED)),
        }
    }

    fn renew(&mut self, answer: Result<(ForeignKeys, usize), Unavailable>, url: &str, now: Timestamp) {
        self.tried_at = Some(now);
        self.failure = None;
        match answer {
            Ok((keys, bytes)) => {
                let (keys, fresh_until) = (Arc::new(keys), now + FRESH);
                self.known = Some(Known { keys, bytes, fresh_until, usable_until: now + OUTAGE });
            }
            Err(failure) => {
                tracing::warn!(%url, %failure, "the keys of a client can't be had");
                self.failure = Some(failure);
            }
        }
    }
}

impl Finding for Found {
    fn bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.bytes)
    }
}

/// They, and what of an answer they are.
async fn keys_at(outbound: &Outbound, url: &str, most: usize) -> Result<(ForeignKeys, usize), Unavailable> {
    let answer = fetch(outbound, url, "application/jwk-set+json, application/json").await?;
    if answer.body.len() > most {
        return Err(published::Unavailable::Unreachable(Failure::TooLarge).into());
    }
    let jwks = serde_json::from_slice(&answer.body).map_err(|_| Unavailable::NotJson)?;
    Ok((ForeignKeys::new(ForeignJwk::parse_set(&jwks)?), answer.body.len()))
}
