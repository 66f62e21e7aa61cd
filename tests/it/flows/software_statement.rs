//! What somebody who is trusted says of an application that registers itself (RFC 7591 §2.3, §3.1.1).

use std::io::Write;

use axum::body::Body;
use http::Request;
use ostiary::config::{ClientRegistrationMode, Config, StatementIssuer};
use ostiary::protocol::client::Algorithm;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::assertion::{ClientKey, Publisher, jwks, reason};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::assert_error;
use crate::support::server::{START, TestServer};

const DIRECTORY: &str = "https://directory.example";

fn issuer(change: impl FnOnce(&mut StatementIssuer)) -> StatementIssuer {
    let mut issuer = StatementIssuer {
        issuer: DIRECTORY.to_owned(),
        jwks_file: std::path::PathBuf::new(),
        jwks_uri: String::new(),
        algorithms: vec![Algorithm::ES256],
    };
    change(&mut issuer);
    issuer
}

/// A server that believes a directory with this key.
async fn start(database: TestDatabase, key: &ClientKey, change: impl FnOnce(&mut Config)) -> TestServer {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(jwks(&[key]).to_string().as_bytes()).unwrap();
    let server = TestServer::start_with(database, |config| {
        config.client_registration.mode = ClientRegistrationMode::Open;
        config.client_registration.software_statement_issuers = vec![issuer(|issuer| issuer.jwks_file = file.path().to_owned())];
        change(config);
    });
    server.await
}

/// What the directory says.
fn claims() -> Value {
    json!({
        "iss": DIRECTORY, "iat": START.as_seconds(), "software_id": "bank-app", "client_name": "Bank",
        "redirect_uris": ["https://bank.example/cb"], "first_party": true,
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

async fn register(server: &TestServer, statement: impl Into<Value>) -> Answer {
    server.state.refusals.flush().await;
    let body =
        json!({ "client_name": "Mine", "redirect_uris": ["https://mine.example/cb"], "software_statement": statement.into() });
    let request = Request::post("/client-registration").header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

on_both! {
    async fn what_the_statement_says_counts_and_not_what_the_application_says_itself(database: TestDatabase) {
        let key = ClientKey::new(Algorithm::ES256);
        let server = start(database, &key, |_| {}).await;
        let statement = key.sign(&claims());
        for _ in 0..2 {
            let answer = register(&server, statement.as_str()).await;
            assert_eq!(answer.status, 201, "each copy of an application brings the same: {answer:#?}");
            let client = answer.json();
            assert_eq!((&client["client_name"], &client["redirect_uris"]), (&json!("Bank"), &json!(["https://bank.example/cb"])));
            assert_eq!(client["software_statement"], statement);
            assert!(client.get("first_party").is_none(), "nor does it decide what no client may");
            let event = server.audit().await.into_iter().rfind(|entry| entry.kind == "client.created").unwrap();
            let told = (&event.details["software_statement_issuer"], &event.details["software_id"]);
            assert_eq!(told, (&json!(DIRECTORY), &json!("bank-app")));
        }
        let answer = register(&server, Value::Null).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["client_name"]), (201, &json!("Mine")));
    }

    async fn a_statement_of_nobody_who_is_trusted_registers_nothing(database: TestDatabase) {
        let (key, other) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
        let server = start(database, &key, |_| {}).await;
        let now = server.clock.now().as_seconds();
        let stranger = json!({ "alg": "ES256", "kid": key.kid() });
        let unsigned = json!({ "alg": "none" });
        for (statement, error, why) in [
            (json!(1), "invalid_software_statement", "software_statement_malformed"),
            (json!("a.b.c"), "invalid_software_statement", "software_statement_malformed"),
            (json!(key.sign(&with("iss", "https://other.example"))), "unapproved_software_statement", "software_statement_unapproved"),
            (json!(key.sign(&with("iss", Value::Null))), "unapproved_software_statement", "software_statement_unapproved"),
            (json!(other.sign(&claims())), "invalid_software_statement", "software_statement_unverified"),
            (json!(other.sign_as(&stranger, &claims())), "invalid_software_statement", "software_statement_unverified"),
            (json!(key.sign_as(&unsigned, &claims())), "invalid_software_statement", "software_statement_unverified"),
            (json!(key.sign(&with("exp", now - 10))), "invalid_software_statement", "software_statement_expired"),
            (json!(key.sign(&with("iat", now - 30 * 86_400 - 10))), "invalid_software_statement", "software_statement_expired"),
            (json!(key.sign(&with("iat", Value::Null))), "invalid_software_statement", "software_statement_malformed"),
            (
                json!(key.sign(&json!({ "iss": DIRECTORY, "redirect_uris": ["https://bank.example/cb"] }))),
                "invalid_software_statement",
                "software_statement_undated",
            ),
            // What it says of a person.
            (
                json!(key.sign(&json!({ "iss": DIRECTORY, "sub": "anna", "aud": "https://id.example", "exp": now + 60, "jti": "1" }))),
                "invalid_software_statement",
                "software_statement_of_nothing",
            ),
            (json!(key.sign(&with("nbf", now + 11))), "invalid_software_statement", "software_statement_expired"),
            (json!(key.sign(&with("aud", "https://other.example"))), "invalid_software_statement", "software_statement_audience"),
            (json!(key.sign(&with("redirect_uris", json!(["http://bank.example/cb"])))), "invalid_redirect_uri", "redirect_uri_refused"),
        ] {
            let answer = register(&server, statement).await;
            assert_error(&answer, 400, error);
            assert_eq!(reason(&server, &answer).await, why);
        }
        let nobody = server.restarted_with(|config| config.client_registration.software_statement_issuers.clear()).await;
        assert_error(&register(&nobody, key.sign(&claims())).await, 400, "unapproved_software_statement");
    }

    async fn where_one_is_required_nobody_registers_without(database: TestDatabase) {
        let key = ClientKey::new(Algorithm::ES256);
        let server = start(database, &key, |config| config.client_registration.require_software_statement = true).await;
        let answer = register(&server, Value::Null).await;
        assert_error(&answer, 400, "invalid_client_metadata");
        assert_eq!(reason(&server, &answer).await, "software_statement_required");
        assert_eq!(register(&server, key.sign(&claims())).await.status, 201);
    }

    async fn its_keys_may_be_published(database: TestDatabase) {
        let key = ClientKey::new(Algorithm::ES256);
        let publisher = Publisher::start(&jwks(&[&key])).await;
        let server = start(database, &key, |config| {
            config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
            config.client_registration.software_statement_issuers = vec![issuer(|issuer| issuer.jwks_uri.clone_from(&publisher.url))];
        }).await;
        assert_eq!(register(&server, key.sign(&claims())).await.status, 201);
        assert_eq!(publisher.asked(), 1);
    }
}

#[tokio::test]
async fn what_would_let_others_register_than_those_with_a_statement_refuses_to_start() {
    let problem = |change: fn(&mut Config)| {
        let mut config = Config::default();
        config.server.issuer = "https://id.example".to_owned();
        config.client_registration.require_software_statement = true;
        let published = |issuer: &mut StatementIssuer| issuer.jwks_uri = "https://directory.example/jwks.json".to_owned();
        config.client_registration.software_statement_issuers = vec![issuer(published)];
        change(&mut config);
        config.validate().err().map(|problem| problem.to_string()).unwrap_or_default()
    };
    assert_eq!(problem(|_| {}), "");
    assert!(problem(|config| config.mcp.enabled = true).contains("require_software_statement"));
    assert!(problem(|config| config.client_id_metadata_documents.enabled = true).contains("allowed_hosts"));
    let of_one_host = |config: &mut Config| {
        config.client_id_metadata_documents.enabled = true;
        config.client_id_metadata_documents.allowed_hosts = vec!["app.example".to_owned()];
    };
    assert_eq!(problem(of_one_host), "");
    assert!(problem(|config| config.client_registration.software_statement_days = 0).contains("software_statement_days"));
    let of_people_too = |config: &mut Config| {
        let trusted = json!({
            "issuer": DIRECTORY, "jwks_uri": "https://directory.example/jwks.json", "subject": "sign_in_name", "scopes": ["files:read"],
        });
        config.jwt_bearer.issuers = vec![serde_json::from_value(trusted).unwrap()];
    };
    assert!(problem(of_people_too).contains("must hold no issuer of jwt_bearer.issuers"));
}
