//! Name and password.

use http::Request;
use ostiary::protocol::authentication::Acr;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::persona::{Caller, assert_detail};
use super::{app, app_with, holder, log_in, refused, send, try_login};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{claims, text};
use crate::support::server::{PASSWORD, Persona, TestServer, basic};

on_both! {
    async fn a_login_gives_the_tokens_of_the_token_endpoint(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        for persona in [Persona::Web, Persona::Native] {
            let client = app(&server, persona).await;
            let answer = try_login(&server, &client, "anna", PASSWORD).await;
            assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
            assert_eq!(answer.header("set-cookie"), None);
            let tokens = answer.json();
            assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
            assert_eq!(tokens["scope"], "account:read account:write offline_access openid");
            let access = claims(&text(&tokens, "access_token"));
            assert_eq!((access["sub"].as_str(), access["client_id"].as_str()), (Some(anna.id.as_str()), Some(client.id())));
            assert_eq!((&access["acr"], &access["amr"]), (&json!("1"), &json!(["pwd"])));
            assert_eq!(access["auth_time"], server.clock.now().as_seconds());
            assert_eq!(claims(&text(&tokens, "id_token"))["aud"], client.id());
            if client.secret.is_some() {
                assert_eq!(server.introspect(&client, &text(&tokens, "access_token")).await["active"], true);
            }
            assert_eq!(holder(&server, &tokens).get("/users/me").await.json()["id"], anna.id.as_str());
        }
        let login = server.audit().await.into_iter().find(|entry| entry.kind == "user.login").unwrap();
        assert_eq!((login.actor.id(), login.client_id.is_some()), (Some(anna.id.as_str()), true));
    }

    /// S1: what is wrong is not told.
    async fn every_wrong_login_gets_the_same_answer(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let disabled = server.person("berta").await;
        server.disable(&disabled).await;
        let client = app(&server, Persona::Web).await;
        let bodies: Vec<_> = [("anna", "wrong password"), ("nobody", PASSWORD), ("berta", PASSWORD), ("", ""), ("anna", "")]
            .into_iter()
            .map(|(name, password)| try_login(&server, &client, name, password))
            .collect();
        let mut seen = Vec::new();
        for answer in bodies {
            let answer = answer.await;
            refused(&answer, 401, "invalid_credentials");
            let mut body = answer.json();
            body["error"]["trace_id"] = json!(null);
            let challenge = body["error"]["details"]["challenge"].take();
            assert!(challenge.as_str().is_some_and(|challenge| challenge.starts_with("1.login.")), "{body:#?}");
            seen.push(body);
        }
        assert!(seen.iter().all(|body| *body == seen[0]), "{seen:#?}");
        let reasons: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "user.login").filter_map(|entry| entry.reason).collect();
        for reason in ["wrong_password", "unknown_user", "user_disabled"] {
            assert!(reasons.iter().any(|seen| seen == reason), "{reasons:?}");
        }
    }
}

#[tokio::test]
async fn only_first_party_clients_that_prove_who_they_are_log_people_in() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let body = json!({"username": "anna", "password": PASSWORD, "mfa_token": "x", "code": "1", "refresh_token": "x"});
    let third_party = server.client(Persona::Web, |_| {}).await;
    let confidential = app(&server, Persona::Web).await;
    let fields = |path: &str| match path {
        "login" => json!({"username": body["username"], "password": body["password"]}),
        "mfa" => json!({"mfa_token": "x", "code": "1"}),
        _ => json!({"refresh_token": "x"}),
    };
    for path in ["login", "mfa", "refresh"] {
        refused(&send(&server, &third_party, path, fields(path)).await, 403, "unauthorized_client");
        let mut nameless = confidential.clone();
        nameless.secret = None;
        refused(&send(&server, &nameless, path, fields(path)).await, 401, "invalid_client");
        nameless.secret = Some("wrong".to_owned());
        let answer = send(&server, &nameless, path, fields(path)).await;
        refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
        let request = Request::post(format!("/api/v1/auth/{path}")).header("content-type", "application/json");
        refused(&server.send(request.body(fields(path).to_string().into()).unwrap()).await, 401, "invalid_client");
        let secret_in_body = json!({"client_id": confidential.id(), "client_secret": confidential.secret});
        let mut both = fields(path);
        both.as_object_mut().unwrap().extend(secret_in_body.as_object().unwrap().clone());
        refused(&send(&server, &confidential, path, both).await, 400, "invalid_request");
    }
    let last = server.last_reason("token.refused").await;
    assert_eq!(last.as_deref(), Some("client_not_first_party"));
}

#[tokio::test]
async fn what_is_no_such_body_is_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    let unknown = json!({"username": "anna", "password": PASSWORD, "remember": true});
    assert_detail(&send(&server, &client, "login", unknown).await, "remember", "unknown");
    assert_detail(&send(&server, &client, "login", json!({"username": "anna"})).await, "password", "missing");
    refused(&send(&server, &client, "login", json!({"username": "a\0b", "password": PASSWORD})).await, 400, "invalid_json");
    let large = json!({"username": "anna", "password": "a".repeat(64 << 10)});
    refused(&send(&server, &client, "login", large).await, 413, "too_large");
    let large = json!({"profile": {"name": "a".repeat(64 << 10)}});
    refused(&Caller::browser(&server, &anna).await.patch("/users/me", &large).await, 413, "too_large");
    let form = Request::post("/api/v1/auth/login").header("content-type", "application/x-www-form-urlencoded");
    let form = form.header("authorization", basic(client.id(), client.secret.as_deref().unwrap()));
    refused(&server.send(form.body("username=anna".into()).unwrap()).await, 415, "unsupported_media_type");
}

#[tokio::test]
async fn a_login_gives_the_scope_that_was_asked_for_and_no_more_than_the_client_may_have() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    let ask = async |scope: &str| {
        send(&server, &client, "login", json!({"username": "anna", "password": PASSWORD, "scope": scope})).await
    };
    let narrow = ask("account:read").await.json();
    assert_eq!(narrow["scope"], "account:read");
    assert!(narrow.get("refresh_token").is_none() && narrow.get("id_token").is_none());
    refused(&ask("account:read users:write").await, 400, "invalid_scope");
    refused(&ask("a\"b").await, 400, "invalid_scope");
}

/// A client that insists on more than the person can show here gives out nothing.
#[tokio::test]
async fn who_would_have_to_set_up_a_factor_is_sent_to_a_browser() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = app_with(&server, Persona::Web, |metadata| metadata.required_acr = Some(Acr::Multi)).await;
    refused(&try_login(&server, &client, "anna", PASSWORD).await, 403, "browser_required");
    assert_eq!(server.last_reason("user.login").await.as_deref(), Some("browser_required"));
}

/// The limits are those of the login page, and who logged in from a device before is not kept out of it.
#[tokio::test]
async fn guessing_is_limited_and_does_not_keep_the_owner_out() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    let device = text(&log_in(&server, &client, "anna").await, "device_token");
    for _ in 0..4 {
        refused(&try_login(&server, &client, "anna", "wrong password").await, 401, "invalid_credentials");
    }
    let limited = try_login(&server, &client, "anna", PASSWORD).await;
    refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").is_some());
    let known = json!({"username": "anna", "password": PASSWORD, "device_token": device});
    assert_eq!(send(&server, &client, "login", known).await.status, 200);
}

#[tokio::test]
async fn an_address_that_tries_a_lot_has_to_prove_work() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.limits.proof_of_work_bits = 1;
    })
    .await;
    server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    for number in 0..10 {
        refused(&try_login(&server, &client, &format!("nobody{number}"), PASSWORD).await, 401, "invalid_credentials");
    }
    let details = refused(&try_login(&server, &client, "anna", PASSWORD).await, 429, "proof_of_work_required");
    assert_eq!(details["wait"], 30);
    let challenge = details["challenge"].as_str().unwrap();
    let solves = |number: &u32| Sha256::digest(format!("{challenge}.{number}"))[0] < 128;
    let (right, wrong) = ((0..1_000_000_000).find(solves).unwrap(), (0..1_000).find(|number| !solves(number)).unwrap());
    let with = async |solution: u32| {
        let body = json!({"username": "anna", "password": PASSWORD, "challenge": challenge, "solution": solution.to_string()});
        send(&server, &client, "login", body).await
    };
    refused(&with(wrong).await, 429, "proof_of_work_required");
    assert_eq!(with(right).await.status, 200);
    refused(&with(right).await, 429, "proof_of_work_required");
}
