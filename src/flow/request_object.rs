//! Opens a request object that came with the request (RFC 9101 §6).

use zeroize::Zeroizing;

use crate::keys::foreign;
use crate::keys::ring::{Closed, Untrusted};
use crate::protocol::client::{Client, RequestObjectAlgorithm};
use crate::protocol::error::OAuthError;
use crate::protocol::jwe::{self, Jwe, Unreadable};
use crate::protocol::jwt::{self, Compact};
use crate::protocol::params::Params;
use crate::protocol::request_object::{
    self, ENCRYPTED_FOR_ANOTHER, Expected, KEYS_UNAVAILABLE, MALFORMED, REPEATED, REQUIRED, RESPONSE_TYPE_DIFFERS, TYPES,
    UNDECIPHERABLE, UNKNOWN_KEY, UNSIGNED, WRONG_ALGORITHM, WRONG_ENCRYPTION, WRONG_SIGNATURE, WRONG_TYPE,
};
use crate::protocol::request_uri;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::telemetry::findings::note;

/// What the object says.
#[derive(Debug)]
pub struct Opened {
    pub params: Params,
    pub signed: bool,
}

/// The request that is in the object, if there is one: nothing beside it counts (§6.3). An error goes to the redirection URI
/// beside it, if that is one of the client's.
pub async fn open(state: &AppState, now: Timestamp, outer: &Params, client: &Client) -> Result<Option<Opened>, OAuthError> {
    if outer.values("request").chain(outer.values("request_uri")).count() > 1 {
        return Err(REPEATED);
    }
    let published;
    let object = match (outer.get("request"), outer.get("request_uri")) {
        (Some(object), _) => object,
        (None, Some(uri)) => {
            published = fetch(state, now, client, uri).await?;
            published.as_str()
        }
        (None, None) if client.metadata.signs_requests() => return Err(REQUIRED),
        (None, None) => return Ok(None),
    };
    let decrypted;
    let (object, encrypted) = if jwe::is_shaped(object) {
        decrypted = decrypt(state, object, client)?;
        (decrypted.as_str(), true)
    } else {
        (object, false)
    };
    // Anybody can encrypt for this server: what is in there shows by its signature alone who wrote it.
    let registered = client.metadata.request_object_signing_alg;
    let signed = encrypted || registered != Some(RequestObjectAlgorithm::Unsigned);
    if !signed && client.metadata.signs_requests() {
        return Err(REQUIRED);
    }
    let claims = if signed {
        verified(state, now, object, client).await.inspect_err(|_| foreign::note_header(object, HEADER))?
    } else {
        jwt::unsecured_claims(object).map_err(|_| if Compact::split(object).is_ok() { WRONG_ALGORITHM } else { MALFORMED })?
    };
    let longest = client.metadata.demands().request_lifetime;
    let expected = Expected { client: &client.id, issuer: &state.config.server.issuer, signed, longest };
    let params = request_object::params(&claims, &expected, now).inspect_err(|_| saw_claims(&claims, &expected, now))?;
    // OpenID Connect Core §6.1: what has to stand outside for OAuth's sake has to be the same.
    if outer.get("response_type").is_some_and(|outer| params.get("response_type") != Some(outer)) {
        return Err(RESPONSE_TYPE_DIFFERS);
    }
    Ok(Some(Opened { params, signed }))
}

/// What the client has published there.
async fn fetch(state: &AppState, now: Timestamp, client: &Client, uri: &str) -> Result<String, OAuthError> {
    request_uri::registered(client, uri).inspect_err(|_| note("request_uri_registered", "presented_bytes", uri.len()))?;
    let fits = |content: &[u8]| request_uri::fits(uri, content).is_ok();
    let content = state.request_objects.at(request_uri::split(uri).0, fits, now).await.map_err(|cause| {
        note("request_uri_content", "failure", cause);
        request_uri::UNAVAILABLE
    })?;
    request_uri::fits(uri, &content)?;
    let object = String::from_utf8(content.into()).map_err(|_| MALFORMED)?;
    Ok(object.trim_ascii().to_owned())
}

/// What the client encrypted for this server (RFC 9101 §6.1): another object, which is signed.
fn decrypt(state: &AppState, object: &str, client: &Client) -> Result<Zeroizing<String>, OAuthError> {
    let object = Jwe::parse(object).map_err(|unreadable| match unreadable {
        Unreadable::Malformed => MALFORMED,
        Unreadable::Unsupported => WRONG_ENCRYPTION,
    })?;
    if !client.metadata.may_encrypt_requests(object.encryption) {
        note("request_object_encryption", "alg", object.encryption.alg.as_str());
        note("request_object_encryption", "enc", object.encryption.enc.as_str());
        return Err(WRONG_ENCRYPTION);
    }
    let plain = state.keys.decrypt(&object).map_err(|closed| {
        note("request_object_decrypted", "kid", object.kid.as_deref().unwrap_or("none"));
        match closed {
            Closed::UnknownKey => ENCRYPTED_FOR_ANOTHER,
            Closed::Undecipherable => UNDECIPHERABLE,
        }
    })?;
    let text = std::str::from_utf8(&plain).map_err(|_| MALFORMED)?;
    Ok(Zeroizing::new(text.to_owned()))
}

async fn verified(state: &AppState, now: Timestamp, object: &str, client: &Client) -> Result<foreign::Claims, OAuthError> {
    if jwt::unsecured_claims::<serde::de::IgnoredAny>(object).is_ok() {
        return Err(UNSIGNED);
    }
    let registered = client.metadata.request_object_signing_alg.map(RequestObjectAlgorithm::of_keys);
    let algorithms = registered.as_ref().map_or(client.metadata.demands().algorithms, Option::as_slice);
    let keys = state.client_keys.of(client, object, now).await.map_err(|cause| {
        note("request_object_keys", "failure", cause);
        KEYS_UNAVAILABLE
    })?;
    keys.verify(object, foreign::Expected { algorithms, types: TYPES }).map_err(|untrusted| match untrusted {
        Untrusted::Malformed | Untrusted::Claims | Untrusted::Unacceptable(_) => MALFORMED,
        Untrusted::UnknownKey => UNKNOWN_KEY,
        Untrusted::Algorithm => WRONG_ALGORITHM,
        Untrusted::Type => WRONG_TYPE,
        Untrusted::Signature => WRONG_SIGNATURE,
    })
}

/// The checks of the header.
const HEADER: [&str; 3] = ["request_object_algorithm", "request_object_type", "request_object_key"];

fn saw_claims(claims: &foreign::Claims, expected: &Expected<'_>, now: Timestamp) {
    let claim = |name: &str| claims.get(name).map_or_else(|| "none".to_owned(), ToString::to_string);
    note("request_object_client", "iss", claim("iss"));
    note("request_object_client", "client_id", claim("client_id"));
    note("request_object_audience", "presented", claim("aud"));
    note("request_object_audience", "expected", expected.issuer);
    for (check, name) in [("request_object_expiry", "exp"), ("request_object_begin", "iat"), ("request_object_begin", "nbf")] {
        note(check, name, claim(name));
    }
    note("request_object_expiry", "now", now.as_seconds());
}
