//! `/api/v1/auth`: logging in without a browser. Behaviours 1.11, 1.13 and 1.14 as far as they have to do with it.

mod first_factor;
mod passkeys;
mod reauthentication;
mod recovery;
mod registration;
mod second_factor;
mod timing;
mod tokens;

use http::Request;
use ostiary::protocol::client::ClientMetadata;
use ostiary::protocol::scope::Scope;
use serde_json::{Value, json};

use super::persona::Caller;
use crate::support::browser::Answer;
use crate::support::flow::text;
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer, basic};

const SCOPE: &str = "openid offline_access account:read account:write";

/// An application of the operator's own.
pub(super) async fn app(server: &TestServer, persona: Persona) -> TestClient {
    app_with(server, persona, |_| {}).await
}

pub(super) async fn app_with(server: &TestServer, persona: Persona, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    server
        .client(persona, |metadata| {
            metadata.first_party = true;
            metadata.scope = Scope::parse(SCOPE).unwrap();
            metadata.audiences = vec![server.state.api_audience()];
            change(metadata);
        })
        .await
}

/// Sends a body as the client, which authenticates as it is registered.
pub(super) async fn send(server: &TestServer, client: &TestClient, path: &str, mut body: Value) -> Answer {
    let mut request = Request::post(format!("/api/v1/auth/{path}")).header("content-type", "application/json");
    match &client.secret {
        Some(secret) => request = request.header("authorization", basic(client.id(), secret)),
        None => body["client_id"] = client.id().into(),
    }
    server.send(request.body(body.to_string().into()).unwrap()).await
}

pub(super) async fn try_login(server: &TestServer, client: &TestClient, name: &str, password: &str) -> Answer {
    send(server, client, "login", json!({"username": name, "password": password})).await
}

/// What a login gives.
pub(super) async fn log_in(server: &TestServer, client: &TestClient, name: &str) -> Value {
    let answer = try_login(server, client, name, PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

pub(super) async fn refresh(server: &TestServer, client: &TestClient, tokens: &Value) -> Answer {
    send(server, client, "refresh", json!({"refresh_token": text(tokens, "refresh_token")})).await
}

/// What a registration or a forgotten password is answered with.
#[track_caller]
fn handle(answer: &Answer) -> String {
    assert_eq!((answer.status.as_u16(), answer.json()["expires_in"].as_i64()), (202, Some(600)), "{answer:#?}");
    text(&answer.json(), "handle")
}

async fn register(server: &TestServer, client: &TestClient, email: &str, password: &str) -> Answer {
    send(server, client, "register", json!({"email": email, "password": password})).await
}

async fn verify(server: &TestServer, client: &TestClient, handle: &str, code: &str) -> Answer {
    send(server, client, "email/verify", json!({"handle": handle, "code": code})).await
}

async fn forgot(server: &TestServer, client: &TestClient, name: &str) -> Answer {
    send(server, client, "password/forgot", json!({"username": name})).await
}

async fn reset(server: &TestServer, client: &TestClient, (handle, code): (&str, &str), password: &str) -> Answer {
    send(server, client, "password/reset", json!({"handle": handle, "code": code, "password": password})).await
}

/// The body of an answer without what differs from one to the next for good reason.
fn comparable(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    for place in ["/handle", "/error/trace_id"] {
        if let Some(value) = body.pointer_mut(place) {
            *value = Value::Null;
        }
    }
    (answer.status.as_u16(), body)
}

/// Whoever has these tokens.
pub(super) fn holder(server: &TestServer, tokens: &Value) -> Caller {
    Caller::bearer(server, &text(tokens, "access_token"))
}

/// Asserts an error in the envelope, and gives its details.
#[track_caller]
pub(super) fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status.as_u16(), error["code"].as_str()), (status, Some(code)), "{answer:#?}");
    assert_eq!(error["trace_id"].as_str(), answer.header("x-request-id"), "{answer:#?}");
    assert!(error["message"].is_string(), "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:#?}");
    error["details"].clone()
}
