//! Keys that clients publish: asked for seldom, by one for all, and followed when they change. Behaviours N5, N6, C10.

use std::sync::Arc;

use ostiary::protocol::client::{Algorithm, ClientAuthMethod};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::assertion::{ClientKey, Publisher, claims, jwks, token};
use crate::support::browser::Answer;
use crate::support::database::TestDatabase;
use crate::support::flow::assert_error;
use crate::support::server::{Persona, TestClient, TestServer};

/// A server that may ask this machine.
async fn start() -> TestServer {
    TestServer::start_with(TestDatabase::sqlite().await, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()])
        .await
}

async fn service(server: &TestServer, url: &str) -> TestClient {
    server
        .client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            metadata.jwks_uri = Some(url.to_owned());
        })
        .await
}

async fn ask(server: &TestServer, client: &TestClient, key: &ClientKey) -> Answer {
    token(server, &key.sign(&claims(server, client))).await
}

async fn assert_reason(server: &TestServer, answer: &Answer, reason: &str) {
    assert_error(answer, 401, "invalid_client");
    assert_eq!(crate::support::assertion::reason(server, answer).await, reason);
}

#[tokio::test]
async fn published_keys_are_kept_for_a_minute_whatever_their_server_says() {
    let server = start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let publisher = Publisher::start(&jwks(&[&key])).await;
    let client = service(&server, &publisher.url).await;
    let good = async |seconds, asked: usize| {
        server.clock.advance(seconds);
        assert_eq!(ask(&server, &client, &key).await.status, 200);
        assert_eq!(publisher.asked(), asked, "after {seconds} s");
    };
    good(0, 1).await;
    publisher.answer_with("200 OK", "cache-control: max-age=86400\r\n", &jwks(&[&key]).to_string());
    good(59, 0).await;
    good(1, 1).await;
    good(59, 0).await;
    good(1, 1).await;
}

#[tokio::test]
async fn a_new_key_is_followed_and_unknown_ones_are_looked_for_every_ten_seconds_at_most() {
    let server = start().await;
    let (old, new, stranger) =
        (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    let publisher = Publisher::start(&jwks(&[&old])).await;
    let client = service(&server, &publisher.url).await;
    assert_eq!(ask(&server, &client, &old).await.status, 200);
    assert_eq!(publisher.asked(), 1);

    publisher.publish(&jwks(&[&old, &new]));
    for _ in 0..5 {
        assert_reason(&server, &ask(&server, &client, &new).await, "client_assertion_key_unknown").await;
    }
    assert_eq!(publisher.asked(), 0, "asked a moment ago");
    server.clock.advance(10);
    assert_eq!(ask(&server, &client, &new).await.status, 200);
    assert_eq!(publisher.asked(), 1);
    server.clock.advance(10);
    for _ in 0..5 {
        assert_error(&ask(&server, &client, &stranger).await, 401, "invalid_client");
    }
    assert_eq!(publisher.asked(), 1);

    // A key that was taken back counts until the set is asked for again.
    publisher.publish(&jwks(&[&new]));
    server.clock.advance(60);
    assert_error(&ask(&server, &client, &old).await, 401, "invalid_client");
    assert_eq!(ask(&server, &client, &new).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_come_at_once_share_one_question() {
    let server = start().await;
    let key = Arc::new(ClientKey::new(Algorithm::ES256));
    let publisher = Publisher::start(&jwks(&[&key])).await;
    let client = service(&server, &publisher.url).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (server, client, key) = (server.clone(), client.clone(), Arc::clone(&key));
        tasks.spawn(async move { ask(&server, &client, &key).await.status.as_u16() });
    }
    assert_eq!(tasks.join_all().await, [200; 20]);
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn an_outage_of_the_clients_server_is_survived_for_a_day() {
    let server = start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let publisher = Publisher::start(&jwks(&[&key])).await;
    let client = service(&server, &publisher.url).await;
    assert_eq!(ask(&server, &client, &key).await.status, 200);
    publisher.asked();
    for (status, fields, body) in [
        ("500 Internal Server Error", "", ""),
        ("404 Not Found", "", ""),
        ("302 Found", "location: https://id.example/jwks\r\n", ""),
        ("200 OK", "", "<html>"),
        ("200 OK", "", "{\"keys\": 1}"),
        ("200 OK", "content-encoding: gzip\r\n", "x"),
        ("200 OK", "", &"[".repeat(70_000)),
    ] {
        publisher.answer_with(status, fields, body);
        server.clock.advance(1_000);
        for _ in 0..3 {
            assert_eq!(ask(&server, &client, &key).await.status, 200, "{status} {fields}");
        }
        assert_eq!(publisher.asked(), 1, "then nobody tries for a moment: {status}");
    }
    // What they published may hold no private key.
    publisher.publish(&json!({ "keys": [{ "kty": "oct", "k": "AA" }] }));
    server.clock.advance(24 * 3_600);
    assert_reason(&server, &ask(&server, &client, &key).await, "client_keys_unavailable").await;
    publisher.publish(&jwks(&[&key]));
    assert_error(&ask(&server, &client, &key).await, 401, "invalid_client");
    server.clock.advance(60);
    assert_eq!(ask(&server, &client, &key).await.status, 200);
}

/// M14: whoever registers themselves can make up many sets, and pad them; they must not cost others theirs.
#[tokio::test]
async fn sets_of_clients_that_nobody_has_vouched_for_are_small_and_kept_apart() {
    let server = start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let publisher = Publisher::start(&jwks(&[&key])).await;
    let client = service(&server, &publisher.url).await;
    let stranger = server.client(Persona::Service, |metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
        metadata.jwks_uri = Some(publisher.url.clone());
        metadata.self_registered = true;
    });
    let stranger = stranger.await;
    for client in [&client, &stranger] {
        assert_eq!(ask(&server, client, &key).await.status, 200);
        assert_eq!(publisher.asked(), 1, "each is remembered in its own place");
    }
    let mut padded = jwks(&[&key]);
    padded["padding"] = "x".repeat(16 * 1_024).into();
    publisher.publish(&padded);
    // What was known counts no longer.
    server.clock.advance(24 * 3_600);
    assert_eq!(ask(&server, &client, &key).await.status, 200);
    assert_reason(&server, &ask(&server, &stranger, &key).await, "client_keys_unavailable").await;
}

#[tokio::test]
async fn n5_what_is_not_public_is_not_asked() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let key = ClientKey::new(Algorithm::ES256);
    let publisher = Publisher::start(&jwks(&[&key])).await;
    for url in [publisher.url.clone(), publisher.url.replace("http:", "https:"), publisher.url.replace("127.0.0.1", "localhost")]
    {
        // As if it had been registered while the operator allowed it.
        let client = service(&server, &url).await;
        assert_reason(&server, &ask(&server, &client, &key).await, "client_keys_unavailable").await;
    }
    assert_eq!(publisher.asked(), 0);
}

#[tokio::test]
async fn n6_whatever_its_server_answers_a_client_is_told_the_same() {
    let server = start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let good = jwks(&[&key]).to_string();
    let large = format!("{}{good}", " ".repeat(70_000));
    let mut told = Vec::new();
    for (status, fields, body) in [
        ("302 Found", "location: http://169.254.169.254/latest/\r\n", ""),
        ("200 OK", "content-type: application/json\r\n", large.as_str()),
        ("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", good.as_str()),
        ("200 OK", "content-type: text/html\r\n", "<script>alert(1)</script>"),
        ("200 OK", "content-type: application/json\r\n", "[]"),
        ("404 Not Found", "", ""),
    ] {
        let publisher = Publisher::start(&json!({})).await;
        publisher.answer_with(status, fields, body);
        let client = service(&server, &publisher.url).await;
        let answer = ask(&server, &client, &key).await;
        assert_reason(&server, &answer, "client_keys_unavailable").await;
        assert_eq!(publisher.asked(), 1, "nobody follows, and nobody asks again: {status} {fields}");
        let body = answer.json();
        told.push((body["error"].clone(), body["error_description"].clone(), body.as_object().unwrap().len()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}
