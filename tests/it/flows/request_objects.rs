//! Request objects by value: behaviours 1.1 A25.

use ostiary::keys::signer::{Signer, generate};
use ostiary::protocol::client::{Algorithm, ClientMetadata, RequestObjectAlgorithm};
use ostiary::protocol::jwt::encode;
use serde_json::{Value, json};

use super::assert_page;
use super::pushed::{opening, push, pushed};
use crate::guard::attack::recorded;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, assert_error, log_in, redeem};
use crate::support::server::{Persona, TestClient, TestServer};

pub(super) fn signer(algorithm: Algorithm) -> Signer {
    Signer::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap()
}

/// Registers the public half.
pub(super) fn with_key(metadata: &mut ClientMetadata, signer: &Signer) {
    metadata.jwks = Some(json!({ "keys": [signer.public()] }));
}

/// The parameters of a request as the claims of an object.
pub(super) fn claims(server: &TestServer, request: &AuthorizationUrl) -> Value {
    let mut claims: serde_json::Map<String, Value> =
        request.params().iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let now = server.clock.now().as_seconds();
    claims.insert("iss".to_owned(), claims["client_id"].clone());
    claims.insert("aud".to_owned(), server.issuer().into());
    claims.insert("nbf".to_owned(), now.into());
    claims.insert("exp".to_owned(), (now + 60).into());
    claims.into()
}

pub(super) fn sign(signer: &Signer, header: &Value, payload: &Value) -> String {
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.to_string().as_bytes()));
    let signature = signer.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", encode(&signature))
}

fn unsigned(payload: &Value) -> String {
    format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(payload.to_string().as_bytes()))
}

/// What the browser carries beside the object: what OpenID Connect asks for, and a redirection URI for errors.
pub(super) fn beside(client: &TestClient, object: &str) -> AuthorizationUrl {
    let names = ["scope", "state", "nonce", "code_challenge", "code_challenge_method"];
    names.into_iter().fold(AuthorizationUrl::new(client), AuthorizationUrl::without).and("request", object)
}

pub(super) async fn open(server: &TestServer, url: &AuthorizationUrl) -> Answer {
    let mut browser = server.browser();
    let page = browser.visit(&url.path()).await;
    log_in(&mut browser, &page, "anna").await
}

on_both! {
    async fn a_signed_request_is_what_counts_and_nothing_beside_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        for algorithm in Algorithm::ALL {
            let key = signer(algorithm);
            let client = server.client(Persona::Web, |metadata| {
                with_key(metadata, &key);
                metadata.first_party = true;
            }).await;
            let inside = claims(&server, &AuthorizationUrl::new(&client).with("scope", "openid"));
            let object = sign(&key, &json!({ "alg": algorithm, "kid": key.public().kid(), "typ": "oauth-authz-req+jwt" }), &inside);
            let url = beside(&client, &object).with("scope", "openid email").with("state", "evil").with("redirect_uri", "https://evil.example/");
            let answer = open(&server, &url).await;
            assert!(answer.location().starts_with("https://app.example/cb?"), "{answer:#?}");
            let params = answer.redirect_params();
            assert_eq!(params["state"], "af0ifjsldkj");
            assert_eq!(redeem(&server, &client, &params["code"]).await.json()["scope"], "openid");
        }
    }

    async fn a25_a_bad_object_is_told_to_the_client_or_on_a_page(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (key, stranger, other_key) = (signer(Algorithm::ES256), signer(Algorithm::ES256), signer(Algorithm::EdDSA));
        let client = server.client(Persona::Web, |metadata| {
            metadata.jwks = Some(json!({ "keys": [key.public(), other_key.public()] }));
            metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::ES256);
        }).await;
        let good = claims(&server, &AuthorizationUrl::new(&client));
        let header = json!({ "alg": "ES256" });
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            sign(&key, &header, &claims)
        };
        let now = server.clock.now().as_seconds();
        let signed = sign(&key, &header, &good);
        let tampered = {
            let mut parts: Vec<&str> = signed.split('.').collect();
            let payload = encode(with("scope", json!("openid email")).as_bytes());
            parts[1] = &payload;
            parts.join(".")
        };
        for (object, reason) in [
            (unsigned(&good), "request_object_unsigned"),
            (format!("{}AA", unsigned(&good)), "request_object_algorithm_not_allowed"),
            (sign(&other_key, &json!({ "alg": "EdDSA" }), &good), "request_object_algorithm_not_allowed"),
            (sign(&key, &json!({ "alg": "HS256" }), &good), "request_object_algorithm_not_allowed"),
            (sign(&stranger, &header, &good), "request_object_signature_wrong"),
            (sign(&stranger, &json!({ "alg": "ES256", "jwk": stranger.public() }), &good), "request_object_signature_wrong"),
            (sign(&key, &json!({ "alg": "ES256", "kid": "x" }), &good), "request_object_key_unknown"),
            (sign(&key, &json!({ "alg": "ES256", "typ": "at+jwt" }), &good), "request_object_of_another_type"),
            (sign(&key, &json!({ "alg": "ES256", "crit": ["x"] }), &good), "request_object_malformed"),
            (sign(&key, &json!(null), &good), "request_object_malformed"),
            (sign(&key, &header, &json!("payload")), "request_object_malformed"),
            (sign(&key, &header, &json!([good.clone()])), "request_object_malformed"),
            ("eyJhbGciOiJub25lIn0".to_owned(), "request_object_malformed"),
            (tampered, "request_object_signature_wrong"),
            (with("aud", json!("https://other.example")), "request_object_audience_mismatch"),
            (with("iss", json!("other")), "request_object_of_another_client"),
            (with("client_id", json!("other")), "request_object_of_another_client"),
            (with("sub", json!(client.id())), "request_object_is_an_assertion"),
            (with("exp", json!(now - 60)), "request_object_expired"),
            (with("nbf", json!(now + 60)), "request_object_from_the_future"),
            (with("exp", json!("soon")), "request_object_time_malformed"),
            (with("request", json!(signed.clone())), "request_object_nested"),
            (with("request_uri", json!("https://a.example/")), "request_object_nested"),
            (with("state", json!(null)), "request_object_parameter_malformed"),
        ] {
            let url = beside(&client, &object).and("state", "outer");
            let answer = server.get(&url.path()).await;
            assert_eq!(answer.status, 303, "{reason} {answer:#?}");
            assert!(answer.location().starts_with("https://app.example/cb?"), "{answer:#?}");
            let params = answer.redirect_params();
            assert_eq!((params["error"].as_str(), params["state"].as_str()), ("invalid_request_object", "outer"), "{reason}");
            assert!(recorded(&server, "authorization.refused", reason).await, "{reason}");
            // Without a redirection URI of the client's beside it, nobody is redirected to.
            for url in [url.clone().without("redirect_uri"), url.with("redirect_uri", "https://evil.example/")] {
                assert_page(&server.get(&url.path()).await, 400);
            }
        }
        // What is inside is judged as everywhere.
        let inside = beside(&client, &with("redirect_uri", json!("https://evil.example/")));
        assert_page(&server.get(&inside.path()).await, 400);
        let inside = beside(&client, &with("code_challenge_method", json!("plain")));
        assert_eq!(server.get(&inside.path()).await.redirect_params()["error"], "invalid_request");
        for url in [
            beside(&client, &signed).with("response_type", "token"),
            beside(&client, &signed).and("request", &signed),
            beside(&client, &signed).and("request_uri", "https://a.example/"),
        ] {
            assert_eq!(server.get(&url.path()).await.redirect_params()["error"], "invalid_request", "{url:?}");
        }
        assert!(server.get(&beside(&client, &signed).path()).await.location().starts_with("/login?"));
    }

    async fn an_unsigned_object_is_for_clients_that_are_registered_so(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let key = signer(Algorithm::ES256);
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.first_party = true;
            metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::Unsigned);
        }).await;
        let mut inside = claims(&server, &AuthorizationUrl::new(&client));
        let answer = open(&server, &beside(&client, &unsigned(&inside))).await;
        assert!(answer.redirect_params().contains_key("code"), "{answer:#?}");
        let signed = beside(&client, &sign(&key, &json!({ "alg": "ES256" }), &inside));
        assert_eq!(server.get(&signed.path()).await.redirect_params()["error"], "invalid_request_object");
        inside["iss"] = json!("other");
        let foreign = beside(&client, &unsigned(&inside));
        assert_eq!(server.get(&foreign.path()).await.redirect_params()["error"], "invalid_request_object");
    }

    async fn a_client_that_has_to_sign_is_not_answered_otherwise(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let key = signer(Algorithm::ES256);
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.first_party = true;
            metadata.require_signed_request_object = true;
        }).await;
        let plain = AuthorizationUrl::new(&client);
        assert_eq!(server.get(&plain.path()).await.redirect_params()["error"], "invalid_request");
        assert!(recorded(&server, "authorization.refused", "request_object_required").await);
        assert_error(&push(&server, &client, &plain).await, 400, "invalid_request");
        let object = sign(&key, &json!({ "alg": "ES256" }), &claims(&server, &plain));
        assert!(open(&server, &beside(&client, &object)).await.redirect_params().contains_key("code"));
    }

    async fn an_object_may_be_pushed(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let key = signer(Algorithm::EdDSA);
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.first_party = true;
            metadata.require_signed_request_object = true;
            metadata.require_pushed_authorization_requests = true;
        }).await;
        let inside = claims(&server, &AuthorizationUrl::new(&client).with("scope", "openid"));
        let object = sign(&key, &json!({ "alg": "EdDSA" }), &inside);
        let body = beside(&client, &object).with("scope", "openid email");
        let request_uri = pushed(&server, &client, &body).await;
        // It was good when it was pushed.
        server.clock.advance(80);
        let mut browser = server.browser();
        let page = browser.visit(&opening(&client, &request_uri)).await;
        let params = log_in(&mut browser, &page, "anna").await.redirect_params();
        assert_eq!(redeem(&server, &client, &params["code"]).await.json()["scope"], "openid");

        assert_error(&push(&server, &client, &body).await, 400, "invalid_request_object");
        assert!(recorded(&server, "pushed_request.refused", "request_object_expired").await);
        let other = server.client(Persona::Web, |_| {}).await;
        assert_error(&push(&server, &other, &body.with("client_id", other.id())).await, 400, "invalid_request_object");
    }
}
