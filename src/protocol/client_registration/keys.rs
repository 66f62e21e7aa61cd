//! A client's keys, and what it authenticates with (OpenID Connect Registration 1.0 §2; RFC 7591 §2).

use serde_json::Value;
use url::Url;

use super::{Problems, RegistrationPolicy, encryption};
use crate::protocol::client::{AssertionAlgorithm, ClientAuthMethod, ClientMetadata, RequestObjectAlgorithm, SubjectType};
use crate::protocol::foreign_jwk::{ForeignJwk, InvalidJwk};
use crate::protocol::{outbound_url, request_uri, subject_type};

/// The longest URL.
const MAX_URL: usize = 2_048;

/// The largest set, as text: what would be fetched from a `jwks_uri` at most.
const MAX_JWKS: usize = 64 * 1_024;

pub(super) fn check(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
        problems.add("jwks_uri", "jwks_too", "must not stand beside jwks: a client has its keys in one place");
    }
    if let Some(uri) = &metadata.jwks_uri
        && !may_be_asked(uri, policy)
    {
        problems.add("jwks_uri", "url", NOT_ASKED);
    }
    request_uris(&metadata.request_uris, policy, problems);
    sector(metadata, policy, problems);
    let keys = metadata.jwks.as_ref().and_then(|jwks| parsed(jwks, problems));
    algorithm(metadata, keys.as_deref(), problems);
    request_objects(metadata, keys.as_deref(), problems);
    encryption::check(metadata, keys.as_deref(), problems);
    if metadata.token_endpoint_auth_method == ClientAuthMethod::PrivateKeyJwt
        && metadata.jwks.is_none()
        && metadata.jwks_uri.is_none()
    {
        problems.add("jwks", "required", "or jwks_uri must be there for private_key_jwt");
    }
}

/// Of a URL that this server would ask.
pub(super) const NOT_ASKED: &str =
    "must be an https URL at a public host, without credentials and fragment, on port 443 or above 1023";

pub(super) fn may_be_asked(text: &str, policy: &RegistrationPolicy) -> bool {
    let usable = |url: &Url| url.fragment().is_none() && outbound_url::target(url, &policy.private_hosts).is_some();
    text.len() <= MAX_URL && Url::parse(text).is_ok_and(|url| usable(&url))
}

/// OpenID Connect Core §8.1. What stands at the URI is looked at by whoever may ask for it.
fn sector(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    if let Some(uri) = &metadata.sector_identifier_uri {
        if !may_be_asked(uri, policy) {
            problems.add("sector_identifier_uri", "url", NOT_ASKED);
        }
    } else if metadata.subject_type == SubjectType::Pairwise && subject_type::sector(metadata).is_none() {
        problems.add("sector_identifier_uri", "required", "must be there where the redirect URIs are not all on one host");
    }
}

fn request_uris(uris: &[String], policy: &RegistrationPolicy, problems: &mut Problems) {
    if !problems.list("request_uris", uris) {
        return;
    }
    for (index, uri) in uris.iter().enumerate() {
        let field = format!("request_uris[{index}]");
        let (location, hash) = request_uri::split(uri);
        if uri.len() > request_uri::MAX_LENGTH {
            problems.add(field, "too_long", format!("has more than {} characters", request_uri::MAX_LENGTH));
        } else if !may_be_asked(location, policy) {
            problems.add(field, "url", NOT_ASKED);
        } else if hash.is_some_and(|hash| !request_uri::is_hash(hash)) {
            problems.add(field, "hash", "must have nothing behind the # but the SHA-256 of what is there, in base64url");
        }
    }
}

fn parsed(jwks: &Value, problems: &mut Problems) -> Option<Vec<ForeignJwk>> {
    if jwks.to_string().len() > MAX_JWKS {
        problems.add("jwks", "too_long", "has more than 64 KiB");
        return None;
    }
    match ForeignJwk::parse_set(jwks) {
        Ok(keys) => Some(keys),
        Err(error) => {
            let code = match error {
                InvalidJwk::Private => "private_key",
                InvalidJwk::Set => "set",
                InvalidJwk::Unsupported | InvalidJwk::Malformed => "malformed_key",
            };
            problems.add("jwks", code, error.to_string());
            None
        }
    }
}

/// Who has to sign, or says by what, needs a key for it.
fn request_objects(metadata: &ClientMetadata, keys: Option<&[ForeignJwk]>, problems: &mut Problems) {
    let algorithm = metadata.request_object_signing_alg.map(RequestObjectAlgorithm::of_keys);
    if algorithm == Some(None) {
        if metadata.signs_requests() {
            problems.add("request_object_signing_alg", "unsigned", "must not be none where signed request objects are required");
        }
        return;
    }
    let signs = metadata.signs_requests() || algorithm.is_some();
    if signs && metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        problems.add("jwks", "required", "or jwks_uri must be there for signed request objects");
    }
    if let (Some(Some(algorithm)), Some(keys)) = (algorithm, keys)
        && !keys.iter().any(|key| key.signs_with(algorithm.as_str()))
    {
        problems.add("jwks", "no_key", "holds no key that can sign the client's request objects");
    }
}

/// The algorithm has to be one of the method, and one that a key is there for.
fn algorithm(metadata: &ClientMetadata, keys: Option<&[ForeignJwk]>, problems: &mut Problems) {
    const FIELD: &str = "token_endpoint_auth_signing_alg";
    let algorithm = metadata.token_endpoint_auth_signing_alg;
    match metadata.token_endpoint_auth_method {
        ClientAuthMethod::ClientSecretJwt if algorithm.is_some_and(|algorithm| algorithm != AssertionAlgorithm::HS256) => {
            problems.add(FIELD, "method", "must be HS256 for client_secret_jwt");
        }
        ClientAuthMethod::PrivateKeyJwt => {
            let wanted = algorithm.map(AssertionAlgorithm::of_keys);
            let signs = |key: &ForeignJwk| match wanted {
                Some(wanted) => wanted.is_some_and(|wanted| key.signs_with(wanted.as_str())),
                None => AssertionAlgorithm::ALL
                    .into_iter()
                    .filter_map(AssertionAlgorithm::of_keys)
                    .any(|any| key.signs_with(any.as_str())),
            };
            if wanted == Some(None) {
                problems.add(FIELD, "method", "must not be HS256 for private_key_jwt: that is made with a secret");
            } else if keys.is_some_and(|keys| !keys.iter().any(signs)) {
                problems.add("jwks", "no_key", "holds no key that can sign the client's assertions");
            }
        }
        _ => {}
    }
}
