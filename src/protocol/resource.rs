//! Protected resources: the APIs that access tokens are for (RFC 8707).
//!
//! A client names the APIs that it wants a token for. It may have one for those that it is registered for (`audiences`), for
//! registered ones that are open to any client, and for this server itself. A token for an API says nothing that concerns another one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{AccessTokenFormat, Algorithm, Client};
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::scope::{STANDARD, Scope};
use super::time::Timestamp;
use super::{audience, authorization_details};

/// The most resources that one request may name.
const MAX_ASKED: usize = 16;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, reason, description)
}

const MALFORMED: OAuthError = invalid("resource_malformed", "resource must be an absolute URI without a fragment");
const UNKNOWN: OAuthError = invalid("resource_unknown", "A resource is unknown, or not for this client");
/// Told like [`UNKNOWN`]; the audit log knows better.
const NOT_ALLOWED: OAuthError = invalid("resource_not_allowed", "A resource is unknown, or not for this client");
const NOT_GRANTED: OAuthError = invalid("resource_not_granted", "A resource exceeds what was granted");

/// A registered resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub id: String,
    /// The value of `resource`, and of `aud` in its tokens. Compared character by character.
    pub identifier: String,
    pub metadata: ResourceMetadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the changes: the ETag of the management API.
    pub version: i64,
}

/// What was registered for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceMetadata {
    /// Shown to people on the consent page.
    pub name: String,
    /// The scope values that mean something there, each with the sentence that the consent page shows. With none, its tokens
    /// hold every value that belongs to no other resource.
    #[serde(default)]
    pub scopes: BTreeMap<String, String>,
    /// Any client may ask for it, and for its scopes, without being registered for them: its people decide on the consent page.
    #[serde(default)]
    pub open: bool,
    /// The client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_format: Option<AccessTokenFormat>,
    /// The client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<Algorithm>,
    /// Seconds; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<i64>,
    /// Its types of `authorization_details`, by name (RFC 9396 §5). For clients that are registered for them; where it is open, for
    /// all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorization_details_types: BTreeMap<String, DetailType>,
}

/// A type of authorization details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailType {
    /// What the consent page says of it.
    pub description: String,
    /// What its objects hold beside `type`, as a JSON Schema ([`super::json_schema`]).
    #[schema(value_type = Object)]
    pub schema: Value,
}

impl Resource {
    fn owns(&self, value: &str) -> bool {
        self.metadata.scopes.contains_key(value)
    }
}

/// What an authorization reaches beside its scope. Empty: what the client is registered for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Identifiers of the resources that were asked for (RFC 8707 §2.1).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// Details that were asked for (RFC 9396 §2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
}

impl Reach {
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.authorization_details.is_empty()
    }

    /// Whether who agreed to `other` agreed to this. Details are agreed to each time: who paid once did not agree to pay again.
    /// Nor did who agreed to one API agree to all that the client is registered for, which is what naming none means.
    pub fn is_within(&self, other: &Self) -> bool {
        let is_part = self.resources.is_empty() == other.resources.is_empty() && self.resources.is_subset(&other.resources);
        is_part && self.authorization_details.is_empty()
    }
}

/// What one access token is for, and what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub audience: Vec<String>,
    pub scope: Scope,
    pub format: AccessTokenFormat,
    pub algorithm: Algorithm,
    /// Seconds; the server's default when absent.
    pub lifetime: Option<i64>,
    /// See [`Resources::details_for`].
    pub authorization_details: Vec<Value>,
}

/// All registered resources.
#[derive(Clone, Debug, Default)]
pub struct Resources(BTreeMap<String, Resource>);

impl Resources {
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        Self(resources.into_iter().map(|resource| (resource.identifier.clone(), resource)).collect())
    }

    pub fn get(&self, identifier: &str) -> Option<&Resource> {
        self.0.get(identifier)
    }

    /// Whether a scope value is one of a resource's own.
    pub fn knows_scope(&self, value: &str) -> bool {
        self.0.values().any(|resource| resource.owns(value))
    }

    /// The sentences for the scope values of all.
    pub fn sentences(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.values().flat_map(|resource| &resource.metadata.scopes)
    }

    /// The scope values that a client may ask for together with these resources, though it isn't registered for them. One that
    /// is not open may make more of a value than the open one does: then it has to be a value that the client is registered for.
    pub fn open_scope(&self, asked: &BTreeSet<String>, value: &str) -> bool {
        let is_open = |identifier: &String| self.get(identifier).is_some_and(|resource| resource.metadata.open);
        asked.iter().all(is_open) && self.among(asked).any(|resource| resource.owns(value))
    }

    fn among<'a>(&'a self, asked: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Resource> {
        asked.iter().filter_map(|identifier| self.get(identifier))
    }

    /// Whether the client may have tokens for it.
    pub fn allows(&self, client: &Client, identifier: &str, issuer: &str) -> bool {
        let is_open = self.get(identifier).is_some_and(|resource| resource.metadata.open);
        is_open || is_registered_for(client, identifier, issuer)
    }

    /// [`Resources::asked`] where no person is asked: what is open is open because its people decide.
    pub fn asked_by_service(&self, params: &Params, client: &Client, issuer: &str) -> Result<BTreeSet<String>, OAuthError> {
        let asked = self.asked(params, client, issuer)?;
        if asked.iter().all(|identifier| is_registered_for(client, identifier, issuer)) { Ok(asked) } else { Err(NOT_ALLOWED) }
    }

    /// The resources that a request names, all of which the client may have (RFC 8707 §2). Empty when it names none.
    pub fn asked(&self, params: &Params, client: &Client, issuer: &str) -> Result<BTreeSet<String>, OAuthError> {
        let asked: BTreeSet<&str> = params.values("resource").collect();
        if asked.len() > MAX_ASKED || !asked.iter().all(|identifier| is_identifier(identifier)) {
            return Err(MALFORMED);
        }
        let asked: BTreeSet<String> = asked.into_iter().map(|written| self.known_as(written, client, issuer)).collect();
        match asked.iter().find(|identifier| !self.allows(client, identifier, issuer)) {
            None => Ok(asked),
            Some(unknown) if self.get(unknown).is_none() => Err(UNKNOWN),
            Some(_) => Err(NOT_ALLOWED),
        }
    }

    /// As the resource is registered, if it is the same URI in another spelling: with a host in upper case, or a slash behind it,
    /// which libraries add that take the text apart (RFC 3986 §6.2.2.1, §6.2.3).
    fn known_as(&self, written: &str, client: &Client, issuer: &str) -> String {
        let known = || self.0.keys().chain(&client.metadata.audiences).map(String::as_str).chain([issuer]);
        if known().any(|known| known == written) {
            return written.to_owned();
        }
        let Ok(asked) = url::Url::parse(written) else { return written.to_owned() };
        // Few are of the same host, and those alone are taken apart.
        let host = asked.host_str().unwrap_or_default();
        let is_near = |known: &&str| known.to_ascii_lowercase().contains(host);
        let same = |known: &&str| url::Url::parse(known).is_ok_and(|known| known == asked);
        known().filter(is_near).find(same).unwrap_or(written).to_owned()
    }

    /// What of `granted` a token is for: what the request names, else everything (RFC 8707 §2.2). What the client may no longer have
    /// is left out.
    pub fn within(
        &self,
        granted: &BTreeSet<String>,
        (params, client): (&Params, &Client),
        scope: &Scope,
        issuer: &str,
    ) -> Result<BTreeSet<String>, OAuthError> {
        let asked = self.asked(params, client, issuer)?;
        let usual;
        let reach = if granted.is_empty() {
            usual = audience::for_token(client, scope, issuer).into_iter().collect();
            &usual
        } else {
            granted
        };
        // The userinfo endpoint is there for whoever logged somebody in.
        let is_granted = |identifier: &String| reach.contains(identifier) || identifier == issuer && scope.contains("openid");
        if !asked.iter().all(is_granted) {
            return Err(NOT_GRANTED);
        }
        if !asked.is_empty() || granted.is_empty() {
            return Ok(asked);
        }
        let left: BTreeSet<String> =
            granted.iter().filter(|identifier| self.allows(client, identifier, issuer)).cloned().collect();
        if left.is_empty() { Err(NOT_ALLOWED) } else { Ok(left) }
    }

    /// What a token of `scope` for these resources is. For none it is the client's usual one.
    pub fn target(&self, client: &Client, asked: &BTreeSet<String>, scope: &Scope, issuer: &str) -> Target {
        let metadata = &client.metadata;
        let (format, algorithm) = (metadata.access_token_format, metadata.access_token_signed_response_alg);
        let lifetime = metadata.access_token_lifetime;
        if asked.is_empty() {
            let audience = audience::for_token(client, scope, issuer);
            return Target { audience, scope: scope.clone(), format, algorithm, lifetime, authorization_details: Vec::new() };
        }
        let formats = || asked.iter().map(|identifier| self.get(identifier).and_then(|known| known.metadata.access_token_format));
        let opaque = formats().any(|own| own.unwrap_or(format) == AccessTokenFormat::Opaque);
        Target {
            audience: asked.iter().cloned().collect(),
            scope: scope.filter(|value| self.concerns(asked, value, issuer)),
            // Every API can ask about an opaque token; not every one can read a JWT.
            format: if opaque { AccessTokenFormat::Opaque } else { AccessTokenFormat::Jwt },
            algorithm: self.among(asked).find_map(|known| known.metadata.access_token_signed_response_alg).unwrap_or(algorithm),
            lifetime: self.among(asked).filter_map(|known| known.metadata.access_token_lifetime).min().or(lifetime),
            authorization_details: Vec::new(),
        }
    }

    /// A type of authorization details, and whose it is.
    pub fn detail_type(&self, name: &str) -> Option<(&Resource, &DetailType)> {
        self.0.values().find_map(|resource| Some((resource, resource.metadata.authorization_details_types.get(name)?)))
    }

    /// Everybody who has a type of this name.
    pub fn detail_owners(&self, name: &str) -> impl Iterator<Item = &Resource> {
        self.0.values().filter(move |resource| resource.metadata.authorization_details_types.contains_key(name))
    }

    /// The names of all types.
    pub fn detail_types(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|resource| resource.metadata.authorization_details_types.keys())
    }

    /// Those of the details that concern the audience of a token.
    pub fn details_for(&self, audience: &[String], details: Vec<Value>) -> Vec<Value> {
        let mut details = details;
        details.retain(|detail| {
            let owner = authorization_details::type_of(detail).and_then(|name| self.detail_type(name));
            owner.is_some_and(|(resource, _)| audience.contains(&resource.identifier))
        });
        details
    }

    /// Whether the scope value says anything to one of these.
    fn concerns(&self, asked: &BTreeSet<String>, value: &str, issuer: &str) -> bool {
        if STANDARD.contains(&value) {
            return asked.contains(issuer);
        }
        let takes_any = |identifier: &String| self.get(identifier).is_none_or(|known| known.metadata.scopes.is_empty());
        self.among(asked).any(|known| known.owns(value)) || !self.knows_scope(value) && asked.iter().any(takes_any)
    }
}

/// Whether it is this server, or one that the client was registered for.
fn is_registered_for(client: &Client, identifier: &str, issuer: &str) -> bool {
    identifier == issuer || client.metadata.audiences.iter().any(|audience| audience == identifier)
}

/// RFC 8707 §2: an absolute URI without a fragment.
pub fn is_identifier(text: &str) -> bool {
    let printable = text.len() <= 255 && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    printable && !text.contains('#') && url::Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests;
