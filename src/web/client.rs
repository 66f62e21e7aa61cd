//! Authenticates the client of a direct endpoint (RFC 6749 §2.3).
//!
//! Whatever is wrong, the public answer is the same and takes the same time: an unknown client, a wrong secret, a method that the
//! client isn't registered for, an assertion that is not good, a disabled client. Only the reason in the audit log tells them apart.

use std::ops::Deref;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use subtle::{Choice, ConstantTimeEq};

use super::context::RequestContext;
use super::error::Problem;
use super::{client_assertion, client_certificate};
use crate::keys::certificate::Authorities;
use crate::keys::client_secret::ClientSecrets;
use crate::keys::hash::{TokenHasher, TokenKind};
use crate::outbound::client_keys::ClientKeys;
use crate::protocol::client::Client;
use crate::protocol::client_auth::{DISABLED_CLIENT, MISSING, PresentedCredentials, UNKNOWN_CLIENT, WRONG_SECRET};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::id::ClientId;
use crate::protocol::params::Params;
use crate::protocol::time::Timestamp;
use crate::storage::client_cache::ClientCache;
use crate::storage::db::Db;
use crate::telemetry::findings::{self, note};

/// What clients are authenticated against: the application's state.
pub trait ClientRegistry {
    fn clients(&self) -> &ClientCache;

    /// The client as it is at this moment, stored or not.
    fn client(
        &self,
        id: &ClientId,
        context: &RequestContext,
    ) -> impl Future<Output = Result<Option<Arc<Client>>, Problem>> + Send;

    fn token_hasher(&self) -> &TokenHasher;

    /// Whom assertions are meant for.
    fn issuer(&self) -> &str;
    /// Where it is kept which assertions were used.
    fn db(&self) -> &Db;
    fn client_keys(&self) -> &ClientKeys;
    fn client_secrets(&self) -> &ClientSecrets;

    /// Who vouches for certificates of clients, if there is anybody.
    fn certificate_authorities(&self) -> Option<&Authorities>;

    /// Whether somebody who says to be this client may be checked: not after too many failures from the same address.
    fn may_try(&self, id: &ClientId, context: &RequestContext) -> Result<(), Problem>;

    /// Somebody failed to prove to be this client.
    fn failed(&self, id: &ClientId, context: &RequestContext) -> impl Future<Output = ()> + Send;
}

/// A client that has proved who it is; or, if it is a public one, has said so.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient(Arc<Client>);

impl Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// Authenticates the client by the `Authorization` field or the body: a secret, or an assertion; or by the certificate of its connection.
pub async fn authenticate(
    registry: &impl ClientRegistry,
    context: &RequestContext,
    headers: &HeaderMap,
    params: &Params,
) -> Result<AuthenticatedClient, Problem> {
    let fields: Vec<&HeaderValue> = headers.get_all(header::AUTHORIZATION).iter().collect();
    // A byte that is not ASCII is no base64, which then is the error.
    let fields: Vec<&str> = fields.iter().map(|field| field.to_str().unwrap_or_default()).collect();
    let challenged = |error: OAuthError| {
        let problem = Problem::from(error);
        let owed = error.code == ErrorCode::InvalidClient && !fields.is_empty();
        if owed { problem.with_basic_challenge() } else { problem }
    };
    let presented = PresentedCredentials::parse(&fields, params).map_err(challenged)?;
    let id = presented.client_id().ok_or(MISSING).map_err(challenged)?;
    registry.may_try(id, context)?;
    let client = registry.client(id, context).await?;
    let checked = match &presented {
        PresentedCredentials::Assertion { assertion, .. } => {
            client_assertion::check(registry, &presented, assertion, client.as_deref(), context.now).await?
        }
        _ => {
            match client.as_deref().filter(|client| matches!(presented, PresentedCredentials::Id(_)) && client.has_certificate())
            {
                Some(client) => client_certificate::check(registry, client, context).await,
                None => check(&presented, client.as_deref(), registry.token_hasher(), context.now),
            }
        }
    };
    if let Err(error) = checked {
        saw(&presented, client.as_deref(), context.now);
        registry.failed(id, context).await;
        return Err(challenged(error));
    }
    client.map(AuthenticatedClient).ok_or_else(|| challenged(UNKNOWN_CLIENT))
}

/// Of a secret, or a name alone. Every check is made, whatever the one before it found.
fn check(
    presented: &PresentedCredentials,
    client: Option<&Client>,
    tokens: &TokenHasher,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let secret_fits = match presented {
        PresentedCredentials::Secret { secret, .. } => {
            let hash = tokens.hash(TokenKind::ClientSecret, secret.expose_secret());
            fits_one(&hash, client, now)
        }
        PresentedCredentials::None | PresentedCredentials::Id(_) => true,
        // Looked at elsewhere.
        PresentedCredentials::Assertion { .. } => false,
    };
    let client = client.ok_or(UNKNOWN_CLIENT)?;
    presented.check_method(client)?;
    if !secret_fits {
        return Err(WRONG_SECRET);
    }
    if client.is_active() { Ok(()) } else { Err(DISABLED_CLIENT) }
}

/// Compares with every secret, valid or not; with one that counts for nothing where there is none.
fn fits_one(hash: &[u8; 32], client: Option<&Client>, now: Timestamp) -> bool {
    let secrets = client.map_or(&[][..], |client| &client.secrets);
    let mut fits = hash.ct_eq(&[0; 32]) & Choice::from(0);
    for secret in secrets {
        fits |= hash.ct_eq(&secret.hash) & Choice::from(u8::from(secret.is_valid(now)));
    }
    fits.into()
}

/// For whoever explains the refusal. Not the name of an unknown client: who mixes up the two words sends the secret there.
fn saw(presented: &PresentedCredentials, client: Option<&Client>, now: Timestamp) {
    let Some(client) = client else { return };
    findings::client(&client.id);
    note("authentication_method", "presented", presented.method().as_str());
    note("authentication_method", "registered", client.metadata.token_endpoint_auth_method.as_str());
    let (valid, expired): (Vec<_>, Vec<_>) = client.secrets.iter().partition(|secret| secret.is_valid(now));
    note("secret", "valid_secrets", valid.len());
    note("secret", "expired_secrets", expired.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::root::Root;
    use crate::protocol::client::{ClientMetadata, ClientSecret, ClientStatus};

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn tokens() -> TokenHasher {
        TokenHasher::new(&Root::random())
    }

    fn secret(tokens: &TokenHasher, text: &str, expires_at: Option<i64>) -> ClientSecret {
        ClientSecret {
            id: text.into(),
            hash: tokens.hash(TokenKind::ClientSecret, text),
            sealed: None,
            created_at: NOW,
            expires_at: expires_at.map(Timestamp::from_seconds),
        }
    }

    fn client(method: &str, secrets: Vec<ClientSecret>) -> Client {
        let metadata = serde_json::json!({ "client_name": "a", "token_endpoint_auth_method": method });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let id = ClientId::parse("a").unwrap();
        Client { id, status: ClientStatus::Active, metadata, secrets, created_at: NOW, updated_at: NOW, version: 1 }
    }

    fn post(secret: &str) -> PresentedCredentials {
        let form = format!("client_id=a&client_secret={secret}");
        PresentedCredentials::parse(&[], &Params::parse(form.as_bytes()).unwrap()).unwrap()
    }

    fn name_alone() -> PresentedCredentials {
        PresentedCredentials::parse(&[], &Params::parse(b"client_id=a").unwrap()).unwrap()
    }

    #[test]
    fn two_secrets_count_while_they_overlap_and_one_afterwards() {
        let tokens = tokens();
        let client = client("client_secret_post", vec![secret(&tokens, "new", None), secret(&tokens, "old", Some(2_000))]);
        for text in ["new", "old"] {
            assert_eq!(check(&post(text), Some(&client), &tokens, NOW), Ok(()), "{text}");
        }
        assert_eq!(check(&post("old"), Some(&client), &tokens, Timestamp::from_seconds(2_000)), Err(WRONG_SECRET));
        assert_eq!(check(&post("new"), Some(&client), &tokens, Timestamp::from_seconds(2_000)), Ok(()));
        assert_eq!(check(&post("other"), Some(&client), &tokens, NOW), Err(WRONG_SECRET));
    }

    #[test]
    fn every_refusal_looks_the_same_from_outside() {
        let tokens = tokens();
        let confidential = client("client_secret_post", vec![secret(&tokens, "s", None)]);
        let other_method = client("client_secret_basic", vec![secret(&tokens, "s", None)]);
        let without_secrets = client("client_secret_post", vec![]);
        let public = client("none", vec![]);
        let disabled = Client { status: ClientStatus::Disabled, ..confidential.clone() };
        let refusals = [
            check(&post("s"), None, &tokens, NOW),
            check(&post("x"), Some(&confidential), &tokens, NOW),
            check(&post("s"), Some(&other_method), &tokens, NOW),
            check(&post("s"), Some(&without_secrets), &tokens, NOW),
            check(&post("s"), Some(&public), &tokens, NOW),
            check(&post("s"), Some(&disabled), &tokens, NOW),
            check(&name_alone(), Some(&confidential), &tokens, NOW),
        ];
        let mut reasons = std::collections::HashSet::new();
        for refusal in refusals {
            let refusal = refusal.unwrap_err();
            assert_eq!((refusal.code, refusal.description), (UNKNOWN_CLIENT.code, UNKNOWN_CLIENT.description));
            reasons.insert(refusal.reason);
        }
        assert_eq!(reasons.len(), 4, "the audit log tells them apart: {reasons:?}");
        assert_eq!(check(&name_alone(), Some(&public), &tokens, NOW), Ok(()));
    }
}
