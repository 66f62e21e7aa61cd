//! Clients that sign their requests (OpenID Connect CIBA Core 1.0 §7.1.1).

use ostiary::protocol::client::Algorithm;

use super::*;
use crate::support::assertion::{ClientKey, jwks, reason};

async fn signing(server: &TestServer, key: &ClientKey) -> TestClient {
    signing_with(server, key, Algorithm::ES256).await
}

async fn signing_with(server: &TestServer, key: &ClientKey, algorithm: Algorithm) -> TestClient {
    call_centre(server, |metadata| {
        metadata.jwks = Some(jwks(&[key]));
        metadata.backchannel_authentication_request_signing_alg = Some(algorithm);
    })
    .await
}

fn request(server: &TestServer, client: &TestClient) -> Value {
    let now = server.clock.now().as_seconds();
    json!({
        "iss": client.id(), "aud": server.issuer(), "iat": now, "nbf": now, "exp": now + 60, "jti": ostiary::random::identifier(),
        "scope": "openid", "login_hint": "anna", "binding_message": "W4SCT", "requested_expiry": 120,
    })
}

async fn refused(server: &TestServer, client: &TestClient, fields: &[(&str, &str)]) -> String {
    let answer = ask_with(server, client, fields).await;
    assert_error(&answer, 400, "invalid_request");
    reason(server, &answer).await
}

on_both! {
    async fn a_signed_request_counts_once_and_says_all_that_counts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other = server.another_node().await;
        person(&server, "anna").await;
        let key = ClientKey::new(Algorithm::ES256);
        let client = signing(&server, &key).await;
        let signed = key.sign(&request(&server, &client));
        let fields = [("request", signed.as_str())];
        let asked = ask_with(&server, &client, &fields).await;
        assert_eq!((asked.status.as_u16(), asked.json()["expires_in"].as_i64()), (200, Some(120)), "{asked:#?}");
        allow(&server, &link(&server).await, "anna").await;
        assert_eq!(poll(&server, &client, &asked.json()).await.status, 200);
        assert_eq!(refused(&other, &client, &fields).await, "backchannel_request_replayed");
        assert_eq!(links(&server).await.len(), 0);

        let signed = key.sign(&request(&server, &client));
        let beside = [("request", signed.as_str()), ("login_hint", "bert")];
        assert_eq!(refused(&server, &client, &beside).await, "backchannel_request_mixed");
        let unsigned = [("scope", "openid"), ("login_hint", "anna")];
        assert_eq!(refused(&server, &client, &unsigned).await, "backchannel_request_unsigned");
        assert_eq!(ask_with(&server, &client, &[("request", &signed)]).await.status, 200, "none of that used it up");
    }

    async fn a_request_may_be_signed_with_each_algorithm_that_discovery_lists(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let document = server.get("/.well-known/openid-configuration").await.json();
        let listed = &document["backchannel_authentication_request_signing_alg_values_supported"];
        assert_eq!(*listed, json!(Algorithm::ALL));
        for algorithm in Algorithm::ALL {
            let key = ClientKey::new(algorithm);
            let client = signing_with(&server, &key, algorithm).await;
            let signed = key.sign(&request(&server, &client));
            assert_eq!(ask_with(&server, &client, &[("request", &signed)]).await.status, 200, "{algorithm:?}");
        }
    }

    async fn what_another_signed_or_for_something_else_is_refused(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let (key, stranger) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
        let rsa = ClientKey::new(Algorithm::RS256);
        let client = signing(&server, &key).await;
        let good = || request(&server, &client);
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            key.sign(&claims)
        };
        let own = json!({ "alg": "ES256", "kid": key.kid() });
        for (signed, why) in [
            (stranger.sign(&good()), "backchannel_request_key_unknown"),
            (stranger.sign_as(&own, &good()), "backchannel_request_signature_wrong"),
            (rsa.sign(&good()), "backchannel_request_algorithm_not_allowed"),
            (key.sign_as(&json!({ "alg": "none" }), &good()), "backchannel_request_algorithm_not_allowed"),
            (key.sign_as(&json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" }), &good()), "backchannel_request_of_another_type"),
            ("a.b.c".to_owned(), "backchannel_request_malformed"),
            (with("iss", json!("other")), "backchannel_request_of_another_client"),
            (with("sub", json!(client.id())), "backchannel_request_of_another_client"),
            (with("aud", json!("https://id.example/backchannel-authentication")), "backchannel_request_audience_mismatch"),
            (with("exp", json!(1)), "backchannel_request_expired"),
            (with("exp", json!(4_000_000_000_i64)), "backchannel_request_lifetime_too_long"),
            (with("nbf", json!(4_000_000_000_i64)), "backchannel_request_from_the_future"),
            (with("iat", json!("now")), "backchannel_request_time_malformed"),
            (with("jti", json!("")), "backchannel_request_jti_missing"),
        ] {
            assert_eq!(refused(&server, &client, &[("request", &signed)]).await, why, "{signed}");
        }
        assert_eq!(server.mails().await.len(), 0);
    }
}
