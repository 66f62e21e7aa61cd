//! Answers that only their client can read: ID tokens, userinfo, authorization responses, introspection (B7).

use ostiary::protocol::client::{Algorithm, ClientMetadata, ContentEncryption, Encryption, GrantType, KeyManagement};
use ostiary::protocol::jwk::KeyAlgorithm;
use ostiary::protocol::jwt::TokenType;
use serde_json::{Value, json};

use super::assert_page;
use super::pushed::push;
use crate::guard::attack::recorded;
use crate::support::assertion::{ClientKey, Publisher, reason};
use crate::support::database::{TestDatabase, on_both};
use crate::support::encryption::{EncryptionKey, every_way};
use crate::support::flow::{AuthorizationUrl, assert_error, authorize, code, header, log_in, redeem, refresh, text, tokens};
use crate::support::server::{Persona, TestClient, TestServer, basic};

const SIGNED: &str = "application/token-introspection+jwt";

/// A server that may ask this machine for keys.
async fn start(database: TestDatabase) -> TestServer {
    let server = TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await;
    server.person("anna").await;
    server
}

async fn app(server: &TestServer, keys: &[Value], change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    let keys = json!({ "keys": keys });
    let change = |metadata: &mut ClientMetadata| {
        metadata.first_party = true;
        metadata.jwks = Some(keys);
        change(metadata);
    };
    server.client(Persona::Web, change).await
}

fn id_tokens(metadata: &mut ClientMetadata, with: Encryption) {
    metadata.id_token_encrypted_response_alg = Some(with.alg);
    metadata.id_token_encrypted_response_enc = Some(with.enc);
}

#[track_caller]
fn assert_header(answer: &str, with: Encryption, key: &EncryptionKey, cty: Option<&str>) {
    let header = header(answer);
    assert_eq!((&header["alg"], &header["enc"]), (&json!(with.alg), &json!(with.enc)));
    assert_eq!((&header["kid"], header["cty"].as_str()), (&json!(key.kid()), cty));
    let names: Vec<_> = header.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(names.iter().all(|name| ["alg", "enc", "typ", "cty", "kid", "epk"].contains(name)), "{names:?}");
}

on_both! {
    async fn an_id_token_is_signed_and_then_encrypted_for_its_client_alone(database: TestDatabase) {
        let server = start(database).await;
        for with in every_way() {
            let key = EncryptionKey::of(with.alg);
            let client = app(&server, &[key.jwk()], |metadata| id_tokens(metadata, with)).await;
            let tokens = tokens(&server, &client, "anna").await;
            let encrypted = text(&tokens, "id_token");
            assert_header(&encrypted, with, &key, Some("JWT"));
            let signed = key.open(&encrypted);
            let claims: Value = server.state.keys.verify(&signed, TokenType::IdToken).expect("signed inside");
            assert_eq!((&claims["aud"], &claims["nonce"]), (&json!(client.id()), &json!("n-0S6_WzA2Mj")));
            assert!(claims["at_hash"].is_string());
            // A refreshed one too.
            let again = refresh(&server, &client, &text(&tokens, "refresh_token")).await.json();
            let again: Value = server.state.keys.verify(&key.open(&text(&again, "id_token")), TokenType::IdToken).unwrap();
            assert_eq!(again["sub"], claims["sub"]);
            // The signed one is a hint; the encrypted one is none, and is told so.
            let hinted = AuthorizationUrl::new(&client).with("prompt", "none");
            let signed = server.get(&hinted.clone().with("id_token_hint", &signed).path()).await.redirect_params();
            assert_eq!(signed["error"], "login_required");
            let refused = server.get(&hinted.with("id_token_hint", &encrypted).path()).await;
            assert_eq!(refused.redirect_params()["error"], "invalid_request");
            assert_eq!(reason(&server, &refused).await, "id_token_hint_encrypted");
            let refused = server.get(&format!("/end-session?id_token_hint={encrypted}")).await;
            assert_page(&refused, 400);
            assert_eq!(reason(&server, &refused).await, "id_token_hint_encrypted");
        }
    }

    async fn userinfo_is_encrypted_signed_or_not(database: TestDatabase) {
        let server = start(database).await;
        for (with, signed) in every_way().zip([Some(Algorithm::ES256), None, Some(Algorithm::RS256)].into_iter().cycle()) {
            let key = EncryptionKey::of(with.alg);
            let client = app(&server, &[key.jwk()], |metadata| {
                metadata.userinfo_signed_response_alg = signed;
                metadata.userinfo_encrypted_response_alg = Some(with.alg);
                metadata.userinfo_encrypted_response_enc = Some(with.enc);
            }).await;
            let tokens = tokens(&server, &client, "anna").await;
            let id_token = server.state.keys.verify::<Value>(&text(&tokens, "id_token"), TokenType::IdToken).expect("in the clear");
            let answer = server.userinfo(&text(&tokens, "access_token")).await;
            assert_eq!((answer.header("content-type"), answer.header("cache-control")), (Some("application/jwt"), Some("no-store")));
            assert_header(&answer.body, with, &key, signed.map(|_| "JWT"));
            let inside = key.open(&answer.body);
            let claims: Value = match signed {
                Some(_) => server.state.keys.verify(&inside, TokenType::UserInfo).expect("signed inside"),
                None => serde_json::from_str(&inside).unwrap(),
            };
            assert_eq!(claims["sub"], id_token["sub"]);
            assert_eq!(claims.get("iss").is_some(), signed.is_some());
        }
    }

    async fn authorization_responses_are_encrypted_successes_and_errors(database: TestDatabase) {
        let server = start(database).await;
        for with in every_way() {
            let key = EncryptionKey::of(with.alg);
            let client = app(&server, &[key.jwk()], |metadata| {
                metadata.authorization_encrypted_response_alg = Some(with.alg);
                metadata.authorization_encrypted_response_enc = Some(with.enc);
            }).await;
            let open = |response: &str| -> Value {
                assert_header(response, with, &key, Some("JWT"));
                server.state.keys.verify(&key.open(response), TokenType::AuthorizationResponse).expect("signed inside")
            };
            let url = AuthorizationUrl::new(&client);
            let params = authorize(&mut server.browser(), &url.clone().with("response_mode", "jwt"), "anna").await;
            assert_eq!(params.keys().collect::<Vec<_>>(), ["response"]);
            let claims = open(&params["response"]);
            assert_eq!((&claims["aud"], &claims["state"]), (&json!(client.id()), &json!("af0ifjsldkj")));
            assert_eq!(redeem(&server, &client, &text(&claims, "code")).await.status, 200);
            let error = server.get(&url.clone().with("response_mode", "query.jwt").with("prompt", "none").path()).await;
            assert_eq!(open(&error.redirect_params()["response"])["error"], "login_required");
            let mut browser = server.browser();
            let page = browser.visit(&url.clone().with("response_mode", "form_post.jwt").path()).await;
            let form = log_in(&mut browser, &page, "anna").await.form();
            assert!(open(form.field("response"))["code"].is_string());
            // One that is no JWT has nowhere to be encrypted.
            let plain = authorize(&mut server.browser(), &url, "anna").await;
            assert!(plain.contains_key("code"));
        }
    }

    async fn introspection_is_encrypted_for_who_asks_for_a_jwt(database: TestDatabase) {
        let server = start(database).await;
        for with in every_way() {
            let key = EncryptionKey::of(with.alg);
            let client = app(&server, &[key.jwk()], |metadata| {
                metadata.introspection_encrypted_response_alg = Some(with.alg);
                metadata.introspection_encrypted_response_enc = Some(with.enc);
            }).await;
            let token = text(&tokens(&server, &client, "anna").await, "access_token");
            let credentials = basic(client.id(), client.secret.as_deref().unwrap());
            let fields = [("authorization", credentials.as_str()), ("accept", SIGNED)];
            let answer = server.post_with("/introspect", &fields, &[("token", &token)]).await;
            assert_eq!((answer.header("content-type"), answer.header("cache-control")), (Some(SIGNED), Some("no-store")));
            assert_header(&answer.body, with, &key, Some("JWT"));
            let claims: Value = server.state.keys.verify(&key.open(&answer.body), TokenType::Introspection).expect("signed inside");
            assert_eq!(claims["token_introspection"], server.introspect(&client, &token).await);
            assert_eq!(claims["token_introspection"]["active"], true);
        }
    }

    async fn without_a_key_nothing_is_answered_and_nothing_is_spent(database: TestDatabase) {
        let server = start(database).await;
        let (signs, key) = (ClientKey::new(Algorithm::ES256), EncryptionKey::new(KeyAlgorithm::EcdhEs));
        let mut for_signatures = signs.jwk();
        for_signatures["use"] = json!("sig");
        let publisher = Publisher::start(&json!({ "keys": [for_signatures] })).await;
        let client = server.client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.jwks_uri = Some(publisher.url.clone());
            id_tokens(metadata, Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm });
        }).await;
        let code = code(&server, &client, "anna").await;
        let refused = redeem(&server, &client, &code).await;
        assert_error(&refused, 400, "invalid_request");
        assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
        let events = server.audit().await.into_iter().filter(|entry| entry.trace_id == refused.trace_id()).count();
        assert_eq!(events, 1);
        server.clock.advance(10);
        publisher.answer_with("503 Busy", "", "");
        let refused = redeem(&server, &client, &code).await;
        // The set of before is still good, and still has no such key.
        assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
        server.clock.advance(10);
        publisher.publish(&json!({ "keys": [for_signatures, key.jwk()] }));
        let tokens = redeem(&server, &client, &code).await.json();
        assert!(key.open(&text(&tokens, "id_token")).starts_with("ey"), "the code was not used up");

        // Neither was the refresh token that rotates: a key that goes away is noticed before.
        let next = EncryptionKey::new(KeyAlgorithm::EcdhEs);
        server.clock.advance(60);
        publisher.publish(&json!({ "keys": [for_signatures] }));
        let refused = refresh(&server, &client, &text(&tokens, "refresh_token")).await;
        assert_error(&refused, 400, "invalid_request");
        server.clock.advance(60);
        publisher.publish(&json!({ "keys": [for_signatures, next.jwk()] }));
        let again = refresh(&server, &client, &text(&tokens, "refresh_token")).await.json();
        next.open(&text(&again, "id_token"));
    }

    async fn without_a_key_userinfo_introspection_and_responses_are_refused_in_the_clear_of_no_one(database: TestDatabase) {
        let server = start(database).await;
        let alg = Some(KeyManagement::RsaOaep256);
        let client = app(&server, &[EncryptionKey::new(KeyAlgorithm::EcdhEs).jwk()], |metadata| {
            metadata.userinfo_encrypted_response_alg = alg;
            metadata.introspection_encrypted_response_alg = alg;
            metadata.authorization_encrypted_response_alg = alg;
        }).await;
        let token = text(&tokens(&server, &client, "anna").await, "access_token");
        let refused = server.userinfo(&token).await;
        assert_error(&refused, 400, "invalid_request");
        assert!(refused.header("www-authenticate").is_some());
        assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
        let credentials = basic(client.id(), client.secret.as_deref().unwrap());
        let fields = [("authorization", credentials.as_str()), ("accept", SIGNED)];
        let refused = server.post_with("/introspect", &fields, &[("token", &token)]).await;
        assert_error(&refused, 400, "invalid_request");
        assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
        // Nobody logs in for an answer that can't be given; an error can't be given either.
        let url = AuthorizationUrl::new(&client).with("response_mode", "jwt");
        for bad in [url.clone(), url.clone().with("prompt", "none")] {
            let page = server.get(&bad.path()).await;
            assert_page(&page, 400);
            assert_eq!(reason(&server, &page).await, "encryption_key_missing");
        }
        assert_page(&server.get(&url.clone().without("code_challenge").path()).await, 400);
        let refused = push(&server, &client, &url).await;
        assert_error(&refused, 400, "invalid_request");
        assert!(recorded(&server, "pushed_request.refused", "encryption_key_missing").await);
        assert!(server.get(&AuthorizationUrl::new(&client).path()).await.location().contains("/login"), "no JWT was asked for");
    }
}

#[tokio::test]
async fn an_id_token_that_comes_through_the_browser_is_encrypted_too() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.legacy.response_types = true).await;
    server.person("anna").await;
    let with = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm };
    let key = EncryptionKey::of(with.alg);
    let hybrid = |metadata: &mut ClientMetadata| {
        metadata.response_types = serde_json::from_value(json!(["code id_token"])).unwrap();
        metadata.grant_types.push(GrantType::Implicit);
        id_tokens(metadata, with);
    };
    let client = app(&server, &[key.jwk()], hybrid).await;
    let url = |client| AuthorizationUrl::new(client).with("response_type", "code id_token");
    let mut browser = server.browser();
    let page = browser.visit(&url(&client).path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    let fragment = answer.location().split_once('#').expect("a fragment").1;
    let id_token = form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "id_token").expect("an ID token").1;
    assert_header(&id_token, with, &key, Some("JWT"));
    let claims: Value = server.state.keys.verify(&key.open(&id_token), TokenType::IdToken).expect("signed inside");
    assert!(claims["c_hash"].is_string());
    // Without a key it is refused before anybody logs in.
    let client = app(&server, &[EncryptionKey::new(KeyAlgorithm::RsaOaep256).jwk()], hybrid).await;
    let refused = server.get(&url(&client).path()).await;
    assert!(refused.location().contains("#error=invalid_request"), "{refused:#?}");
    assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
}

#[tokio::test]
async fn the_clients_key_is_the_one_that_says_it_is_for_encryption() {
    let server = start(TestDatabase::sqlite().await).await;
    let with = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
    let [signs, any, key] = [0; 3].map(|_| EncryptionKey::new(KeyAlgorithm::EcdhEs));
    let usage = |key: &EncryptionKey, usage: Value| {
        let mut jwk = key.jwk();
        jwk["use"] = usage;
        if jwk["use"].is_null() {
            jwk.as_object_mut().unwrap().remove("use");
        }
        jwk
    };
    let rsa = EncryptionKey::new(KeyAlgorithm::RsaOaep256);
    let (signing, unsaid) = (usage(&signs, json!("sig")), usage(&any, Value::Null));
    let mut wraps = key.jwk();
    let members = wraps.as_object_mut().unwrap();
    members.remove("use");
    members.insert("key_ops".to_owned(), json!(["deriveBits"]));
    for (keys, chosen) in [
        (vec![rsa.jwk(), signing.clone(), unsaid.clone(), key.jwk()], &key),
        (vec![unsaid.clone(), wraps], &key),
        (vec![signing.clone(), unsaid.clone()], &any),
    ] {
        let client = app(&server, &keys, |metadata| id_tokens(metadata, with)).await;
        let encrypted = text(&tokens(&server, &client, "anna").await, "id_token");
        assert_header(&encrypted, with, chosen, Some("JWT"));
        chosen.open(&encrypted);
    }
    // Where another one is for encryption, one that does not say so signs (OpenID Connect Registration §2, `use`).
    let client = app(&server, &[signing, unsaid, rsa.jwk()], |metadata| id_tokens(metadata, with)).await;
    let code = code(&server, &client, "anna").await;
    let refused = redeem(&server, &client, &code).await;
    assert_error(&refused, 400, "invalid_request");
    assert_eq!(reason(&server, &refused).await, "encryption_key_missing");
}

#[tokio::test]
async fn keys_that_can_not_be_had_are_told_apart_from_keys_that_are_not_there() {
    let server = start(TestDatabase::sqlite().await).await;
    let publisher = Publisher::start(&Value::Null).await;
    publisher.answer_with("500 Broken", "", "");
    let client = server
        .client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.jwks_uri = Some(publisher.url.clone());
            id_tokens(metadata, Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm });
        })
        .await;
    let code = code(&server, &client, "anna").await;
    let refused = redeem(&server, &client, &code).await;
    assert_error(&refused, 400, "invalid_request");
    assert_eq!(reason(&server, &refused).await, "encryption_keys_unavailable");
}

#[tokio::test]
async fn discovery_lists_what_is_encrypted_and_the_keys_to_encrypt_with() {
    let server = start(TestDatabase::sqlite().await).await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    for what in ["id_token", "userinfo", "authorization", "introspection", "request_object"] {
        assert_eq!(metadata[format!("{what}_encryption_alg_values_supported")], json!(KeyManagement::ALL), "{what}");
        assert_eq!(metadata[format!("{what}_encryption_enc_values_supported")], json!(ContentEncryption::ALL), "{what}");
    }
    let keys = crate::support::encryption::published(&server).await;
    let kinds: Vec<_> = keys.iter().map(|key| (key["kty"].as_str().unwrap(), key["alg"].as_str())).collect();
    assert_eq!(kinds, [("RSA", Some("RSA-OAEP-256")), ("EC", None)]);
}
