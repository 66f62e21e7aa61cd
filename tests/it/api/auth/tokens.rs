//! What becomes of what a login gave: it is refreshed, listed, ended.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::super::persona::{Caller, assert_refused};
use super::{app, app_with, holder, log_in, refresh, refused, send};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::text;
use crate::support::server::{PASSWORD, Persona, TestServer};

on_both! {
    async fn a_public_clients_refresh_token_rotates_and_a_lost_answer_logs_nobody_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let first = log_in(&server, &client, "anna").await;
        refresh(&server, &client, &first).await;
        let second = refresh(&server, &client, &first).await;
        assert_eq!(second.status, 200, "its answer was lost: {second:#?}");
        let third = refresh(&server, &client, &second.json()).await;
        assert_eq!(third.status, 200);
        refused(&refresh(&server, &client, &first).await, 400, "invalid_grant");
        refused(&refresh(&server, &client, &third.json()).await, 400, "invalid_grant");
        let browser = Caller::browser(&server, &anna).await;
        assert_eq!(browser.get("/users/me/sessions").await.json()["items"].as_array().unwrap().len(), 1, "the browser's alone");
        assert_refused(&holder(&server, &third.json()).get("/users/me").await, 401, "invalid_token");
    }

    async fn a_confidential_clients_refresh_token_stays_for_a_week_of_silence(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = app(&server, Persona::Web).await;
        let tokens = log_in(&server, &client, "anna").await;
        for _ in 0..3 {
            server.clock.advance(6 * 86_400);
            let answer = refresh(&server, &client, &tokens).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            let sessions = holder(&server, &answer.json()).get("/users/me/sessions").await.json();
            let own = &sessions["items"][0];
            assert_eq!((&own["current"], own["last_seen_at"].is_string()), (&json!(true), true), "{sessions:#}");
        }
        let other = app(&server, Persona::Web).await;
        refused(&refresh(&server, &other, &tokens).await, 400, "invalid_grant");
        server.clock.advance(7 * 86_400);
        refused(&refresh(&server, &client, &tokens).await, 400, "invalid_grant");
    }

    async fn logging_out_ends_the_tokens_and_the_session(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let browser = Caller::browser(&server, &anna).await;
        let (here, there) = (log_in(&server, &client, "anna").await, log_in(&server, &client, "anna").await);
        let count = async || browser.get("/users/me/sessions").await.json()["items"].as_array().unwrap().len();
        assert_eq!(count().await, 3);
        assert_eq!(holder(&server, &here).delete("/auth/logout").await.status, 204);
        assert_eq!(count().await, 2);
        assert_refused(&holder(&server, &here).delete("/auth/logout").await, 401, "invalid_token");
        assert_refused(&holder(&server, &here).get("/users/me").await, 401, "invalid_token");
        refused(&refresh(&server, &client, &here).await, 400, "invalid_grant");
        assert_eq!(holder(&server, &there).get("/users/me").await.status, 200);
        let event = server.audit().await.into_iter().rfind(|entry| entry.kind == "user.logout").unwrap();
        assert_eq!((event.actor.id(), event.client_id.as_ref().map(ToString::to_string)), (Some(anna.id.as_str()), Some(client.id().to_owned())));
    }

    /// S14: the session in the list is the login, wherever it is ended.
    async fn whatever_ends_the_session_ends_the_tokens(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let browser = Caller::browser(&server, &anna).await;

        let tokens = log_in(&server, &client, "anna").await;
        let own = holder(&server, &tokens).get("/users/me/sessions").await.json();
        let own = own["items"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap().clone();
        assert_eq!(browser.delete(&format!("/users/me/sessions/{}", own["id"].as_str().unwrap())).await.status, 204);
        refused(&refresh(&server, &client, &tokens).await, 400, "invalid_grant");
        assert_refused(&holder(&server, &tokens).get("/users/me").await, 401, "invalid_token");

        let (tokens, others) = (log_in(&server, &client, "anna").await, log_in(&server, &client, "anna").await);
        assert_eq!(holder(&server, &tokens).delete("/users/me/sessions").await.status, 204);
        assert_eq!(holder(&server, &tokens).get("/users/me").await.status, 200, "this one stays");
        refused(&refresh(&server, &client, &others).await, 400, "invalid_grant");
        assert_eq!(browser.get("/users/me").await.status, 401);

        let admin = Caller::admin(&server).await;
        assert_eq!(admin.delete(&format!("/admin/users/{}/sessions", anna.id)).await.status, 204);
        refused(&refresh(&server, &client, &tokens).await, 400, "invalid_grant");

        let tokens = log_in(&server, &client, "anna").await;
        let password = json!({"password": "an entirely new passphrase"});
        assert_eq!(admin.put(&format!("/admin/users/{}/password", anna.id), &password).await.status, 204);
        refused(&refresh(&server, &client, &tokens).await, 400, "invalid_grant");
        let sessions = admin.get(&format!("/admin/users/{}/sessions", anna.id)).await.json();
        assert_eq!(sessions["items"], json!([]));
    }

    /// A resource server of the application holds tokens too, for itself.
    async fn a_token_for_somebody_else_neither_ends_a_login_nor_tries_a_password(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app_with(&server, Persona::Native, |metadata| metadata.audiences = vec!["https://photos.example".to_owned()]).await;
        let tokens = log_in(&server, &client, "anna").await;
        let caller = holder(&server, &tokens);
        for answer in [
            caller.delete("/auth/logout").await,
            caller.get("/auth/reauthenticate").await,
            caller.post("/auth/reauthenticate", &json!({"password": PASSWORD})).await,
        ] {
            assert_refused(&answer, 401, "invalid_token");
        }
        assert_eq!(server.last_reason("api.refused").await.as_deref(), Some("token_audience"));
        let browser = Caller::browser(&server, &anna).await;
        assert_eq!(browser.get("/users/me/sessions").await.json()["items"].as_array().unwrap().len(), 2, "the login goes on");
    }

    async fn a_revoked_refresh_token_ends_the_session_too(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Web).await;
        let tokens = log_in(&server, &client, "anna").await;
        server.post_as(&client, "/revoke", &[("token", &text(&tokens, "refresh_token"))]).await;
        let browser = Caller::browser(&server, &anna).await;
        assert_eq!(browser.get("/users/me/sessions").await.json()["items"].as_array().unwrap().len(), 1, "the browser's alone");
    }
}

#[tokio::test]
async fn logging_out_is_for_people_of_first_party_clients() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    assert_refused(&Caller::anonymous(&server).delete("/auth/logout").await, 401, "unauthenticated");
    assert_refused(&Caller::bearer(&server, "made-up").delete("/auth/logout").await, 401, "invalid_token");
    let third_party = Caller::person(&server, "anna", "account:write").await;
    assert_refused(&third_party.delete("/auth/logout").await, 403, "unauthorized_client");
    assert_eq!(Caller::admin(&server).await.delete("/auth/logout").await.status, 403);
}

#[tokio::test]
async fn who_tries_too_many_tokens_to_log_out_with_is_recorded() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.rates.api_refused = "1/h".parse().unwrap();
    })
    .await;
    let stranger = Caller::bearer(&server, "made-up");
    assert_refused(&stranger.delete("/auth/logout").await, 401, "invalid_token");
    server.clock.advance(1);
    assert_refused(&stranger.delete("/auth/logout").await, 429, "rate_limited");
    assert_eq!(server.last_reason("api.refused").await.as_deref(), Some("rate_limited"));
}

/// A back end's one address is not counted where it brings tokens that count; what counts for nothing is, and then nothing is read.
#[tokio::test]
async fn refreshes_are_not_counted_by_the_address_until_they_come_to_nothing() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    let tokens = log_in(&server, &client, "anna").await;
    for _ in 0..100 {
        let refreshed = refresh(&server, &client, &tokens).await;
        assert_eq!(refreshed.status, 200, "{refreshed:#?}");
    }
    let stranger = Caller::anonymous(&server).at("198.51.100.1");
    for number in 0..60 {
        let unknown = json!({"client_id": format!("client{number}"), "refresh_token": text(&tokens, "refresh_token")});
        assert_eq!(stranger.post("/auth/refresh", &unknown).await.status, 401, "{number}");
    }
    for route in ["refresh", "reauthenticate"] {
        assert_refused(&stranger.post(&format!("/auth/{route}"), &json!("no object")).await, 429, "rate_limited");
    }
    assert_eq!(server.last_reason("api.refused").await.as_deref(), Some("rate_limited"));
}

/// O1, O2.
#[tokio::test]
async fn scripts_of_the_clients_own_origins_may_log_people_in_and_no_others() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let client = app(&server, Persona::Spa).await;
    app_with(&server, Persona::Spa, |metadata| metadata.allowed_origins = vec!["https://other.example".to_owned()]).await;
    let tokens = log_in(&server, &client, "anna").await;
    let browser = Caller::browser(&server, &anna).await;
    for (origin, registered, own) in [
        ("https://spa.example", true, true),
        ("https://other.example", true, false),
        ("https://evil.example", false, false),
        ("null", false, false),
    ] {
        for (path, method) in
            [("auth/login", "POST"), ("auth/logout", "DELETE"), ("users/me", "GET"), ("users/me/sessions", "DELETE")]
        {
            let request = Request::options(format!("/api/v1/{path}")).header("origin", origin);
            let preflight =
                server.send(request.header("access-control-request-method", method).body(Body::empty()).unwrap()).await;
            assert_eq!(preflight.header("access-control-allow-origin"), registered.then_some(origin), "{path}");
            assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-credentials")), (204, None));
            assert_eq!(
                preflight.header("access-control-allow-methods").is_some_and(|methods| methods.contains(method)),
                registered
            );
        }
        let login = |password: &str| {
            let body = json!({"client_id": client.id(), "username": "anna", "password": password});
            let request = Request::post("/api/v1/auth/login").header("content-type", "application/json").header("origin", origin);
            server.send(request.body(body.to_string().into()).unwrap())
        };
        let me = holder(&server, &tokens).with("origin", origin);
        let patch = send(&server, &client, "login", json!({"username": "anna"})).await;
        assert_eq!(patch.header("access-control-allow-origin"), None, "no Origin was sent");
        for answer in [
            login(PASSWORD).await,
            login("wrong").await,
            me.get("/users/me").await,
            me.patch("/users/me", &json!({"x": 1})).await,
        ] {
            assert_eq!(answer.header("access-control-allow-origin"), own.then_some(origin), "{answer:#?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
        }
        let by_cookie = browser.clone().with("origin", origin).get("/users/me").await;
        assert_eq!(by_cookie.header("access-control-allow-origin"), None);
        let admin = Caller::admin(&server).await.with("origin", origin).get("/admin/users").await;
        assert_eq!(admin.header("access-control-allow-origin"), None);
    }
}
