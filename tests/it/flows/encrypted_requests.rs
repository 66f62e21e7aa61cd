//! Request objects that are encrypted for this server: by value, at PAR, by reference (B7; RFC 9101 §6.1).

use ostiary::jobs::key_rotation::by_the_server;
use ostiary::keys::signer::Signer;
use ostiary::keys::store::When;
use ostiary::protocol::client::{
    Algorithm, ClientMetadata, ContentEncryption, Encryption, KeyManagement, RequestObjectAlgorithm,
};
use ostiary::protocol::jwk::KeyAlgorithm;
use ostiary::protocol::jwt::encode;
use serde_json::{Value, json};

use super::pushed::{opening, push, pushed};
use super::request_objects::{beside, claims, open, sign, signer, with_key};
use crate::support::assertion::{Publisher, reason};
use crate::support::database::{TestDatabase, on_both};
use crate::support::encryption::{EncryptionKey, every_way, for_server, published};
use crate::support::flow::{AuthorizationUrl, assert_error, log_in, redeem};
use crate::support::server::{Persona, TestClient, TestServer};

const USUAL: Encryption = Encryption { alg: KeyManagement::RsaOaep256, enc: ContentEncryption::A256Gcm };

async fn start(database: TestDatabase) -> TestServer {
    let server = TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await;
    server.person("anna").await;
    server
}

async fn app(server: &TestServer, key: &Signer, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    let change = |metadata: &mut ClientMetadata| {
        with_key(metadata, key);
        metadata.first_party = true;
        change(metadata);
    };
    server.client(Persona::Web, change).await
}

/// A good request, signed.
fn signed(server: &TestServer, key: &Signer, client: &TestClient) -> String {
    let inside = claims(server, &AuthorizationUrl::new(client).with("scope", "openid"));
    sign(key, &json!({ "alg": key.algorithm(), "typ": "oauth-authz-req+jwt" }), &inside)
}

async fn assert_refused(server: &TestServer, client: &TestClient, object: &str, expected: &str) {
    let answer = server.get(&beside(client, object).with("scope", "openid").path()).await;
    assert_eq!(answer.redirect_params()["error"], "invalid_request_object", "{expected}");
    assert_eq!(reason(server, &answer).await, expected);
}

on_both! {
    async fn an_encrypted_request_is_taken_in_every_way_that_discovery_lists(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let client = app(&server, &key, |_| {}).await;
        for with in every_way() {
            let object = for_server(&server, with, &signed(&server, &key, &client)).await;
            let answer = open(&server, &beside(&client, &object).with("scope", "openid email")).await;
            let params = answer.redirect_params();
            assert_eq!(params["state"], "af0ifjsldkj", "{with:?}");
            assert_eq!(redeem(&server, &client, &params["code"]).await.json()["scope"], "openid");
        }
    }

    async fn an_encrypted_request_is_pushed_or_published(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let publisher = Publisher::start(&Value::Null).await;
        let client = app(&server, &key, |metadata| {
            metadata.require_signed_request_object = true;
            metadata.request_uris = vec![publisher.url.clone()];
        }).await;
        let object = for_server(&server, USUAL, &signed(&server, &key, &client)).await;
        let request_uri = pushed(&server, &client, &beside(&client, &object)).await;
        let mut browser = server.browser();
        let page = browser.visit(&opening(&client, &request_uri)).await;
        let params = log_in(&mut browser, &page, "anna").await.redirect_params();
        assert_eq!(redeem(&server, &client, &params["code"]).await.status, 200);
        publisher.answer_with("200 OK", "content-type: application/jwt\r\n", &object);
        let url = beside(&client, "").without("request").and("request_uri", &publisher.url).with("scope", "openid");
        let params = open(&server, &url).await.redirect_params();
        assert_eq!(redeem(&server, &client, &params["code"]).await.status, 200);

        let stranger = signer(Algorithm::ES256);
        let forged = for_server(&server, USUAL, &signed(&server, &stranger, &client)).await;
        let refused = push(&server, &client, &beside(&client, &forged)).await;
        assert_error(&refused, 400, "invalid_request_object");
        assert_eq!(reason(&server, &refused).await, "request_object_signature_wrong");
    }

    async fn what_is_inside_has_to_be_signed(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let client = app(&server, &key, |_| {}).await;
        let unsigned_client = app(&server, &key, |metadata| {
            metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::Unsigned);
        }).await;
        for client in [&client, &unsigned_client] {
            let inside = claims(&server, &AuthorizationUrl::new(client)).to_string();
            let unsigned = format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(inside.as_bytes()));
            let object = for_server(&server, USUAL, &unsigned).await;
            assert_refused(&server, client, &object, "request_object_unsigned").await;
            let bare = for_server(&server, USUAL, &inside).await;
            assert_refused(&server, client, &bare, "request_object_malformed").await;
            let twice = for_server(&server, USUAL, &for_server(&server, USUAL, &signed(&server, &key, client)).await).await;
            assert_refused(&server, client, &twice, "request_object_malformed").await;
        }
        let object = for_server(&server, USUAL, &signed(&server, &key, &unsigned_client)).await;
        assert_refused(&server, &unsigned_client, &object, "request_object_algorithm_not_allowed").await;
    }

    async fn another_way_than_the_registered_one_is_refused_and_none_is_not(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let client = app(&server, &key, |metadata| {
            metadata.request_object_encryption_alg = Some(KeyManagement::EcdhEs);
            metadata.request_object_encryption_enc = Some(ContentEncryption::A256Gcm);
        }).await;
        let inside = signed(&server, &key, &client);
        for with in every_way() {
            let object = for_server(&server, with, &inside).await;
            if with.alg == KeyManagement::EcdhEs && with.enc == ContentEncryption::A256Gcm {
                assert!(open(&server, &beside(&client, &object).with("scope", "openid")).await.redirect_params().contains_key("code"));
            } else {
                assert_refused(&server, &client, &object, "request_object_encryption_not_allowed").await;
            }
        }
        // OpenID Connect Registration §2: the client may still send them in the clear.
        assert!(open(&server, &beside(&client, &inside).with("scope", "openid")).await.redirect_params().contains_key("code"));
    }

    async fn whatever_does_not_decrypt_is_one_error(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let client = app(&server, &key, |_| {}).await;
        for with in every_way() {
            let object = for_server(&server, with, &signed(&server, &key, &client)).await;
            let parts: Vec<&str> = object.split('.').collect();
            let mut descriptions = std::collections::BTreeSet::new();
            // Which part is changed: the key, the vector, the content, the tag.
            for part in (1..5).filter(|part| !parts[*part].is_empty()) {
                let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                let first = if changed[part].starts_with('A') { 'B' } else { 'A' };
                changed[part].replace_range(..1, &first.to_string());
                let answer = server.get(&beside(&client, &changed.join(".")).path()).await;
                assert_eq!(reason(&server, &answer).await, "request_object_undecipherable", "{part} {with:?}");
                let params = answer.redirect_params();
                descriptions.insert((params["error"].clone(), params["error_description"].clone()));
            }
            assert_eq!(descriptions.len(), 1, "{descriptions:?}");
        }
        let mut other = published(&server).await[0].clone();
        let stranger = EncryptionKey::new(KeyAlgorithm::RsaOaep256).jwk();
        other["n"] = stranger["n"].clone();
        other["kid"] = stranger["kid"].clone();
        let recipient = ostiary::keys::encryption::Recipient::new(ostiary::protocol::foreign_jwk::ForeignJwk::parse(&other).unwrap()).unwrap();
        let object = recipient.encrypt(USUAL, ostiary::protocol::jwe::Content::Nested, b"a.b.c").unwrap();
        assert_refused(&server, &client, &object, "request_object_encrypted_for_another_key").await;
        for header in [json!({ "alg": "RSA1_5", "enc": "A256GCM" }), json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF" })] {
            let object = format!("{}.{}", encode(header.to_string().as_bytes()), object.split_once('.').unwrap().1);
            assert_refused(&server, &client, &object, "request_object_encryption_not_allowed").await;
        }
    }

    async fn a_rotation_takes_no_request_away_that_is_on_its_way(database: TestDatabase) {
        let server = start(database).await;
        let other = server.another_node().await;
        let key = signer(Algorithm::ES256);
        let client = app(&server, &key, |_| {}).await;
        let before = published(&server).await;
        let object = for_server(&server, USUAL, &signed(&server, &key, &client)).await;
        let event = by_the_server(server.clock.now());
        server.state.keys.rotate(&server.state.db, KeyAlgorithm::RsaOaep256, When::Now, &event).await.unwrap();
        let after = published(&server).await;
        assert_eq!(after.len(), 2, "one of each kind, whatever was before");
        assert!(before.iter().any(|key| !after.contains(key)) && after.iter().any(|key| !before.contains(key)));
        for server in [&server, &other] {
            let url = beside(&client, &object).with("scope", "openid");
            assert!(open(server, &url).await.redirect_params().contains_key("code"), "encrypted with the key of before");
        }
        let object = for_server(&server, USUAL, &signed(&server, &key, &client)).await;
        assert!(open(&server, &beside(&client, &object).with("scope", "openid")).await.redirect_params().contains_key("code"));
    }
}
