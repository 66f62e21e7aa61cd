//! DPoP at the resources that are our own: userinfo and the API. Behaviours 1.7 Q1, Q2, Q5, Q7, Q8, Q9.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::assertion::reason;
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::{Prover, ask, open, redeem};
use crate::support::flow::{AuthorizationUrl, assert_error, code_of, text, tokens_of};
use crate::support::server::{Persona, TestClient, TestServer};

const PLACES: [&str; 2] = ["/userinfo", "/api/v1/users/me"];

/// A client whose tokens open both.
async fn client(server: &TestServer) -> TestClient {
    let both = vec![server.issuer().to_owned(), server.state.api_audience()];
    let change = |metadata: &mut ostiary::protocol::client::ClientMetadata| {
        metadata.audiences = both;
        metadata.first_party = true;
        metadata.scope = ostiary::protocol::scope::Scope::parse("openid profile offline_access account:read").unwrap();
        metadata.allowed_origins = vec!["https://app.example".to_owned()];
    };
    server.client(Persona::Web, change).await
}

fn url(client: &TestClient) -> AuthorizationUrl {
    AuthorizationUrl::new(client).with("scope", "openid profile account:read")
}

/// A token that is bound to the key.
async fn bound(server: &TestServer, client: &TestClient, prover: &Prover) -> String {
    let code = code_of(server, client, &url(client), "anna").await;
    let proof = prover.proof(server, "POST", "/token");
    text(&redeem(server, client, &code, &[&proof]).await.json(), "access_token")
}

on_both! {
    async fn a_bound_token_opens_what_is_ours_with_a_proof(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = client(&server).await;
        let prover = Prover::new();
        let token = bound(&server, &client, &prover).await;
        for path in PLACES {
            let answer = prover.open(&server, path, &token).await;
            assert_eq!(answer.status, 200, "{path} {answer:#?}");
            // Q5
            let proof = prover.sign(&Prover::claims_for(&server, "GET", path, &token));
            assert_eq!(open(&server, path, &format!("dpop {token}"), &[&proof]).await.status, 200, "{path}");
            for node in [&server, &server.another_node().await] {
                let replayed = open(node, path, &format!("DPoP {token}"), &[&proof]).await;
                assert_eq!(replayed.status, 401, "{path}");
                assert_eq!(reason(node, &replayed).await, "dpop_proof_replayed");
            }
        }
    }
}

#[tokio::test]
async fn q1_q2_q8_q9_a_bound_token_opens_nothing_without_its_key_and_a_plain_one_nothing_with_a_key() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = client(&server).await;
    let (prover, thief) = (Prover::new(), Prover::new());
    let token = bound(&server, &client, &prover).await;
    let another = bound(&server, &client, &prover).await;
    let plain = text(&tokens_of(&server, &client, &url(&client), "anna").await, "access_token");
    for path in PLACES {
        let claims = || Prover::claims_for(&server, "GET", path, &token);
        let good = || prover.sign(&claims());
        let without_hash = prover.sign(&Prover::claims(&server, "GET", path));
        let of_another = prover.sign(&Prover::claims_for(&server, "GET", path, &another));
        let of_thief = thief.sign(&claims());
        let mut posted = claims();
        posted["htm"] = json!("POST");
        let bearer = prover.0.sign_as(&json!({ "typ": "jwt", "alg": "ES256", "jwk": prover.0.jwk() }), &claims());
        for (scheme, token, proofs, error, why) in [
            ("Bearer", &token, vec![], "invalid_token", "token_without_proof"),
            ("Bearer", &token, vec![good()], "invalid_token", "token_without_proof"),
            ("DPoP", &plain, vec![], "invalid_token", "token_not_bound"),
            ("DPoP", &token, vec![], "invalid_dpop_proof", "dpop_proof_missing"),
            ("DPoP", &token, vec![without_hash], "invalid_dpop_proof", "dpop_token_mismatch"),
            ("DPoP", &token, vec![of_another], "invalid_dpop_proof", "dpop_token_mismatch"),
            ("DPoP", &token, vec![of_thief], "invalid_token", "token_of_another_key"),
            ("DPoP", &token, vec![prover.sign(&posted)], "invalid_dpop_proof", "dpop_method_mismatch"),
            ("DPoP", &token, vec![bearer], "invalid_dpop_proof", "dpop_proof_of_another_type"),
            ("DPoP", &token, vec![good(), good()], "invalid_dpop_proof", "dpop_proof_given_twice"),
        ] {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            let answer = open(&server, path, &format!("{scheme} {token}"), &proofs).await;
            assert_eq!(answer.status, 401, "{path} {why} {answer:#?}");
            let error = format!("error=\"{error}\"");
            let challenges: Vec<_> =
                answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(challenges[0].starts_with(scheme) && challenges[0].contains(&error), "{path} {why} {challenges:?}");
            let dpop = challenges.iter().find(|challenge| challenge.starts_with("DPoP ")).unwrap();
            assert!(dpop.contains("algs=\"RS256 PS256 ES256 EdDSA\""), "{dpop}");
            assert_eq!(reason(&server, &answer).await, why, "{path}");
        }
        assert_eq!(prover.open(&server, path, &token).await.status, 200, "none of it used the token up");
    }
    // RFC 9449 §7.1: the Authorization field alone.
    assert_error(&server.post_with("/userinfo", &[], &[("access_token", &token)]).await, 400, "invalid_request");
    assert_eq!(server.post_with("/userinfo", &[], &[("access_token", &plain)]).await.status, 200);
}

#[tokio::test]
async fn a_refused_token_with_a_key_is_not_asked_for_as_a_bearer_token() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = client(&server).await;
    let prover = Prover::new();
    let token = bound(&server, &client, &prover).await;
    let answer = prover.open(&server, "/api/v1/admin/users", &token).await;
    assert_eq!(answer.status, 403, "{answer:#?}");
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    let metadata = format!("{}/.well-known/oauth-protected-resource/api/v1", server.issuer());
    assert_eq!(
        challenges,
        [format!(
            "DPoP realm=\"ostiary\", error=\"insufficient_scope\", scope=\"users:read\", algs=\"RS256 PS256 ES256 EdDSA\", \
             resource_metadata=\"{metadata}\""
        )]
    );
}

#[tokio::test]
async fn q7_a_resource_asks_for_the_nonce_too_and_scripts_may_read_it() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.dpop.require_nonce = true).await;
    server.person("anna").await;
    let client = client(&server).await;
    let prover = Prover::new();
    let service = server.client(Persona::Service, |_| {}).await;
    let nonce =
        ask(&server, &service, &[&prover.proof(&server, "POST", "/token")]).await.header("dpop-nonce").unwrap().to_owned();
    let code = code_of(&server, &client, &url(&client), "anna").await;
    let mut claims = Prover::claims(&server, "POST", "/token");
    claims["nonce"] = json!(nonce);
    let tokens = redeem(&server, &client, &code, &[&prover.sign(&claims)]).await.json();
    let token = text(&tokens, "access_token");
    // However many are told of it, nobody at their address is taken for a guesser.
    for _ in 0..70 {
        let proof = prover.sign(&Prover::claims_for(&server, "GET", "/api/v1/users/me", &token));
        assert_eq!(open(&server, "/api/v1/users/me", &format!("DPoP {token}"), &[&proof]).await.status, 401);
    }
    for path in PLACES {
        let proof = prover.sign(&Prover::claims_for(&server, "GET", path, &token));
        let request = Request::get(path).header("authorization", format!("DPoP {token}")).header("dpop", &proof);
        let answer = server.send(request.header("origin", "https://app.example").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("dpop-nonce")), (401, Some(nonce.as_str())), "{path} {answer:#?}");
        assert!(answer.header("www-authenticate").unwrap().contains("error=\"use_dpop_nonce\""));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "{path}");
        let mut claims = Prover::claims_for(&server, "GET", path, &token);
        claims["nonce"] = json!(nonce);
        let proof = prover.sign(&claims);
        let request = Request::get(path).header("authorization", format!("DPoP {token}")).header("dpop", &proof);
        let answer = server.send(request.header("origin", "https://app.example").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("dpop-nonce")), (200, Some(nonce.as_str())), "{path} {answer:#?}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("DPoP-Nonce") && exposed.contains("WWW-Authenticate"), "{path} {exposed}");
    }
}
