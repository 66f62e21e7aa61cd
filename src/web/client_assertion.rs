//! Checks the assertion by which a client authenticates: `private_key_jwt` and `client_secret_jwt` (RFC 7523; OpenID Connect Core §9).
//!
//! Some signature is checked whatever is wrong, so that an unknown client takes no less time than a known one.

use secrecy::{ExposeSecret, SecretString};

use super::client::ClientRegistry;
use crate::keys::foreign::{self, Claims};
use crate::keys::hash::TokenKind;
use crate::keys::ring::Untrusted;
use crate::protocol::assertion::Once;
use crate::protocol::client::{AssertionAlgorithm, Client, ClientAuthMethod};
use crate::protocol::client_assertion::{
    self, Expected, KEYS_UNAVAILABLE, MALFORMED, REPLAYED, TYPES, UNKNOWN_KEY, WRONG_ALGORITHM, WRONG_SIGNATURE, WRONG_TYPE,
};
use crate::protocol::client_auth::{DISABLED_CLIENT, PresentedCredentials, UNKNOWN_CLIENT};
use crate::protocol::error::OAuthError;
use crate::protocol::metadata::path;
use crate::protocol::time::Timestamp;
use crate::storage::error::Error;
use crate::storage::spent;
use crate::telemetry::findings::note;

/// Whether the assertion is the client's, and good; if it is, it is used up.
pub(super) async fn check(
    registry: &impl ClientRegistry,
    presented: &PresentedCredentials,
    assertion: &SecretString,
    client: Option<&Client>,
    now: Timestamp,
) -> Result<Result<(), OAuthError>, Error> {
    let (client, once) = match verified(registry, presented, assertion.expose_secret(), client, now).await {
        Ok(verified) => verified,
        Err(refusal) => {
            foreign::note_header(assertion.expose_secret(), HEADER);
            return Ok(Err(refusal));
        }
    };
    let name = format!("{} {}", client.id, once.jti);
    let hash = registry.token_hasher().hash(TokenKind::ClientAssertion, &name);
    let is_first = registry.db().write(async |tx| spent::spend(tx, &hash, once.ends_at, now).await).await?;
    Ok(if is_first { Ok(()) } else { Err(REPLAYED) })
}

async fn verified<'c>(
    registry: &impl ClientRegistry,
    presented: &PresentedCredentials,
    token: &str,
    client: Option<&'c Client>,
    now: Timestamp,
) -> Result<(&'c Client, Once), OAuthError> {
    let Some(client) = client else {
        foreign::pretend_to_verify(token);
        return Err(UNKNOWN_CLIENT);
    };
    presented.check_method(client).inspect_err(|_| foreign::pretend_to_verify(token))?;
    let claims = signed(registry, client, token, now).await.inspect_err(|refusal| {
        if *refusal != WRONG_SIGNATURE {
            foreign::pretend_to_verify(token);
        }
    })?;
    let token_endpoint = format!("{}{}", registry.issuer(), path::TOKEN);
    let expected = Expected {
        client: &client.id,
        issuer: registry.issuer(),
        token_endpoint: client.metadata.legacy_assertion_audience.then_some(token_endpoint.as_str()),
    };
    let once = client_assertion::check(&claims, &expected, now).inspect_err(|_| saw_claims(&claims, &expected, now))?;
    if client.is_active() { Ok((client, once)) } else { Err(DISABLED_CLIENT) }
}

/// The claims, if the client made them.
async fn signed(registry: &impl ClientRegistry, client: &Client, token: &str, now: Timestamp) -> Result<Claims, OAuthError> {
    if client.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt {
        return by_secret(registry, client, token, now);
    }
    let registered = client.metadata.token_endpoint_auth_signing_alg.map(AssertionAlgorithm::of_keys);
    let algorithms = registered.as_ref().map_or(client.metadata.demands().algorithms, Option::as_slice);
    let keys = registry.client_keys().of(client, token, now).await.map_err(|cause| {
        note("client_keys", "failure", cause);
        KEYS_UNAVAILABLE
    })?;
    keys.verify(token, foreign::Expected { algorithms, types: TYPES }).map_err(refusal)
}

/// With each secret that counts, as both do while one replaces the other.
fn by_secret(registry: &impl ClientRegistry, client: &Client, token: &str, now: Timestamp) -> Result<Claims, OAuthError> {
    let valid = client.secrets.iter().filter(|secret| secret.is_valid(now));
    let secrets = valid.filter_map(|secret| registry.client_secrets().open(&client.id, secret));
    let mut found = Err(UNKNOWN_KEY);
    for secret in secrets {
        let verified = foreign::verify_with_secret(token, &secret, TYPES).map_err(refusal);
        found = found.or(verified);
    }
    found
}

fn refusal(untrusted: Untrusted) -> OAuthError {
    match untrusted {
        Untrusted::Malformed | Untrusted::Claims | Untrusted::Unacceptable(_) => MALFORMED,
        Untrusted::UnknownKey => UNKNOWN_KEY,
        Untrusted::Algorithm => WRONG_ALGORITHM,
        Untrusted::Type => WRONG_TYPE,
        Untrusted::Signature => WRONG_SIGNATURE,
    }
}

/// The checks of the header.
const HEADER: [&str; 3] = ["assertion_algorithm", "assertion_type", "assertion_key"];

fn saw_claims(claims: &Claims, expected: &Expected<'_>, now: Timestamp) {
    let claim = |name: &str| claims.get(name).map_or_else(|| "none".to_owned(), ToString::to_string);
    note("assertion_client", "iss", claim("iss"));
    note("assertion_audience", "presented", claim("aud"));
    note("assertion_audience", "expected", expected.issuer);
    for (check, name) in [("assertion_expiry", "exp"), ("assertion_begin", "iat"), ("assertion_begin", "nbf")] {
        note(check, name, claim(name));
    }
    note("assertion_expiry", "now", now.as_seconds());
}
