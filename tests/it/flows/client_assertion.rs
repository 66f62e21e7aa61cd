//! Clients that authenticate by assertions: behaviours 1.3, C3 and C7 to C12.

use std::collections::BTreeSet;

use ostiary::protocol::client::{Algorithm, AssertionAlgorithm, ClientAuthMethod, ClientStatus};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::assertion::{ASSERTION_TYPE, ClientKey, claims, jwks, keyed, post, reason, token};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, text};
use crate::support::server::{Persona, TestClient, TestServer, basic};

/// A service whose keys are these.
async fn service(server: &TestServer, keys: &[&ClientKey]) -> TestClient {
    server
        .client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            metadata.jwks = Some(jwks(keys));
        })
        .await
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().shift_remove(name);
    claims
}

/// The one answer to every failure, and why it was given.
async fn refused(server: &TestServer, answer: Answer) -> (String, String) {
    assert_error(&answer, 401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), None, "no field was tried");
    (answer.without_trace_id(), reason(server, &answer).await)
}

#[tokio::test]
async fn a_client_proves_itself_with_each_kind_of_key_at_each_endpoint() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for algorithm in Algorithm::ALL {
        let key = ClientKey::new(algorithm);
        let client = service(&server, &[&key]).await;
        let answer = token(&server, &key.sign(&claims(&server, &client))).await;
        assert_eq!(answer.status, 200, "{algorithm:?} {answer:#?}");
        let access_token = text(&answer.json(), "access_token");
        let assertion = key.sign(&claims(&server, &client));
        let introspected =
            post(&server, "/introspect", &assertion, &[("token", &access_token), ("client_id", client.id())]).await;
        assert_eq!(introspected.json()["active"], true, "{introspected:#?}");
        let revoked = post(&server, "/revoke", &key.sign(&claims(&server, &client)), &[("token", &access_token)]).await;
        assert_eq!(revoked.status, 200, "{revoked:#?}");
        assert_error(&post(&server, "/introspect", &assertion, &[("token", &access_token)]).await, 401, "invalid_client");
    }
}

#[tokio::test]
async fn c8_c9_what_the_claims_do_not_say_is_refused_like_everything_else() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let key = ClientKey::new(Algorithm::ES256);
    let client = service(&server, &[&key]).await;
    let now = server.clock.now().as_seconds();
    let good = || claims(&server, &client);
    for (name, value) in [("exp", now - 8), ("iat", now + 8), ("nbf", now + 8), ("exp", now + 3_600)] {
        assert_eq!(token(&server, &key.sign(&with(good(), name, json!(value)))).await.status, 200, "{name} {value}");
    }
    let issuer = server.issuer().to_owned();
    let mut answers = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for bad in [
        without(good(), "exp"),
        with(good(), "exp", json!(now - 61)),
        with(good(), "exp", json!(now + 3_661)),
        with(good(), "exp", json!("soon")),
        with(good(), "iat", json!(now + 61)),
        with(good(), "nbf", json!(now + 61)),
        without(good(), "jti"),
        with(good(), "jti", json!("")),
        with(good(), "jti", json!("j".repeat(256))),
        without(good(), "sub"),
        without(good(), "iss"),
        with(good(), "iss", json!("https://id.example")),
        without(good(), "aud"),
        with(good(), "aud", json!(format!("{issuer}/token"))),
        with(good(), "aud", json!(format!("{issuer}/par"))),
        with(good(), "aud", json!([issuer])),
        with(good(), "aud", json!("https://other.example")),
        with(good(), "sub", json!("nobody")),
    ] {
        let (answer, reason) = refused(&server, token(&server, &key.sign(&bad)).await).await;
        answers.insert(answer);
        reasons.insert(reason);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(reasons.len(), 9, "the audit log tells them apart: {reasons:?}");

    for kind in ["jwt-bearer", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
        let assertion = key.sign(&good());
        let fields = [("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
        let answer = server.post_with("/token", &[], &[&fields[..], &[("grant_type", "client_credentials")]].concat()).await;
        assert_error(&answer, 401, "invalid_client");
    }
    let foreign_name = [("grant_type", "client_credentials"), ("client_id", "other")];
    assert_error(&post(&server, "/token", &key.sign(&good()), &foreign_name).await, 400, "invalid_request");

    server.update_client(&client, |client| client.metadata.legacy_assertion_audience = true).await;
    let legacy = with(good(), "aud", json!(format!("{issuer}/token")));
    assert_eq!(token(&server, &key.sign(&legacy)).await.status, 200);
    for audience in [json!(format!("{issuer}/par")), json!([format!("{issuer}/token")]), json!("https://other.example/token")] {
        assert_error(&token(&server, &key.sign(&with(good(), "aud", audience))).await, 401, "invalid_client");
    }
}

on_both! {
    async fn c10_an_assertion_counts_once_everywhere(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let key = ClientKey::new(Algorithm::EdDSA);
        let client = service(&server, &[&key]).await;
        let node = server.another_node().await;

        let assertion = key.sign(&claims(&server, &client));
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let (server, assertion) = (if number % 2 == 0 { server.clone() } else { node.clone() }, assertion.clone());
            tasks.spawn(async move { token(&server, &assertion).await.status.as_u16() });
        }
        let mut statuses = tasks.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1], statuses[19]), (200, 401, 401), "{statuses:?}");

        let assertion = key.sign(&claims(&server, &client));
        assert_eq!(token(&server, &assertion).await.status, 200);
        for server in [&server, &server.restarted().await, &node] {
            let (_, reason) = refused(server, token(server, &assertion).await).await;
            assert_eq!(reason, "client_assertion_replayed");
        }
        // As long as it could count by its times, it is known; the same jti of another client is another one.
        let once = claims(&server, &client);
        assert_eq!(token(&server, &key.sign(&once)).await.status, 200);
        server.clock.advance(69);
        server.state.db.write(async |tx| ostiary::storage::spent::delete_expired(tx, server.clock.now(), 1_000).await).await.unwrap();
        assert_error(&token(&server, &key.sign(&once)).await, 401, "invalid_client");
        let other = service(&server, &[&key]).await;
        let same_id = with(claims(&server, &other), "jti", once["jti"].clone());
        assert_eq!(token(&server, &key.sign(&same_id)).await.status, 200);
    }
}

#[tokio::test]
async fn c2_a_signature_is_checked_even_if_there_is_no_client() {
    use ostiary::keys::foreign::{Expected, ForeignKeys, pretend_to_verify};

    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let own = ClientKey::new(algorithm);
        let keys = ForeignKeys::new(ostiary::protocol::foreign_jwk::ForeignJwk::parse_set(&jwks(&[&own])).unwrap());
        // Of other claims: another key's may be a number that this key needs no computation for.
        let header = json!({ "alg": algorithm.as_str() });
        let [token, other] = ["app", "other"].map(|sub| own.sign_as(&header, &json!({ "sub": sub })));
        let token = format!("{}{}", &token[..token.rfind('.').unwrap()], &other[other.rfind('.').unwrap()..]);
        let expected = Expected { algorithms: &Algorithm::ALL, types: &[None] };
        crate::support::timing::take_the_same_time(&["a wrong signature", "no client"], async |case| {
            for _ in 0..50 {
                match case {
                    0 => assert!(keys.verify(&token, expected).is_err()),
                    _ => pretend_to_verify(&token),
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn c11_an_algorithm_that_is_not_the_clients_is_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let (rsa, p256) = (ClientKey::new(Algorithm::RS256), ClientKey::new(Algorithm::ES256));
    let client = service(&server, &[&rsa, &p256]).await;
    let good = || claims(&server, &client);
    let unsigned = |header: Value| {
        let signed = p256.sign_as(&header, &good());
        signed.rsplit_once('.').unwrap().0.to_owned() + "."
    };
    for assertion in [
        unsigned(json!({ "alg": "none" })),
        p256.sign_as(&json!({ "alg": "none" }), &good()),
        p256.sign_as(&json!({ "alg": 1 }), &good()),
        p256.sign_as(&json!({ "alg": "RS256", "kid": p256.kid() }), &good()),
        p256.sign_as(&json!({ "alg": "RS256", "kid": rsa.kid() }), &good()),
        rsa.sign_as(&json!({ "alg": "PS256", "kid": rsa.kid() }), &good()),
        p256.sign_as(&json!({ "alg": "ES256", "kid": p256.kid(), "crit": ["b64"], "b64": false }), &good()),
        p256.sign_as(&json!({ "alg": "ES256", "kid": p256.kid(), "typ": "at+jwt" }), &good()),
        // The public key, which everybody has, as a secret.
        keyed(rsa.jwk().to_string().as_bytes(), &good()),
        keyed(rsa.jwk()["n"].as_str().unwrap().as_bytes(), &good()),
        keyed(b"x", &good()),
    ] {
        assert_error(&token(&server, &assertion).await, 401, "invalid_client");
    }
    for typ in ["JWT", "client-authentication+jwt"] {
        let header = with(p256.header(), "typ", json!(typ));
        assert_eq!(token(&server, &p256.sign_as(&header, &good())).await.status, 200, "{typ}");
    }
    assert_eq!(token(&server, &rsa.sign(&good())).await.status, 200);
    server
        .update_client(&client, |client| {
            client.metadata.token_endpoint_auth_signing_alg = Some(AssertionAlgorithm::ES256);
        })
        .await;
    assert_eq!(token(&server, &p256.sign(&good())).await.status, 200);
    let (_, reason) = refused(&server, token(&server, &rsa.sign(&good())).await).await;
    assert_eq!(reason, "client_assertion_algorithm_not_allowed");
}

#[tokio::test]
async fn c12_no_assertion_brings_its_own_key() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let (own, stranger) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    let client = service(&server, &[&own]).await;
    let publisher = crate::support::assertion::Publisher::start(&jwks(&[&stranger])).await;
    for (name, value) in [
        ("jwk", stranger.jwk()),
        ("jku", json!(publisher.url)),
        ("x5u", json!(publisher.url)),
        ("x5c", json!(["MIIB"])),
        ("kid", json!("../../dev/null")),
        ("kid", json!("' UNION SELECT 1 --")),
        ("kid", json!("k".repeat(8_000))),
        ("kid", json!(publisher.url)),
    ] {
        for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": own.kid() })] {
            let assertion = stranger.sign_as(&with(header, name, value.clone()), &claims(&server, &client));
            assert_error(&token(&server, &assertion).await, 401, "invalid_client");
        }
    }
    assert_eq!(publisher.asked(), 0);
}

#[tokio::test]
async fn c3_c7_one_method_and_the_registered_one() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let key = ClientKey::new(Algorithm::ES256);
    let client = service(&server, &[&key]).await;
    let grant = ("grant_type", "client_credentials");
    let assertion = key.sign(&claims(&server, &client));
    let header = basic(client.id(), "secret");
    let proof = [grant, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.as_str())];
    for (headers, more) in [
        (&[("authorization", header.as_str())][..], &[][..]),
        (&[], &[("client_id", client.id()), ("client_secret", "secret")][..]),
    ] {
        let answer = server.post_with("/token", headers, &[&proof[..], more].concat()).await;
        assert_error(&answer, 400, "invalid_request");
    }
    for half in [&proof[..2], &[proof[0], proof[2]]] {
        assert_error(&server.post_with("/token", &[], half).await, 400, "invalid_request");
    }
    assert_eq!(server.post_with("/token", &[], &proof).await.status, 200, "none of that used it up");

    assert_error(&server.post_with("/token", &[("authorization", &header)], &[grant]).await, 401, "invalid_client");
    assert_error(&server.post_with("/token", &[], &[grant, ("client_id", client.id())]).await, 401, "invalid_client");
    for method in [ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost, ClientAuthMethod::None] {
        let other = server
            .client(Persona::Service, |metadata| {
                metadata.token_endpoint_auth_method = method;
                metadata.jwks = Some(jwks(&[&key]));
            })
            .await;
        let (_, reason) = refused(&server, token(&server, &key.sign(&claims(&server, &other))).await).await;
        assert_eq!(reason, "client_authentication_method_not_registered", "{method:?}");
        let secret = other.secret.clone().unwrap_or_default();
        let (_, reason) = refused(&server, token(&server, &keyed(secret.as_bytes(), &claims(&server, &other))).await).await;
        assert_eq!(reason, "client_authentication_method_not_registered", "{method:?}");
    }
    server.update_client(&client, |client| client.status = ClientStatus::Disabled).await;
    let (_, reason) = refused(&server, token(&server, &key.sign(&claims(&server, &client))).await).await;
    assert_eq!(reason, "client_disabled");
}

on_both! {
    async fn a_secret_authenticates_assertions_and_is_kept_sealed_only_for_that(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server
            .client(Persona::Service, |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretJwt)
            .await;
        let secret = client.secret.clone().unwrap();
        let good = || claims(&server, &client);
        let assertion = keyed(secret.as_bytes(), &good());
        assert_eq!(token(&server, &assertion).await.status, 200);
        assert_error(&token(&server, &assertion).await, 401, "invalid_client");
        let (_, reason) = refused(&server, token(&server, &keyed(b"another secret of thirty-two bytes", &good())).await).await;
        assert_eq!(reason, "client_assertion_signature_wrong");
        let key = ClientKey::new(Algorithm::ES256);
        let (_, reason) = refused(&server, token(&server, &key.sign(&good())).await).await;
        assert_eq!(reason, "client_authentication_method_not_registered");
        assert_error(&server.token(&client, &[("grant_type", "client_credentials")]).await, 401, "invalid_client");

        // While one secret replaces the other, both count.
        let new = ostiary::random::secret();
        let row = server.state.client_secrets.stored(&client.client, ostiary::random::uuid(), &new, server.clock.now());
        assert!(!row.sealed.as_ref().unwrap().windows(new.len()).any(|window| window == new.as_bytes()));
        let (id, end) = (client.client.id.clone(), server.clock.now() + ostiary::protocol::time::Seconds(60));
        server.state.db.write(async |tx| ostiary::storage::clients::add_secret(tx, &id, &row, end).await).await.unwrap();
        for secret in [&secret, &new] {
            assert_eq!(token(&server, &keyed(secret.as_bytes(), &good())).await.status, 200);
        }
        server.clock.advance(60);
        assert_error(&token(&server, &keyed(secret.as_bytes(), &good())).await, 401, "invalid_client");
        assert_eq!(token(&server, &keyed(new.as_bytes(), &good())).await.status, 200);

        // Another method needs no more than the hash; with keys there is no secret at all, and it does not come back.
        let secrets = async || {
            let mut conn = server.state.db.read().await.unwrap();
            ostiary::storage::clients::load(&mut conn, &id).await.unwrap().unwrap().secrets
        };
        assert!(secrets().await.iter().all(|secret| secret.sealed.is_some()));
        let change_to = async |method| server.update_client(&client, |client| client.metadata.token_endpoint_auth_method = method).await;
        change_to(ClientAuthMethod::ClientSecretBasic).await;
        assert!(!secrets().await.is_empty() && secrets().await.iter().all(|secret| secret.sealed.is_none()));
        let renewed = TestClient { secret: Some(new.clone()), ..client.clone() };
        assert_eq!(server.token(&renewed, &[("grant_type", "client_credentials")]).await.status, 200);
        change_to(ClientAuthMethod::ClientSecretJwt).await;
        let (_, reason) = refused(&server, token(&server, &keyed(new.as_bytes(), &good())).await).await;
        assert_eq!(reason, "client_assertion_key_unknown");
        change_to(ClientAuthMethod::PrivateKeyJwt).await;
        assert_eq!(secrets().await, []);
        change_to(ClientAuthMethod::ClientSecretBasic).await;
        assert_error(&server.token(&renewed, &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
    }
}
