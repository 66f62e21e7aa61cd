//! `/api/v1/admin/keys`.

use serde_json::json;

use super::persona::{Caller, assert_detail};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{header, text};
use crate::support::server::{Persona, TestServer};

on_both! {
    async fn keys_are_listed_without_what_is_secret(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let answer = Caller::service(&server, "keys:read").await.get("/admin/keys").await;
        let keys = answer.json()["items"].as_array().unwrap().clone();
        let published = server.get("/jwks").await.json()["keys"].as_array().unwrap().len();
        assert_eq!(keys.len(), published);
        for key in &keys {
            assert_eq!(key["state"], "signing");
            let members: Vec<_> = key["public_jwk"].as_object().unwrap().keys().cloned().collect();
            assert!(members.iter().all(|name| ["kty", "crv", "n", "e", "x", "y", "kid", "use", "alg"].contains(&name.as_str())), "{members:?}");
        }
        assert!(!answer.body.contains("sealed"));
    }

    async fn a_key_is_rotated_at_once_or_when_it_is_known(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let caller = Caller::service(&server, "keys:read keys:write").await;
        let client = server.client(Persona::Service, |_| {}).await;
        let kid = async || {
            let tokens = server.token(&client, &[("grant_type", "client_credentials")]).await.json();
            header(&text(&tokens, "access_token"))["kid"].clone()
        };
        let before = kid().await;
        server.clock.advance(1);
        let published = caller.post("/admin/keys/rotate", &json!({"alg": "ES256"})).await.json();
        assert_eq!(published["state"], "published");
        assert!(published["signs_at"].is_string());
        assert_eq!(kid().await, before, "nobody knows the next key yet");
        let now = caller.post("/admin/keys/rotate", &json!({"alg": "ES256", "when": "now"})).await.json();
        assert_eq!((&now["state"], &now["kid"]), (&json!("signing"), &published["kid"]));
        assert_eq!(kid().await, published["kid"]);
        let states: Vec<_> = caller.get("/admin/keys").await.json()["items"].as_array().unwrap().iter().filter(|key| key["alg"] == "ES256").map(|key| key["state"].clone()).collect();
        assert_eq!(states, ["retired", "signing"]);
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "key.rotated").unwrap();
        assert_eq!(event.actor.kind(), "client");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_configured_has_no_key_to_rotate() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.keys.algorithms = vec![];
    })
    .await;
    let caller = Caller::service(&server, "keys:write").await;
    for (body, field, code) in [
        (json!({"alg": "EdDSA"}), "alg", "not_configured"),
        (json!({"alg": "none"}), "", "malformed"),
        (json!({}), "alg", "missing"),
    ] {
        assert_detail(&caller.post("/admin/keys/rotate", &body).await, field, code);
    }
}
