//! Request objects at a URL that the client registered: behaviours 1.1 A25, A26; N5.

use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwt::encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::assert_page;
use super::request_objects::{beside, claims, open, sign, signer, with_key};
use crate::guard::attack::recorded;
use crate::support::assertion::Publisher;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, redeem};
use crate::support::server::{Persona, TestClient, TestServer};

/// A server that may ask this machine.
async fn start(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await
}

/// What the browser carries: where the object is, and where errors of it go.
fn at(client: &TestClient, uri: &str) -> AuthorizationUrl {
    beside(client, "").without("request").and("request_uri", uri)
}

fn publish(publisher: &Publisher, object: &str) {
    publisher.answer_with("200 OK", "content-type: application/oauth-authz-req+jwt\r\n", object);
}

async fn assert_refused(server: &TestServer, url: &AuthorizationUrl, error: &str, reason: &str) {
    let answer: Answer = server.get(&url.path()).await;
    assert_eq!(answer.status, 303, "{reason} {answer:#?}");
    assert_eq!(answer.redirect_params()["error"], error, "{reason}");
    assert!(recorded(server, "authorization.refused", reason).await, "{reason}");
}

on_both! {
    async fn a_published_request_is_what_counts_and_nothing_beside_it(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let key = signer(Algorithm::ES256);
        let publisher = Publisher::start(&Value::Null).await;
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.first_party = true;
            metadata.require_signed_request_object = true;
            metadata.request_uris = vec![publisher.url.clone()];
        }).await;
        let object = sign(&key, &json!({ "alg": "ES256" }), &claims(&server, &AuthorizationUrl::new(&client).with("scope", "openid")));
        publish(&publisher, &format!("{object}\n"));
        let params = open(&server, &at(&client, &publisher.url).and("scope", "openid email")).await.redirect_params();
        assert_eq!(params["state"], "af0ifjsldkj");
        assert_eq!(redeem(&server, &client, &params["code"]).await.json()["scope"], "openid");

        // With the hash of what is there, and no other.
        publish(&publisher, &object);
        server.clock.advance(1);
        let hash = encode(&Sha256::digest(&object));
        let good = open(&server, &at(&client, &format!("{}#{hash}", publisher.url))).await;
        assert!(good.redirect_params().contains_key("code"), "{good:#?}");
        publish(&publisher, &format!("{object}A"));
        server.clock.advance(10);
        let stale = at(&client, &format!("{}#{hash}", publisher.url));
        assert_refused(&server, &stale, "invalid_request_uri", "request_uri_hash_mismatch").await;
        assert_refused(&server, &at(&client, &publisher.url), "invalid_request_object", "request_object_signature_wrong").await;
    }

    async fn a26_only_what_is_registered_is_asked_for(database: TestDatabase) {
        let server = start(database).await;
        let publisher = Publisher::start(&Value::Null).await;
        let (other, registered) = (publisher.url.replace("jwks", "other"), publisher.url.clone());
        let plain = server.client(Persona::Web, |_| {}).await;
        for uri in [registered.as_str(), "http://169.254.169.254/", "file:///etc/passwd", "nonsense"] {
            assert_refused(&server, &at(&plain, uri), "request_uri_not_supported", "request_uri").await;
        }
        let client = server.client(Persona::Web, |metadata| {
            metadata.request_uris = vec![registered.clone(), format!("{other}#{}", "A".repeat(43))];
        }).await;
        for uri in [
            other.as_str(), &format!("{other}#{}", "B".repeat(43)), &format!("{registered}?a=b"), &format!("{registered}/"),
            "http://169.254.169.254/", "https://169.254.169.254/",
        ] {
            assert_refused(&server, &at(&client, uri), "invalid_request_uri", "request_uri_not_registered").await;
        }
        assert_eq!(publisher.asked(), 0, "nobody was asked");
        let twice = at(&client, &registered).and("request_uri", &registered);
        assert_refused(&server, &twice, "invalid_request", "request_object_repeated").await;
        // Where there is no redirection URI of the client's, the person is told.
        assert_page(&server.get(&at(&client, &other).with("redirect_uri", "https://evil.example/").path()).await, 400);
        assert_eq!(publisher.asked(), 0);
    }

    async fn however_many_browsers_bring_it_a_published_request_is_asked_for_once(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let publisher = Publisher::start(&Value::Null).await;
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.request_uris = vec![publisher.url.clone()];
        }).await;
        let object = sign(&key, &json!({ "alg": "ES256" }), &claims(&server, &AuthorizationUrl::new(&client)));
        publish(&publisher, &object);
        let path = at(&client, &publisher.url).path();
        let asking: tokio::task::JoinSet<_> = (0..20).map(|_| {
            let (server, path) = (server.clone(), path.clone());
            async move { server.get(&path).await.status.as_u16() }
        }).collect();
        assert_eq!(asking.join_all().await, [303; 20]);
        assert_eq!(publisher.asked(), 1);
        // Nor does the hash of something else make it more than one a second.
        for _ in 0..5 {
            let other = format!("{}#{}", publisher.url, "A".repeat(43));
            assert_refused(&server, &at(&client, &other), "invalid_request_uri", "request_uri_hash_mismatch").await;
        }
        assert_eq!(publisher.asked(), 0);
        server.clock.advance(10);
        assert_eq!(server.get(&path).await.status, 303);
        assert_eq!(publisher.asked(), 1);
    }

    async fn n5_what_is_registered_and_not_public_is_not_asked_either(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let publisher = Publisher::start(&Value::Null).await;
        for uri in [publisher.url.clone(), publisher.url.replace("http:", "https:"), publisher.url.replace("127.0.0.1", "localhost")] {
            // As if it had been registered while the operator allowed it.
            let client = server.client(Persona::Web, |metadata| metadata.request_uris = vec![uri.clone()]).await;
            assert_refused(&server, &at(&client, &uri), "invalid_request_uri", "request_uri_unavailable").await;
        }
        assert_eq!(publisher.asked(), 0);
    }

    async fn what_is_no_answer_is_no_request(database: TestDatabase) {
        let server = start(database).await;
        let key = signer(Algorithm::ES256);
        let publisher = Publisher::start(&Value::Null).await;
        let client = server.client(Persona::Web, |metadata| {
            with_key(metadata, &key);
            metadata.request_uris = vec![publisher.url.clone()];
        }).await;
        for (status, fields, body, error, reason) in [
            ("404 Not Found", "", "x", "invalid_request_uri", "request_uri_unavailable"),
            ("302 Found", "location: https://id.example/\r\n", "", "invalid_request_uri", "request_uri_unavailable"),
            ("200 OK", "content-encoding: gzip\r\n", "x", "invalid_request_uri", "request_uri_unavailable"),
            ("200 OK", "", &"a".repeat(70_000), "invalid_request_uri", "request_uri_unavailable"),
            ("200 OK", "", "<html>", "invalid_request_object", "request_object_malformed"),
            ("200 OK", "", &"a".repeat(20_000), "invalid_request_object", "request_object_malformed"),
        ] {
            publisher.answer_with(status, fields, body);
            assert_refused(&server, &at(&client, &publisher.url), error, reason).await;
            // A server that failed rests a while.
            server.clock.advance(600);
        }
    }
}
