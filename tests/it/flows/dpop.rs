//! DPoP at the token endpoint, the authorization endpoint and the one for pushed requests: behaviours 1.7 Q1 to Q7, Q10, Q11; R3, P7.

use std::collections::BTreeSet;

use ostiary::protocol::client::{AccessTokenFormat, Algorithm};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::pushed::opening;
use crate::support::assertion::{ClientKey, keyed, reason};
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::{Prover, ask, post, redeem, refresh};
use crate::support::flow::{AuthorizationUrl, allow, assert_error, claims, code, code_of, log_in, text};
use crate::support::server::{Persona, TestClient, TestServer};

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().shift_remove(name);
    claims
}

/// Asks for a token with a proof that is no good, and says why it is none.
async fn refused(server: &TestServer, client: &TestClient, proof: &str) -> String {
    let answer = ask(server, client, &[proof]).await;
    assert_error(&answer, 400, "invalid_dpop_proof");
    reason(server, &answer).await
}

on_both! {
    async fn a_token_is_bound_to_the_key_of_the_proof_and_says_so(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let resource = server.client(Persona::Service, |_| {}).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let prover = Prover::new();
            let service = server.client(Persona::Service, |metadata| metadata.access_token_format = format).await;
            let tokens = ask(&server, &service, &[&prover.proof(&server, "POST", "/token")]).await.json();
            assert_eq!(tokens["token_type"], "DPoP", "{tokens:#}");
            let seen = server.introspect(&resource, &text(&tokens, "access_token")).await;
            assert_eq!((&seen["token_type"], &seen["cnf"]), (&json!("DPoP"), &json!({ "jkt": prover.jkt() })));
            let plain = ask(&server, &service, &[]).await.json();
            assert_eq!(plain["token_type"], "Bearer");
            assert_eq!(server.introspect(&resource, &text(&plain, "access_token")).await.get("cnf"), None);

            let web = server.client(Persona::Web, |metadata| metadata.access_token_format = format).await;
            let code = code(&server, &web, "anna").await;
            let tokens = redeem(&server, &web, &code, &[&prover.proof(&server, "POST", "/token")]).await.json();
            assert_eq!(tokens["token_type"], "DPoP", "{tokens:#}");
            let access_token = text(&tokens, "access_token");
            if format == AccessTokenFormat::Jwt {
                assert_eq!(claims(&access_token)["cnf"], json!({ "jkt": prover.jkt() }));
            }
            assert_eq!(server.introspect(&web, &access_token).await["cnf"]["jkt"], prover.jkt());
            // A confidential client's refresh token is bound to its credentials: it may change its key.
            let other = Prover::new();
            let refreshed = refresh(&server, &web, &text(&tokens, "refresh_token"), &[&other.proof(&server, "POST", "/token")]).await;
            assert_eq!(server.introspect(&web, &text(&refreshed.json(), "access_token")).await["cnf"]["jkt"], other.jkt());
        }
    }

    async fn q5_a_proof_counts_once_everywhere_and_for_its_own_key(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Service, |_| {}).await;
        let (prover, other) = (Prover::new(), Prover::new());
        let first = Prover::claims(&server, "POST", "/token");
        let proof = prover.sign(&first);
        assert_eq!(ask(&server, &client, &[&proof]).await.status, 200);
        assert_eq!(refused(&server, &client, &proof).await, "dpop_proof_replayed");
        assert_eq!(refused(&server, &client, &prover.sign(&first)).await, "dpop_proof_replayed", "the jti, not the text");
        assert_eq!(ask(&server, &client, &[&other.sign(&first)]).await.status, 200, "nobody uses up the jti of another key");
        assert_eq!(refused(&server.another_node().await, &client, &proof).await, "dpop_proof_replayed");
        assert_eq!(refused(&server.restarted().await, &client, &proof).await, "dpop_proof_replayed");

        let nodes = [server.clone(), server.another_node().await];
        let proof = prover.proof(&server, "POST", "/token");
        let mut requests = JoinSet::new();
        for number in 0..20 {
            let (node, client, proof) = (nodes[number % 2].clone(), client.clone(), proof.clone());
            requests.spawn(async move { ask(&node, &client, &[&proof]).await.status.as_u16() });
        }
        let mut statuses = requests.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, &[400; 19][..]));
    }

    async fn q11_a_public_clients_refresh_token_is_bound_to_its_key(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let (prover, thief) = (Prover::new(), Prover::new());
        let code = code(&server, &client, "anna").await;
        let tokens = redeem(&server, &client, &code, &[&prover.proof(&server, "POST", "/token")]).await.json();
        let token = text(&tokens, "refresh_token");
        let of_thief = thief.proof(&server, "POST", "/token");
        for proofs in [&[][..], &[of_thief.as_str()]] {
            let answer = refresh(&server, &client, &token, proofs).await;
            assert_error(&answer, 400, "invalid_grant");
            assert_eq!(reason(&server, &answer).await, "refresh_token_of_another_key");
        }
        // Nothing was lost by it, and what is bound to a key does not rotate.
        for _ in 0..2 {
            let refreshed = refresh(&server, &client, &token, &[&prover.proof(&server, "POST", "/token")]).await.json();
            assert_eq!((&refreshed["token_type"], &refreshed["refresh_token"]), (&json!("DPoP"), &Value::Null), "{refreshed:#}");
        }
    }

    async fn q11_a_family_that_began_without_a_key_belongs_to_the_first_that_is_proved(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let (prover, thief) = (Prover::new(), Prover::new());
        let code = code(&server, &client, "anna").await;
        let unbound = text(&redeem(&server, &client, &code, &[]).await.json(), "refresh_token");
        let lost = refresh(&server, &client, &unbound, &[&prover.proof(&server, "POST", "/token")]).await.json();
        for token in [&unbound, &text(&lost, "refresh_token")] {
            let of_thief = thief.proof(&server, "POST", "/token");
            for proofs in [&[][..], &[of_thief.as_str()]] {
                let answer = refresh(&server, &client, token, proofs).await;
                assert_error(&answer, 400, "invalid_grant");
                assert_eq!(reason(&server, &answer).await, "refresh_token_of_another_key");
            }
        }
        // The answer of that refresh may have been lost.
        let again = refresh(&server, &client, &unbound, &[&prover.proof(&server, "POST", "/token")]).await.json();
        let bound = text(&again, "refresh_token");
        let kept = refresh(&server, &client, &bound, &[&prover.proof(&server, "POST", "/token")]).await;
        assert_eq!((kept.status.as_u16(), &kept.json()["refresh_token"]), (200, &Value::Null), "{kept:#?}");
    }

    async fn q11_of_twenty_keys_at_once_one_gets_the_family(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let code = code(&server, &client, "anna").await;
        let unbound = text(&redeem(&server, &client, &code, &[]).await.json(), "refresh_token");
        let asking: tokio::task::JoinSet<_> = (0..20).map(|_| {
            let (server, client, unbound) = (server.clone(), client.clone(), unbound.clone());
            async move {
                let proof = Prover::new().proof(&server, "POST", "/token");
                refresh(&server, &client, &unbound, &[&proof]).await.status.as_u16()
            }
        }).collect();
        let statuses = asking.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
    }

    async fn q10_a_code_for_a_key_is_redeemed_with_this_key(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let (prover, thief) = (Prover::new(), Prover::new());
        let code = code_of(&server, &client, &AuthorizationUrl::new(&client).with("dpop_jkt", &prover.jkt()), "anna").await;
        let of_thief = thief.proof(&server, "POST", "/token");
        for proofs in [&[][..], &[of_thief.as_str()]] {
            let answer = redeem(&server, &client, &code, proofs).await;
            assert_error(&answer, 400, "invalid_grant");
            assert_eq!(reason(&server, &answer).await, "code_of_another_key");
        }
        let answer = redeem(&server, &client, &code, &[&prover.proof(&server, "POST", "/token")]).await;
        assert_eq!(answer.status, 200, "{answer:#?}");

        let malformed = server.get(&AuthorizationUrl::new(&client).with("dpop_jkt", "x").path()).await;
        assert_eq!(malformed.redirect_params()["error"], "invalid_request");
    }

    async fn p7_a_pushed_request_is_for_the_key_of_its_proof(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let (prover, other) = (Prover::new(), Prover::new());
        let push = async |url: AuthorizationUrl| {
            let fields: Vec<_> = url.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            post(&server, &client, "/par", &fields, &[&prover.proof(&server, "POST", "/par")]).await
        };
        let foreign = push(AuthorizationUrl::new(&client).with("dpop_jkt", &other.jkt())).await;
        assert_error(&foreign, 400, "invalid_dpop_proof");
        assert_eq!(reason(&server, &foreign).await, "dpop_jkt_of_another_key");
        for url in [AuthorizationUrl::new(&client), AuthorizationUrl::new(&client).with("dpop_jkt", &prover.jkt())] {
            let pushed = push(url).await;
            assert_eq!(pushed.status, 201, "{pushed:#?}");
            let mut browser = server.browser();
            let mut answer = browser.visit(&opening(&client, &text(&pushed.json(), "request_uri"))).await;
            answer = log_in(&mut browser, &answer, "anna").await;
            if answer.url.starts_with("/consent") {
                answer = allow(&mut browser, &answer).await;
            }
            let code = answer.redirect_params()["code"].clone();
            let of_other = other.proof(&server, "POST", "/token");
            assert_error(&redeem(&server, &client, &code, &[&of_other]).await, 400, "invalid_grant");
            assert_eq!(redeem(&server, &client, &code, &[&prover.proof(&server, "POST", "/token")]).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_proof_may_be_signed_with_each_advertised_algorithm() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(Algorithm::ALL));
    for algorithm in Algorithm::ALL {
        let prover = Prover(ClientKey::new(algorithm));
        let answer = ask(&server, &client, &[&prover.proof(&server, "POST", "/token")]).await;
        assert_eq!(answer.json()["token_type"], "DPoP", "{algorithm:?} {answer:#?}");
    }
}

#[tokio::test]
async fn q1_q6_what_is_no_proof_is_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let (prover, other, rsa) = (Prover::new(), Prover::new(), ClientKey::new(Algorithm::RS256));
    let good = || Prover::claims(&server, "POST", "/token");
    let headed = |name: &str, value: Value| prover.0.sign_as(&with(prover.header(), name, value), &good());
    let mut private = prover.0.jwk();
    private["d"] = "AAAA".into();
    let symmetric = json!({ "kty": "oct", "k": "c2VjcmV0" });
    let unsigned = prover.0.sign_as(&with(prover.header(), "alg", json!("none")), &good());
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    let mut reasons = BTreeSet::new();
    for proof in [
        headed("typ", json!("jwt")),
        headed("typ", json!("at+jwt")),
        prover.0.sign_as(&without(prover.header(), "typ"), &good()),
        headed("alg", json!("none")),
        unsigned,
        keyed(b"secret", &good()),
        headed("alg", json!("HS256")),
        headed("alg", json!("ES384")),
        headed("alg", json!("RS256")),
        headed("alg", json!(1)),
        headed("crit", json!(["b64"])),
        prover.0.sign_as(&without(prover.header(), "jwk"), &good()),
        headed("jwk", json!("key")),
        headed("jwk", private),
        headed("jwk", symmetric),
        headed("jwk", other.0.jwk()),
        headed("jwk", rsa.jwk()),
        "x".to_owned(),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        reasons.insert(refused(&server, &client, &proof).await);
    }
    let expected = ["malformed", "of_another_type"].map(|word| format!("dpop_proof_{word}"));
    let expected = expected
        .into_iter()
        .chain(["dpop_algorithm_not_allowed", "dpop_key_unusable", "dpop_signature_wrong"].map(str::to_owned));
    assert_eq!(reasons, expected.collect());

    let proofs = [prover.proof(&server, "POST", "/token"), prover.proof(&server, "POST", "/token")];
    let twice = ask(&server, &client, &[&proofs[0], &proofs[1]]).await;
    assert_error(&twice, 400, "invalid_dpop_proof");
    assert_eq!(reason(&server, &twice).await, "dpop_proof_given_twice");
}

#[tokio::test]
async fn q2_q3_q4_the_claims_have_to_be_those_of_the_request() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let prover = Prover::new();
    let good = || Prover::claims(&server, "POST", "/token");
    let now = server.clock.now().as_seconds();
    for (name, value) in [
        ("iat", json!(now - 10)),
        ("iat", json!(now + 10)),
        ("htu", json!("https://id.example/token?a=b#c")),
        ("htu", json!("HTTPS://ID.example:443/token")),
    ] {
        assert_eq!(
            ask(&server, &client, &[&prover.sign(&with(good(), name, value.clone()))]).await.status,
            200,
            "{name} {value}"
        );
    }
    let mut reasons = BTreeSet::new();
    for bad in [
        without(good(), "jti"),
        without(good(), "htm"),
        without(good(), "htu"),
        without(good(), "iat"),
        with(good(), "htu", json!(["https://id.example/token"])),
        with(good(), "htm", json!("GET")),
        with(good(), "htu", json!("https://id.example/par")),
        with(good(), "htu", json!("https://evil.example/token")),
        with(good(), "htu", json!("http://id.example/token")),
        with(good(), "iat", json!(now - 3_600)),
        with(good(), "iat", json!(now + 3_600)),
    ] {
        reasons.insert(refused(&server, &client, &prover.sign(&bad)).await);
    }
    assert_eq!(reasons.len(), 6, "{reasons:?}");
}

#[tokio::test]
async fn q7_a_required_nonce_is_told_and_counts_for_a_while_on_every_node() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.dpop.require_nonce = true).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let prover = Prover::new();
    let with_nonce = |nonce: &str| prover.sign(&with(Prover::claims(&server, "POST", "/token"), "nonce", json!(nonce)));
    let without_one = ask(&server, &client, &[&prover.proof(&server, "POST", "/token")]).await;
    assert_error(&without_one, 400, "use_dpop_nonce");
    let nonce = without_one.header("dpop-nonce").unwrap().to_owned();
    let forged = ask(&server, &client, &[&with_nonce("forged")]).await;
    assert_error(&forged, 400, "use_dpop_nonce");
    assert_eq!(reason(&server, &forged).await, "dpop_nonce_required");
    for node in [server.clone(), server.restarted().await, server.another_node().await] {
        let answer = ask(&node, &client, &[&with_nonce(&nonce)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("dpop-nonce")), (200, Some(nonce.as_str())), "{answer:#?}");
    }
    server.clock.advance(300);
    let later = ask(&server, &client, &[&with_nonce(&nonce)]).await;
    assert_eq!(later.status, 200, "the one before it counts");
    assert_ne!(later.header("dpop-nonce"), Some(nonce.as_str()), "the next is told");
    server.clock.advance(300);
    let old = ask(&server, &client, &[&with_nonce(&nonce)]).await;
    assert_error(&old, 400, "use_dpop_nonce");
    let next = old.header("dpop-nonce").unwrap().to_owned();
    assert_eq!(ask(&server, &client, &[&with_nonce(&next)]).await.status, 200);
    assert_eq!(ask(&server, &client, &[]).await.header("dpop-nonce"), None, "whoever sends no proof is not bothered");
}

#[tokio::test]
async fn a_client_that_is_registered_for_it_gets_bound_tokens_alone() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |metadata| metadata.dpop_bound_access_tokens = true).await;
    let answer = ask(&server, &client, &[]).await;
    assert_error(&answer, 400, "invalid_dpop_proof");
    assert_eq!(reason(&server, &answer).await, "dpop_proof_missing");
    let prover = Prover::new();
    assert_eq!(ask(&server, &client, &[&prover.proof(&server, "POST", "/token")]).await.json()["token_type"], "DPoP");
}
