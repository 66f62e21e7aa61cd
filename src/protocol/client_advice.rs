//! What should be better about the registration of a client (RFC 9700). What may not be at all, registration refuses.

use super::client::{AccessTokenFormat, ApplicationType, Client, ClientMetadata, RequestObjectAlgorithm};
use super::redirect_uri::RedirectUri;
use super::scope;
use super::time::Timestamp;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Note,
    Warning,
}

/// One thing that should be better. Both sentences are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// A stable word.
    pub code: &'static str,
    pub weight: Weight,
    pub saw: &'static str,
    pub mend: &'static str,
}

/// Seconds for which a token may be good that nobody can call back.
const LONG: i64 = 3_600;

/// Everything about this client.
pub fn advise(client: &Client, now: Timestamp) -> Vec<Advice> {
    let checks = redirects(&client.metadata).into_iter().chain(credentials(client, now)).chain(tokens(client));
    checks.filter_map(|(found, advice)| found.then_some(advice)).collect()
}

/// Whether it is so, and what follows.
type Check = (bool, Advice);

fn redirects(metadata: &ClientMetadata) -> [Check; 4] {
    let uris = || metadata.redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok());
    let is_web = metadata.application_type == ApplicationType::Web;
    [
        (
            metadata.response_types.iter().any(|kind| kind.is_legacy()),
            warning(
                "legacy_response_types",
                "It may have tokens brought through the browser (RFC 9700 section 2.1.2).",
                "Move it to the code flow with PKCE, and take response_types away.",
            ),
        ),
        (
            uris().any(|uri| uri.is_plain_http()),
            warning("plain_http", "A redirect URI is plain http: whoever is in between reads the code.", "Register https URIs."),
        ),
        (
            uris().any(|uri| uri.is_loopback()) && is_web,
            note(
                "loopback",
                "A web application has a redirect URI at this machine: left over from development?",
                "Take it away, or give developers a client of their own; an installed application is application_type native.",
            ),
        ),
        (
            uris().any(|uri| uri.has_private_use_scheme()),
            note(
                "private_use_scheme",
                "A redirect URI has a scheme of its own, which any application on the device may take (RFC 8252 section 7.1).",
                "Use an https URI that the operating system gives to the application, or the loopback interface.",
            ),
        ),
    ]
}

fn credentials(client: &Client, now: Timestamp) -> [Check; 4] {
    let metadata = &client.metadata;
    let method = metadata.token_endpoint_auth_method;
    [
        (
            method.has_secret() && !client.secrets.iter().any(|secret| secret.is_valid(now)),
            warning(
                "no_secret",
                "It authenticates with a secret, and has none that is valid.",
                "Give it one: ostiary client reset-secret.",
            ),
        ),
        (
            method.has_secret(),
            note(
                "shared_secret",
                "It authenticates with a secret that this server shares (RFC 9700 recommends asymmetric keys).",
                "Register a key or a certificate: private_key_jwt, tls_client_auth.",
            ),
        ),
        (
            metadata.legacy_assertion_audience,
            warning(
                "assertion_audience",
                "Its assertions may be made out to the token endpoint, so that one for another server could be used here.",
                "Have it use the issuer as aud, and take legacy_assertion_audience away.",
            ),
        ),
        (
            metadata.request_object_signing_alg.is_some_and(|algorithm| algorithm == RequestObjectAlgorithm::Unsigned),
            note(
                "unsigned_requests",
                "Its request objects are not signed: the browser can change them.",
                "Register an algorithm as request_object_signing_alg.",
            ),
        ),
    ]
}

fn tokens(client: &Client) -> [Check; 4] {
    let metadata = &client.metadata;
    let is_bound = metadata.dpop_bound_access_tokens || metadata.tls_client_certificate_bound_access_tokens;
    let administers = !metadata.scope.intersection(&scope::management()).is_empty();
    let is_read = metadata.access_token_format == AccessTokenFormat::Jwt;
    let lasts = is_read && metadata.access_token_lifetime.is_some_and(|seconds| seconds > LONG);
    [
        (
            lasts && !is_bound,
            warning(
                "long_lived_token",
                "Its access tokens are bearer tokens that last longer than an hour and count wherever they are read without asking.",
                "Shorten access_token_lifetime, make them opaque, or bind them to a key (DPoP, mutual TLS).",
            ),
        ),
        (
            administers && !is_bound,
            note(
                "powerful_bearer",
                "It may administer this server with tokens that are good in anybody's hands.",
                "Set dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens.",
            ),
        ),
        (
            administers && client.is_public(),
            warning(
                "powerful_public",
                "It may administer this server, and everybody can say that they are it.",
                "Register a confidential client for it.",
            ),
        ),
        (
            metadata.first_party && metadata.self_registered,
            warning(
                "unknown_first_party",
                "It registered itself and skips the consent page.",
                "Look at who it is; then take self_registered or first_party away.",
            ),
        ),
    ]
}

const fn warning(code: &'static str, saw: &'static str, mend: &'static str) -> Advice {
    Advice { code, weight: Weight::Warning, saw, mend }
}

const fn note(code: &'static str, saw: &'static str, mend: &'static str) -> Advice {
    Advice { code, weight: Weight::Note, saw, mend }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::testing::client;
    use crate::protocol::client::{ClientAuthMethod, ClientSecret};

    fn codes(change: impl FnOnce(&mut ClientMetadata)) -> Vec<&'static str> {
        let now = Timestamp::from_seconds(1);
        let mut client = client(|metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            change(metadata);
        });
        if client.metadata.client_name != "None" && client.has_secret() {
            let (id, hash) = ("1".to_owned(), [0; 32]);
            client.secrets.push(ClientSecret { id, hash, sealed: None, created_at: now, expires_at: None });
        }
        advise(&client, now).into_iter().map(|advice| advice.code).collect()
    }

    #[test]
    fn a_good_registration_needs_no_advice() {
        assert_eq!(codes(|_| {}), Vec::<&str>::new());
    }

    #[test]
    fn each_weakness_is_seen() {
        let uris = |uri: &str| vec![uri.to_owned()];
        assert_eq!(codes(|metadata| metadata.redirect_uris = uris("http://app.example/cb")), ["plain_http"]);
        assert_eq!(codes(|metadata| metadata.redirect_uris = uris("http://127.0.0.1/cb")), ["loopback"]);
        let native = |metadata: &mut ClientMetadata| {
            metadata.application_type = ApplicationType::Native;
            metadata.redirect_uris = uris("com.example.app:/cb");
        };
        assert_eq!(codes(native), ["private_use_scheme"]);
        assert_eq!(codes(|metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretPost), ["shared_secret"]);
        let without = |metadata: &mut ClientMetadata| {
            metadata.client_name = "None".to_owned();
            metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretBasic;
        };
        assert_eq!(codes(without), ["no_secret", "shared_secret"]);
        let legacy = |metadata: &mut ClientMetadata| {
            metadata.response_types = vec![serde_json::from_value("code id_token".into()).unwrap()];
        };
        assert_eq!(codes(legacy), ["legacy_response_types"]);
        assert_eq!(codes(|metadata| metadata.legacy_assertion_audience = true), ["assertion_audience"]);
        assert_eq!(
            codes(|metadata| metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::Unsigned)),
            ["unsigned_requests"]
        );
        assert_eq!(codes(|metadata| metadata.access_token_lifetime = Some(LONG + 1)), ["long_lived_token"]);
        let bound = |metadata: &mut ClientMetadata| {
            metadata.access_token_lifetime = Some(LONG + 1);
            metadata.dpop_bound_access_tokens = true;
        };
        assert_eq!(codes(bound), Vec::<&str>::new());
        let administers = |metadata: &mut ClientMetadata| metadata.scope = scope::management();
        assert_eq!(codes(administers), ["powerful_bearer"]);
        let public = |metadata: &mut ClientMetadata| {
            metadata.scope = scope::management();
            metadata.token_endpoint_auth_method = ClientAuthMethod::None;
        };
        assert_eq!(codes(public), ["powerful_bearer", "powerful_public"]);
        let unknown = |metadata: &mut ClientMetadata| (metadata.first_party, metadata.self_registered) = (true, true);
        assert_eq!(codes(unknown), ["unknown_first_party"]);
    }
}
