//! Pushed authorization requests: behaviours 1.2 P1 to P6, P8, and A27, A29 of 1.1.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use ostiary::jobs::cleanup;
use ostiary::protocol::time::Seconds;

use super::assert_page;
use crate::guard::attack::recorded;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::Prover;
use crate::support::flow::{AuthorizationUrl, allow, assert_error, claims, log_in, redeem, text};
use crate::support::server::{Persona, TestClient, TestServer, basic};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Pushes a request as the client that it is about.
pub async fn push(server: &TestServer, client: &TestClient, request: &AuthorizationUrl) -> Answer {
    let fields: Vec<_> = request.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let secret = client.secret.as_ref().map(|secret| basic(client.id(), secret));
    let headers: Vec<_> = secret.iter().map(|secret| ("authorization", secret.as_str())).collect();
    server.post_with("/par", &headers, &fields).await
}

/// The `request_uri` of a pushed request.
pub async fn pushed(server: &TestServer, client: &TestClient, request: &AuthorizationUrl) -> String {
    let answer = push(server, client, request).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    text(&answer.json(), "request_uri")
}

/// Where the browser is sent to open it.
pub fn opening(client: &TestClient, request_uri: &str) -> String {
    let params = [("client_id", client.id()), ("request_uri", request_uri)];
    format!("/authorize?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish())
}

on_both! {
    async fn p1_a_pushed_request_is_stored_under_a_hash_and_logs_the_person_in(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        for persona in [Persona::Web, Persona::Spa] {
            let client = server.client(persona, |_| {}).await;
            let answer = push(&server, &client, &AuthorizationUrl::new(&client)).await;
            assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, Some("no-store")), "{answer:#?}");
            let json = answer.json();
            assert_eq!(json["expires_in"], 90);
            assert_eq!(json.as_object().unwrap().len(), 2);
            let request_uri = text(&json, "request_uri");
            let reference = request_uri.strip_prefix(PREFIX).unwrap();
            assert!(URL_SAFE_NO_PAD.decode(reference).unwrap().len() * 8 >= 128);
            let mut conn = server.state.db.read().await.unwrap();
            let rows = conn.query("SELECT hash, parameters FROM pushed_requests").fetch_all::<(Vec<u8>, String)>().await.unwrap();
            drop(conn);
            for (hash, parameters) in rows {
                assert!(hash != reference.as_bytes() && !parameters.contains(reference));
                assert!(client.secret.as_ref().is_none_or(|secret| !parameters.contains(secret)));
            }

            let mut browser = server.browser();
            let page = browser.visit(&opening(&client, &request_uri)).await;
            let page = log_in(&mut browser, &page, "anna").await;
            let params = allow(&mut browser, &page).await.redirect_params();
            assert_eq!(params["state"], "af0ifjsldkj");
            let tokens = redeem(&server, &client, &params["code"]).await.json();
            assert_eq!(claims(&text(&tokens, "id_token"))["nonce"], "n-0S6_WzA2Mj");
        }
    }

    async fn a_pushed_request_may_be_opened_again_until_a_login_with_it_ends(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("bert").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let request_uri = pushed(&server, &client, &AuthorizationUrl::new(&client)).await;
        let (mut anna, mut bert) = (server.browser(), server.browser());
        anna.visit(&opening(&client, &request_uri)).await;
        let again = anna.visit(&opening(&client, &request_uri)).await;
        let elsewhere = bert.visit(&opening(&client, &request_uri)).await;
        let of_bert = log_in(&mut bert, &elsewhere, "bert").await;
        // The login may take longer than the request may be opened.
        server.clock.advance(600);
        let of_anna = log_in(&mut anna, &again, "anna").await;
        assert!(allow(&mut anna, &of_anna).await.redirect_params().contains_key("code"));

        assert_page(&allow(&mut bert, &of_bert).await, 400);
        assert_eq!(server.last_reason("authorization.refused").await.as_deref(), Some("pushed_request_used"));
        assert_eq!(server.audit().await.iter().filter(|entry| entry.kind == "consent.given").count(), 1, "nothing of it is left");
    }

    async fn of_two_logins_that_end_at_once_one_gets_the_code(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        // Two nodes, each with its own memory.
        let other = server.restarted().await;
        let request_uri = pushed(&server, &client, &AuthorizationUrl::new(&client)).await;
        let (mut here, mut there) = (server.browser(), other.browser());
        let first = here.visit(&opening(&client, &request_uri)).await;
        let second = there.visit(&opening(&client, &request_uri)).await;
        let (first, second) = tokio::join!(log_in(&mut here, &first, "anna"), log_in(&mut there, &second, "anna"));
        let codes = [&first, &second].into_iter().filter(|answer| answer.status == 303).count();
        assert_eq!(codes, 1, "{first:#?} {second:#?}");
        let refused = if first.status == 303 { second } else { first };
        assert_page(&refused, 400);
    }

    async fn a27_a_reference_that_counts_for_nothing_gets_a_page(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let thief = server.client(Persona::Web, |_| {}).await;
        let request = AuthorizationUrl::new(&client);
        let refused = async |url: String, reason: &str| {
            let answer = server.get(&url).await;
            assert_page(&answer, 400);
            assert!(recorded(&server, "authorization.refused", reason).await, "{reason}");
        };
        let unknown = format!("{PREFIX}{}", "A".repeat(43));
        refused(opening(&client, &unknown), "pushed_request_unknown").await;
        // What stands beside the reference does not make it better.
        let beside = request.clone().with("request_uri", &unknown);
        refused(beside.path(), "pushed_request_unknown").await;

        let request_uri = pushed(&server, &client, &request).await;
        refused(opening(&thief, &request_uri), "pushed_request_of_another_client").await;
        let twice = format!("{}&request_uri=https%3A%2F%2Fa.example%2F", opening(&client, &request_uri));
        refused(twice, "request_uri_duplicated").await;
        server.clock.advance(89);
        assert_eq!(server.get(&opening(&client, &request_uri)).await.status, 303);
        server.clock.advance(1);
        refused(opening(&client, &request_uri), "pushed_request_expired").await;

        let request_uri = pushed(&server, &client, &request).await;
        let mut browser = server.browser();
        let page = browser.visit(&opening(&client, &request_uri)).await;
        assert!(log_in(&mut browser, &page, "anna").await.redirect_params().contains_key("code"));
        refused(opening(&client, &request_uri), "pushed_request_used").await;
        assert_page(&browser.visit(&opening(&client, &request_uri)).await, 400);
    }

    async fn what_stands_beside_a_reference_is_ignored(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let request_uri = pushed(&server, &client, &AuthorizationUrl::new(&client).with("scope", "openid")).await;
        let evil = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F&scope=email&state=evil&state=twice", opening(&client, &request_uri));
        let mut browser = server.browser();
        let page = browser.visit(&evil).await;
        let answer = log_in(&mut browser, &page, "anna").await;
        assert!(answer.location().starts_with("https://app.example/cb?"), "{answer:#?}");
        let params = answer.redirect_params();
        assert_eq!(params["state"], "af0ifjsldkj");
        assert_eq!(redeem(&server, &client, &params["code"]).await.json()["scope"], "openid");
    }

    async fn a29_a_client_that_has_to_push_is_not_answered_otherwise(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let pushing = server.client(Persona::Web, |metadata| metadata.require_pushed_authorization_requests = true).await;
        let free = server.client(Persona::Web, |_| {}).await;
        let plain = |client| AuthorizationUrl::new(client).path();
        assert_page(&server.get(&plain(&pushing)).await, 400);
        assert_eq!(server.last_reason("authorization.refused").await.as_deref(), Some("pushed_request_required"));
        assert_eq!(server.get(&plain(&free)).await.status, 303);
        let request_uri = pushed(&server, &pushing, &AuthorizationUrl::new(&pushing)).await;
        assert_eq!(server.get(&opening(&pushing, &request_uri)).await.status, 303);
        assert_eq!(server.get("/.well-known/openid-configuration").await.json()["require_pushed_authorization_requests"], false);

        let strict = server.restarted_with(|config| config.tokens.require_pushed_authorization_requests = true).await;
        assert_page(&strict.get(&plain(&free)).await, 400);
        let metadata = strict.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["require_pushed_authorization_requests"], true);
        assert_eq!(metadata["pushed_authorization_request_endpoint"], "https://id.example/par");
    }

    async fn p8_a_reference_opens_nothing_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let request_uri = pushed(&server, &client, &AuthorizationUrl::new(&client)).await;
        let reference = request_uri.strip_prefix(PREFIX).unwrap();
        for token in [request_uri.as_str(), reference] {
            assert_error(&redeem(&server, &client, token).await, 400, "invalid_grant");
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
            assert_error(&server.token(&client, &fields).await, 400, "invalid_grant");
            assert_eq!(server.introspect(&client, token).await["active"], false);
            assert!([400, 401].contains(&server.userinfo(token).await.status.as_u16()));
            let fields = [("code", token), ("email", "anna@example.org")];
            assert_ne!(server.post_with("/recover/code", &[], &fields).await.status, 200);
        }
        assert_eq!(server.get(&opening(&client, &request_uri)).await.status, 303, "it was not spent by that");
    }

    async fn pushed_requests_are_cleaned_up_once_no_login_can_end_with_them(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        pushed(&server, &client, &AuthorizationUrl::new(&client)).await;
        let rows = async || {
            let mut conn = server.state.db.read().await.unwrap();
            conn.query("SELECT COUNT(*) FROM pushed_requests").fetch_one::<(i64,)>().await.unwrap().0
        };
        let config = &server.state.config;
        let last = server.clock.now() + Seconds(90 + config.tokens.authorization_request);
        cleanup::clean(&server.state.db, last - Seconds(1), config).await.unwrap();
        assert_eq!(rows().await, 1);
        cleanup::clean(&server.state.db, last, config).await.unwrap();
        assert_eq!(rows().await, 0);
    }
}

#[tokio::test]
async fn p2_p4_p5_what_the_authorization_endpoint_would_refuse_is_refused_in_json() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |metadata| metadata.scope = "openid profile".to_owned().try_into().unwrap()).await;
    let good = AuthorizationUrl::new(&client).with("scope", "openid");
    for (bad, error, reason) in [
        (good.clone().with("request_uri", "https://a.example/"), "invalid_request", "request_uri_pushed"),
        (good.clone().with("request_uri", &format!("{PREFIX}x")), "invalid_request", "request_uri_pushed"),
        (good.clone().with("redirect_uri", "https://evil.example/"), "invalid_request", "redirect_uri_mismatch"),
        (good.clone().without("redirect_uri"), "invalid_request", "redirect_uri_missing"),
        (good.clone().with("scope", "openid email"), "invalid_scope", "scope_not_registered"),
        (good.clone().with("code_challenge_method", "plain"), "invalid_request", "code_challenge_method_unsupported"),
        (good.clone().without("code_challenge"), "invalid_request", "code_challenge_missing"),
        (good.clone().with("response_type", "token"), "unsupported_response_type", "response_type_unsupported"),
        (good.clone().with("registration", "{}"), "registration_not_supported", "registration"),
        (good.clone().with("id_token_hint", "a.b.c"), "invalid_request", "id_token_hint_invalid"),
    ] {
        let answer = push(&server, &client, &bad).await;
        assert_error(&answer, 400, error);
        assert!(recorded(&server, "pushed_request.refused", reason).await, "{reason}");
    }
    assert_error(&push(&server, &client, &good.clone().and("state", "twice")).await, 400, "invalid_request");
    // P4: the body names another client than the one that authenticates.
    let other = server.client(Persona::Web, |_| {}).await;
    assert_error(&push(&server, &client, &good.clone().with("client_id", other.id())).await, 400, "invalid_request");
    assert_eq!(push(&server, &client, &good.clone().without("client_id")).await.status, 201);
    let mut conn = server.state.db.read().await.unwrap();
    let (rows,) = conn.query("SELECT COUNT(*) FROM pushed_requests").fetch_one::<(i64,)>().await.unwrap();
    assert_eq!(rows, 1, "nothing of what was refused is stored");
}

#[tokio::test]
async fn p3_a_client_that_does_not_authenticate_pushes_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let fields: Vec<(String, String)> = AuthorizationUrl::new(&client).params().to_vec();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_error(&server.post_with("/par", &[], &fields).await, 401, "invalid_client");
    let wrong = server.post_with("/par", &[("authorization", &basic(client.id(), "wrong"))], &fields).await;
    assert_error(&wrong, 401, "invalid_client");
    assert!(wrong.header("www-authenticate").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn p6_other_methods_and_large_bodies_are_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri("/par").body(axum::body::Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, 405, "{method}");
    }
    let large = AuthorizationUrl::new(&client).with("claims", &"x".repeat(70_000));
    assert_eq!(push(&server, &client, &large).await.status, 413);
}

#[tokio::test]
async fn scripts_of_the_clients_own_origin_may_push() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Spa, |_| {}).await;
    let request = AuthorizationUrl::new(&client);
    let fields: Vec<_> = request.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (origin, allowed) in
        [("https://spa.example", Some("https://spa.example")), ("https://evil.example", None), ("null", None)]
    {
        let answer = server.post_with("/par", &[("origin", origin)], &fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (201, allowed));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let preflight = Request::options("/par").header("origin", origin).body(axum::body::Body::empty()).unwrap();
        let preflight = server.send(preflight).await;
        assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-origin")), (204, allowed));
    }
}

#[tokio::test]
async fn p1_as_many_parameters_as_may_be_pushed_can_be_opened() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client);
    let own: Vec<_> = url.params().iter().filter(|(name, _)| name.as_str() != "client_id").cloned().collect();
    let more = (own.len()..64).map(|number| (format!("unknown{number}"), "x".to_owned()));
    let fields: Vec<(String, String)> = own.iter().cloned().chain(more).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let secret = basic(client.id(), client.secret.as_deref().unwrap());
    let proof = Prover::new().proof(&server, "POST", "/par");
    let answer = server.post_with("/par", &[("authorization", &secret), ("dpop", &proof)], &fields).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let opened = server.get(&opening(&client, &text(&answer.json(), "request_uri"))).await;
    assert!(opened.header("location").is_some_and(|to| to.starts_with("/login?flow=")), "{opened:#?}");
}
