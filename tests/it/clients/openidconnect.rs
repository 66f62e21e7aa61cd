//! The Rust crate openidconnect, unmodified, against Ostiary.

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreRequestTokenError, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType, CoreUserInfoClaims,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IntrospectionUrl, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, ProviderMetadata, RedirectUrl, RevocationUrl,
    Scope, TokenIntrospectionResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};

use super::person::Person;
use crate::process::{REDIRECT_URI, Server};

/// What RFC 8414 adds to OpenID Connect Discovery, which is all that the crate knows by itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct OAuthEndpoints {
    introspection_endpoint: String,
    revocation_endpoint: String,
}

impl AdditionalProviderMetadata for OAuthEndpoints {}

type Metadata = ProviderMetadata<
    OAuthEndpoints,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Carries the crate's requests over the reqwest that this project has already.
///
/// The crate revokes over https alone: here this closure stands in for the proxy that would end the TLS connection.
async fn http(mut request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let plain = request.uri().to_string().replacen("https://", "http://", 1);
    *request.uri_mut() = plain.parse().expect("a URI");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let response = client.execute(request.try_into()?).await?;
    let mut answer = HttpResponse::default();
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

async fn discover(server: &Server) -> Metadata {
    let issuer = IssuerUrl::new(server.issuer.clone()).expect("issuer");
    Metadata::discover_async(issuer, &http).await.expect("discovery")
}

#[tokio::test]
async fn the_crate_openidconnect_works_unmodified() {
    let server = Server::with_person();
    let (id, secret) = server.client(&["--name", "Crate", "--redirect-uri", REDIRECT_URI]);
    let metadata = discover(&server).await;
    let endpoints = metadata.additional_metadata().clone();
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id.clone()), Some(ClientSecret::new(secret)))
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).expect("URL"))
        .set_introspection_url(IntrospectionUrl::new(endpoints.introspection_endpoint).expect("URL"))
        .set_revocation_url(RevocationUrl::new(endpoints.revocation_endpoint.replacen("http:", "https:", 1)).expect("URL"));

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let callback = Person::new().visit(url).await;
    let parameter = |name: &str| callback.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(parameter("state").as_ref(), Some(state.secret()));
    assert_eq!(parameter("iss").as_ref(), Some(&server.issuer));

    let code = AuthorizationCode::new(parameter("code").expect("a code"));
    let exchange = client.exchange_code(code).expect("endpoint").set_pkce_verifier(verifier);
    let tokens = exchange.request_async(&http).await.expect("tokens");
    let id_token = tokens.id_token().expect("an ID token");
    let claims = id_token.claims(&client.id_token_verifier(), &nonce).expect("a valid ID token");
    let subject = claims.subject().clone();

    let userinfo = client.user_info(tokens.access_token().clone(), Some(subject.clone())).expect("endpoint");
    let userinfo: CoreUserInfoClaims = userinfo.request_async(&http).await.expect("userinfo");
    assert_eq!(*userinfo.subject(), subject);

    let refresh_token = tokens.refresh_token().expect("a refresh token");
    let refreshed = client.exchange_refresh_token(refresh_token).expect("endpoint").request_async(&http).await.expect("refresh");
    assert_ne!(refreshed.access_token().secret(), tokens.access_token().secret());

    let introspect = async || client.introspect(refreshed.access_token()).request_async(&http).await.expect("introspection");
    let introspected = introspect().await;
    assert!(introspected.active());
    assert_eq!(introspected.sub(), Some(subject.as_str()));
    assert_eq!(introspected.client_id().map(|id| id.as_str()), Some(id.as_str()));

    client.revoke_token(refreshed.access_token().into()).expect("endpoint").request_async(&http).await.expect("revoked");
    assert!(!introspect().await.active());
}

#[tokio::test]
async fn the_crate_openidconnect_gets_client_credentials_and_reads_our_errors() {
    let server = Server::start();
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let metadata = discover(&server).await;
    let with = |secret: String| {
        CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id.clone()), Some(ClientSecret::new(secret)))
    };

    let client = with(secret);
    let request = client.exchange_client_credentials().expect("endpoint");
    let tokens = request.request_async(&http).await.expect("a token");
    assert!(tokens.refresh_token().is_none());

    let client = with("wrong".to_owned());
    let error = client.exchange_client_credentials().expect("endpoint").request_async(&http).await.expect_err("refused");
    let CoreRequestTokenError::ServerResponse(answer) = error else { panic!("{error:?}") };
    assert_eq!(answer.error().as_ref(), "invalid_client");
}
