//! Clients at the token endpoint: how they authenticate, and what they get on their own account: behaviours 1.3, 1.6.

use std::collections::BTreeSet;

use ostiary::protocol::client::{ClientAuthMethod, ClientStatus, GrantType};

use crate::support::database::TestDatabase;
use crate::support::flow::{assert_error, claims, text};
use crate::support::server::{Persona, TestServer, basic};

#[tokio::test]
async fn client_credentials_give_an_access_token_and_nothing_else() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let service = server.client(Persona::Service, |_| {}).await;
    let answer = server.token(&service, &[("grant_type", "client_credentials"), ("scope", "reports:read")]).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let tokens = answer.json();
    assert_eq!((tokens.get("refresh_token"), tokens.get("id_token")), (None, None));
    let token = text(&tokens, "access_token");
    let claims = claims(&token);
    assert_eq!((&claims["sub"], &claims["aud"]), (&service.id().into(), &"https://api.example".into()));
    assert!(server.audit().await.is_empty(), "a stateless token costs no row");
    let answer = server.introspect(&service, &token).await;
    assert_eq!((&answer["active"], &answer["scope"]), (&true.into(), &"reports:read".into()));

    for scope in ["openid", "offline_access", "reports:read openid", "users:read"] {
        assert_error(
            &server.token(&service, &[("grant_type", "client_credentials"), ("scope", scope)]).await,
            400,
            "invalid_scope",
        );
    }
    let unknown = server.token(&service, &[("grant_type", "client_credentials"), ("scope", "reports:read weather")]).await;
    assert_eq!(unknown.json()["scope"], "reports:read");
    let public = server.client(Persona::Spa, |metadata| metadata.grant_types = vec![GrantType::ClientCredentials]).await;
    assert_error(&server.token(&public, &[("grant_type", "client_credentials")]).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn stateless_tokens_are_recorded_when_the_operator_says_so() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.audit.tokens = true).await;
    let service = server.client(Persona::Service, |_| {}).await;
    server.token(&service, &[("grant_type", "client_credentials")]).await;
    let events = server.audit().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].client_id.as_ref().map(ToString::to_string)),
        ("token.issued", Some(service.id().to_owned()))
    );
}

#[tokio::test]
async fn no_client_authentication_and_a_wrong_one_are_told_apart_by_nobody() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let secret = client.secret.clone().unwrap();
    let post = async |headers: &[(&str, &str)], fields: &[(&str, &str)]| {
        server.post_with("/token", headers, &[&[("grant_type", "client_credentials")], fields].concat()).await
    };
    assert_error(&post(&[], &[]).await, 401, "invalid_client");
    let wrong = post(&[("authorization", &basic(client.id(), "wrong"))], &[]).await;
    let unknown = post(&[("authorization", &basic("nobody", "wrong"))], &[]).await;
    for answer in [&wrong, &unknown] {
        assert_error(answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    assert_eq!(wrong.without_trace_id(), unknown.without_trace_id());
    let reasons: BTreeSet<_> = server.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    assert!(reasons.contains("client_unknown") && reasons.contains("client_secret_wrong"), "{reasons:?}");

    let right = basic(client.id(), &secret);
    let body = [("client_id", client.id()), ("client_secret", secret.as_str())];
    assert_error(&post(&[("authorization", &right)], &body).await, 400, "invalid_request");
    assert_error(&post(&[("authorization", &right), ("authorization", &right)], &[]).await, 400, "invalid_request");
    let in_url = format!("/token?client_id={}&client_secret={secret}", client.id());
    let in_url = server.post_with(&in_url, &[], &[("grant_type", "client_credentials")]).await;
    assert!(matches!(in_url.status.as_u16(), 400 | 401));
    // Registered for client_secret_basic: the same secret in the body is another method.
    assert_error(&post(&[], &body).await, 401, "invalid_client");
    for malformed in ["Basic !!!", "Basic bm9jb2xvbg==", "Basic", "Basic YTo="] {
        let answer = post(&[("authorization", malformed)], &[]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{malformed}: {answer:#?}");
    }
    assert_eq!(post(&[("authorization", &right)], &[]).await.status, 200);

    let poster = server
        .client(Persona::Service, |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretPost)
        .await;
    let secret = poster.secret.clone().unwrap();
    assert_eq!(post(&[], &[("client_id", poster.id()), ("client_secret", &secret)]).await.status, 200);
    assert_error(&post(&[("authorization", &basic(poster.id(), &secret))], &[]).await, 401, "invalid_client");
    let public = server.client(Persona::Spa, |_| {}).await;
    assert_error(&post(&[], &[("client_id", public.id()), ("client_secret", "x")]).await, 401, "invalid_client");
}

#[tokio::test]
async fn both_secrets_work_while_they_overlap() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let mut client = server.client(Persona::Service, |_| {}).await;
    let new = ostiary::random::secret();
    let row = ostiary::protocol::client::ClientSecret {
        id: ostiary::random::uuid(),
        hash: server.state.tokens.hash(ostiary::keys::hash::TokenKind::ClientSecret, &new),
        sealed: None,
        created_at: server.clock.now(),
        expires_at: None,
    };
    let end = server.clock.now() + ostiary::protocol::time::Seconds(60);
    let id = client.client.id.clone();
    server.state.db.write(async |tx| ostiary::storage::clients::add_secret(tx, &id, &row, end).await).await.unwrap();
    let grant = [("grant_type", "client_credentials")];
    assert_eq!(server.token(&client, &grant).await.status, 200);
    let old = client.secret.replace(new);
    assert_eq!(server.token(&client, &grant).await.status, 200);
    server.clock.advance(60);
    assert_eq!(server.token(&client, &grant).await.status, 200);
    client.secret = old;
    assert_error(&server.token(&client, &grant).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_disabled_client_and_its_tokens_count_no_longer_at_once() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let service = server.client(Persona::Service, |_| {}).await;
    let other = server.client(Persona::Service, |_| {}).await;
    let token = text(&server.token(&service, &[("grant_type", "client_credentials")]).await.json(), "access_token");
    assert_eq!(server.introspect(&other, &token).await["active"], true);
    server.update_client(&service, |client| client.status = ClientStatus::Disabled).await;
    assert_eq!(server.introspect(&other, &token).await, serde_json::json!({"active": false}));
    assert_error(&server.token(&service, &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
}

#[tokio::test]
async fn only_scripts_of_registered_origins_may_read_the_answer() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Spa, |_| {}).await;
    for (origin, allowed) in [("https://spa.example", true), ("https://evil.example", false), ("null", false)] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", client.id())];
        let answer = server.post_with("/token", &[("origin", origin)], &fields).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{answer:#?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_an_invalid_request() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let json = http::Request::post("/token").header("content-type", "application/json").body("{}".into()).unwrap();
    assert_error(&server.send(json).await, 400, "invalid_request");
    for body in ["grant_type=%FF", "grant_type=%00", "grant_type=a&grant_type=b"] {
        let request = http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        assert_error(&server.send(request.body(body.into()).unwrap()).await, 400, "invalid_request");
    }
    let put = http::Request::put("/token").body(axum::body::Body::empty()).unwrap();
    let answer = server.send(put).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").unwrap().contains("POST"));
}
