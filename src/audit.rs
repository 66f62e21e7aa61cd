//! The audit log: which security events there are, and how each is described.
//!
//! An event is written with [`crate::storage::audit::insert`] in the same transaction as what it records. Refusals of
//! requests that prove no identity go through the [`Queue`] instead, so that a flood of them costs next to nothing.

pub mod export;
mod kind;
pub mod pages;
mod queue;
pub mod verify;

pub use kind::Kind;
pub use queue::{Queue, Worker, queue};

use std::collections::BTreeSet;

use crate::protocol::access_token::AccessTokenClaims;
use crate::protocol::authorization_details;
use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::id::{GrantId, UserId};
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::storage::audit::{Actor, Event, Outcome};
use crate::storage::grants::Grant;

/// When, from where and in which request something happened.
#[derive(Clone, Debug)]
pub struct Origin {
    pub at: Timestamp,
    /// The client's address; `None` for the command line and background work.
    pub address: Option<String>,
    pub trace_id: String,
}

/// An event that succeeded and has no actor yet; the caller fills in what it knows:
/// `Event { actor: Actor::User(id), user_id: Some(id), ..audit::event(Kind::UserLogin, context) }`.
pub fn event(kind: Kind, origin: impl Into<Origin>) -> Event {
    let origin = origin.into();
    Event {
        at: origin.at,
        kind: kind.as_str(),
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::Anonymous,
        client_id: None,
        user_id: None,
        address: origin.address,
        trace_id: origin.trace_id,
        count: 1,
        details: serde_json::Map::new(),
    }
}

/// An event that was refused. `reason` is a stable word such as `wrong_password`, never user input.
pub fn refused(kind: Kind, origin: impl Into<Origin>, reason: &'static str) -> Event {
    Event { outcome: Outcome::Refused, reason: Some(reason), ..event(kind, origin) }
}

/// A client whose registration is a document is stored, for it is about to be given something; `None` if it is stored already.
pub fn adopted(origin: impl Into<Origin>, client: &Client) -> Option<Event> {
    let id = || client.id.clone();
    let event = || Event { actor: Actor::Client(id()), client_id: Some(id()), ..event(Kind::ClientCreated, origin) };
    (client.version == 0).then(event)
}

/// What somebody agreed to: which scope values, at which APIs, and which types of details. What those hold is between the person
/// and the API.
pub fn reached(scope: &Scope, reach: &Reach) -> serde_json::Map<String, serde_json::Value> {
    let mut details = serde_json::Map::new();
    details.insert("scope".to_owned(), scope.to_string().into());
    if !reach.resources.is_empty() {
        details.insert("resources".to_owned(), reach.resources.iter().cloned().collect());
    }
    let types: BTreeSet<&str> = reach.authorization_details.iter().filter_map(authorization_details::type_of).collect();
    if !types.is_empty() {
        details.insert("authorization_details_types".to_owned(), types.into_iter().collect());
    }
    details
}

/// Tokens were given out: by a grant of a person, or for the client's own account. After an incident the event tells where the
/// access token was good, and whose key it was bound to.
pub fn token_issued(
    origin: impl Into<Origin>,
    client: &Client,
    grant: Option<&Grant>,
    claims: &AccessTokenClaims,
    grant_type: &'static str,
) -> Event {
    let mut details = serde_json::Map::new();
    details.insert("grant_type".to_owned(), grant_type.into());
    details.insert("jti".to_owned(), claims.jti.as_str().into());
    details.insert("audience".to_owned(), claims.aud.0.clone().into());
    if !claims.scope.is_empty() {
        details.insert("scope".to_owned(), claims.scope.to_string().into());
    }
    match claims.cnf {
        Some(Confirmation::Dpop(key)) => _ = details.insert("jkt".to_owned(), key.to_string().into()),
        Some(Confirmation::Certificate(certificate)) => {
            _ = details.insert("x5t#S256".to_owned(), certificate.to_string().into());
        }
        None => {}
    }
    if let Some(grant) = grant {
        details.insert("grant_id".to_owned(), grant.id.as_str().into());
    }
    Event {
        actor: Actor::Client(client.id.clone()),
        client_id: Some(client.id.clone()),
        user_id: grant.map(|grant| grant.user_id.clone()),
        details,
        ..event(Kind::TokenIssued, origin)
    }
}

/// An authorization code came a second time, and what its first use gave out was revoked (RFC 6749 §4.1.2).
pub fn code_replayed(
    origin: impl Into<Origin>,
    client: &Client,
    (grant, user): (&GrantId, &UserId),
    reason: &'static str,
) -> Event {
    let mut details = serde_json::Map::new();
    details.insert("grant_id".to_owned(), grant.as_str().into());
    Event {
        actor: Actor::Client(client.id.clone()),
        client_id: Some(client.id.clone()),
        user_id: Some(user.clone()),
        details,
        ..refused(Kind::CodeReplayed, origin, reason)
    }
}

/// A refresh token came again after its successor was used, and its whole family was revoked (RFC 9700 §4.14.2).
pub fn refresh_token_replayed(origin: impl Into<Origin>, client: &Client, grant: &Grant) -> Event {
    let mut details = serde_json::Map::new();
    details.insert("grant_id".to_owned(), grant.id.as_str().into());
    Event {
        actor: Actor::Client(client.id.clone()),
        client_id: Some(client.id.clone()),
        user_id: Some(grant.user_id.clone()),
        details,
        ..refused(Kind::RefreshTokenReplayed, origin, "refresh_token_replayed")
    }
}
