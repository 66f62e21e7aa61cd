//! Clients, those too whose registration is a document at their `client_id` (OAuth Client ID Metadata Documents): asked for once
//! however many requests name it, and kept as long as its server says, within bounds.
//!
//! The row of a client counts before its document where an administrator has disabled the client, or vouched for it. Else the
//! document decides: it is asked for anew when its time is over, and who takes it away is no client any more.

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::audit::{self, Kind, Origin};
use crate::config::Config;
use crate::keys::ring::KeyRing;
use crate::outbound::http::{Answer, Failure, Outbound};
use crate::outbound::published::{Finding, Published, Turn, Unavailable, fetch};
use crate::protocol::authorization_request::{ServerPolicy, UNKNOWN_CLIENT};
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::client_document::{self, HOST_REFUSED, Hosts, InvalidDocument, REFUSED, UNAVAILABLE};
use crate::protocol::client_registration::{RegistrationPolicy, validate};
use crate::protocol::dynamic_registration::instead_of;
use crate::protocol::error::OAuthError;
use crate::protocol::id::ClientId;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::{Actor, Event};
use crate::storage::client_cache::ClientCache;
use crate::storage::client_documents;
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::resource_cache::ResourceCache;
use crate::telemetry::findings::note;
use crate::web::sector;

/// How often a document is asked for at most. What is kept is that somebody asked a moment ago, not the error (§5.2).
const PAUSE: Seconds = Seconds(10);

/// How long a document counts on while its server can't be reached: people shall not be locked out by an outage of it.
const OUTAGE: Seconds = Seconds::hours(24);

/// Knows the clients that there are at this moment.
#[derive(Clone, Debug)]
pub struct Clients {
    registered: ClientCache,
    documents: Option<Arc<Documents>>,
}

#[derive(Debug)]
struct Documents {
    published: Published<Document>,
    hosts: Hosts,
    private_hosts: Vec<String>,
    terms: Terms,
    db: Db,
}

/// A client; or why there is none, as the authorization endpoint tells it.
pub type Found = Result<Arc<Client>, OAuthError>;

/// What was found at one URL.
#[derive(Clone, Debug, Default)]
struct Document {
    good: Option<Good>,
    tried_at: Option<Timestamp>,
    /// Of the last try.
    missing: Option<Missing>,
}

/// Why there is no document, as it is told and in words.
#[derive(Clone, Debug)]
struct Missing(OAuthError, String);

impl From<Missing> for OAuthError {
    fn from(Missing(error, failure): Missing) -> Self {
        note("client_document", "failure", failure);
        error
    }
}

#[derive(Clone, Debug)]
struct Good {
    client: Arc<Client>,
    /// Of the document.
    bytes: usize,
    fresh_until: Timestamp,
    usable_until: Timestamp,
}

/// What a document is judged by.
#[derive(Debug)]
pub struct Terms {
    /// All the scope that such a client may have.
    pub allowed: Scope,
    /// Without resources.
    pub policy: ServerPolicy,
    pub resources: ResourceCache,
    pub keys: Arc<KeyRing>,
    pub api_audience: String,
}

impl Clients {
    pub fn new(config: &Config, db: &Db, registered: &ClientCache, outbound: &Outbound, terms: Terms) -> Self {
        let documents = || Documents {
            published: Published::new(outbound, "client_documents"),
            hosts: Hosts {
                allowed: config.client_id_metadata_documents.allowed_hosts.clone(),
                denied: config.client_id_metadata_documents.denied_hosts.clone(),
            },
            private_hosts: config.outbound.private_hosts.clone(),
            terms,
            db: db.clone(),
        };
        let documents = config.takes_client_documents().then(|| Arc::new(documents()));
        Self { registered: registered.clone(), documents }
    }

    /// The client, without asking anybody. `None`: its document has to be asked for.
    pub async fn known(&self, id: &ClientId, now: Timestamp) -> Result<Option<Found>, Error> {
        let stored = self.registered.load(id).await?;
        let documents = match self.documents_for(id, stored.as_ref()) {
            Ok(documents) => documents,
            Err(found) => return Ok(Some(found)),
        };
        let kept = documents.published.known(id.as_str(), |document, is_asked| document.kept(is_asked, now));
        Ok(kept.map(|kept| Ok(stored.unwrap_or(kept?))))
    }

    /// The client, whose document is asked for if nobody knows it.
    pub async fn ask(&self, id: &ClientId, origin: impl Into<Origin>) -> Result<Found, Error> {
        let stored = self.registered.load(id).await?;
        let documents = match self.documents_for(id, stored.as_ref()) {
            Ok(documents) => Arc::clone(documents),
            Err(found) => return Ok(found),
        };
        let event =
            Event { actor: Actor::Client(id.clone()), client_id: Some(id.clone()), ..audit::event(Kind::ClientUpdated, origin) };
        let (now, name) = (event.at, id.clone());
        let asking = Arc::clone(&documents);
        let asked = documents.published.ask(
            id.as_str(),
            |document: &Document, is_asked| document.kept(is_asked, now).map(Ok),
            async move |outbound, mut document: Turn<Document>| {
                asking.renew(&outbound, &mut document, &name, stored.as_deref(), &event).await?;
                Ok::<_, Error>(document.usable(now))
            },
        );
        let client = match asked.await {
            Some(asked) => asked?,
            None => return Ok(Err(UNAVAILABLE)),
        };
        let client = match client {
            Ok(client) => client,
            Err(missing) => return Ok(Err(missing.into())),
        };
        // As it was stored just now, if it is stored.
        Ok(Ok(self.registered.load(id).await?.unwrap_or(client)))
    }

    /// What knows documents, if that decides; else what is found without it.
    fn documents_for(&self, id: &ClientId, stored: Option<&Arc<Client>>) -> Result<&Arc<Documents>, Found> {
        match stored {
            Some(client) if !client.is_published() || !client.is_active() => return Err(Ok(Arc::clone(client))),
            None if !client_document::is_url(id) => return Err(Err(UNKNOWN_CLIENT)),
            _ => {}
        }
        let documents = self.documents.as_ref().ok_or(Err(UNKNOWN_CLIENT))?;
        let host = client_document::host(id, &documents.private_hosts).ok_or(Err(UNKNOWN_CLIENT))?;
        if documents.hosts.take(&host) {
            Ok(documents)
        } else {
            note("client_document_host", "host", &host);
            Err(Err(HOST_REFUSED))
        }
    }
}

impl Document {
    /// What serves without asking: what is old too, while somebody else asks.
    fn kept(&self, is_asked: bool, now: Timestamp) -> Option<Result<Arc<Client>, Missing>> {
        let serves_meanwhile = is_asked && self.good.as_ref().is_some_and(|good| now < good.usable_until);
        let is_fresh = self.good.as_ref().is_some_and(|good| now < good.fresh_until);
        let is_tried = self.tried_at.is_some_and(|tried_at| now < tried_at + PAUSE);
        (is_fresh || is_tried || serves_meanwhile).then(|| self.usable(now))
    }

    fn usable(&self, now: Timestamp) -> Result<Arc<Client>, Missing> {
        match &self.good {
            Some(good) if now < good.usable_until => Ok(Arc::clone(&good.client)),
            _ => Err(self.missing.clone().unwrap_or_else(|| Missing(UNAVAILABLE, "not asked for".to_owned()))),
        }
    }
}

impl Finding for Document {
    fn bytes(&self) -> usize {
        self.good.as_ref().map_or(0, |good| good.bytes)
    }
}

/// Why there is no document at a URL.
#[derive(Debug, thiserror::Error)]
enum NoDocument {
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    #[error("the document {0}")]
    Invalid(#[from] InvalidDocument),
    #[error("the document of its sector can't be had")]
    Sector,
    #[error("{0}")]
    Storage(#[from] Error),
}

impl NoDocument {
    /// Whether its server said so, rather than nothing.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Unavailable(Unavailable::Status(status)) => {
                !status.is_server_error() && ![StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
            }
            Self::Unavailable(Unavailable::Unreachable(failure)) => {
                matches!(failure, Failure::Forbidden | Failure::NotPublic | Failure::Compressed | Failure::TooLarge)
            }
            Self::Unavailable(Unavailable::Unasked) | Self::Sector | Self::Storage(_) => false,
            Self::Invalid(_) => true,
        }
    }
}

impl Documents {
    async fn renew(
        &self,
        outbound: &Outbound,
        document: &mut Document,
        id: &ClientId,
        stored: Option<&Client>,
        event: &Event,
    ) -> Result<(), Error> {
        let now = event.at;
        match self.fetched(outbound, id, stored).await {
            Ok((metadata, bytes, lifetime)) => {
                if let Some(stored) = stored {
                    self.db.write(async |tx| client_documents::renew(tx, stored, &metadata, event).await).await?;
                }
                let client = Arc::new(unstored(id, metadata, now));
                let fresh_until = now + lifetime;
                document.good = Some(Good { client, bytes, fresh_until, usable_until: fresh_until + OUTAGE });
                document.missing = None;
            }
            Err(NoDocument::Storage(error)) => return Err(error),
            Err(failure) => {
                tracing::warn!(client_id = %id, %failure, "the document of a client can't be had");
                if failure.is_refusal() {
                    document.good = None;
                    if stored.is_some() {
                        // Nobody bridges the next outage with what was taken away.
                        self.db.write(async |tx| client_documents::forget_reading(tx, id).await).await?;
                    }
                } else if let (None, Some(stored)) = (&document.good, stored) {
                    document.good = self.last_read(stored, now).await?;
                }
                let error = if failure.is_refusal() { REFUSED } else { UNAVAILABLE };
                document.missing = Some(Missing(error, failure.to_string()));
            }
        }
        document.tried_at = Some(now);
        Ok(())
    }

    /// What the document comes to, in the place of what is stored.
    async fn fetched(
        &self,
        outbound: &Outbound,
        id: &ClientId,
        stored: Option<&Client>,
    ) -> Result<(ClientMetadata, usize, Seconds), NoDocument> {
        let Answer { headers, body, .. } = fetch(outbound, id.as_str(), "application/json").await?;
        let terms = &self.terms;
        let mut metadata = client_document::registration(id, (&field(&headers, header::CONTENT_TYPE), &body), &terms.allowed)?;
        if let Some(stored) = stored {
            metadata = instead_of(&stored.metadata, &metadata).map_err(InvalidDocument::Registration)?;
        }
        let policy = ServerPolicy { resources: terms.resources.current().await?, ..terms.policy.clone() };
        let policy = RegistrationPolicy {
            known_scope: policy.every_scope(),
            algorithms: terms.keys.algorithms(),
            legacy_response_types: false,
            api_audience: terms.api_audience.clone(),
            private_hosts: self.private_hosts.clone(),
        };
        validate(&metadata, &policy).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(|problem| format!("has a problem: {problem}")).collect();
            InvalidDocument::Metadata(problems.join("; "))
        })?;
        sector::check(outbound, &metadata).await.map_err(|problem| match problem.code {
            sector::UNREACHABLE => NoDocument::Sector,
            _ => NoDocument::Invalid(InvalidDocument::Metadata(format!("has a problem: {problem}"))),
        })?;
        let age = headers.get(header::AGE).and_then(|age| age.to_str().ok());
        Ok((metadata, body.len(), client_document::lifetime(&field(&headers, header::CACHE_CONTROL), age)))
    }

    /// What another node, or this one before it was started, knew of a document that can't be had now.
    async fn last_read(&self, stored: &Client, now: Timestamp) -> Result<Option<Good>, Error> {
        let fetched_at = client_documents::fetched_at(&mut self.db.read().await?, &stored.id).await?;
        let client = Arc::new(stored.clone());
        Ok(fetched_at.map(|at| Good { client, bytes: 0, fresh_until: now, usable_until: at + OUTAGE }))
    }
}

/// All the values of a field.
fn field(headers: &HeaderMap, name: header::HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(", ")
}

fn unstored(id: &ClientId, metadata: ClientMetadata, now: Timestamp) -> Client {
    let status = ClientStatus::Active;
    Client { id: id.clone(), status, metadata, secrets: Vec::new(), created_at: now, updated_at: now, version: 0 }
}
