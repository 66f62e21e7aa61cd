//! A resource server that validates access tokens offline, through the JWKS (RFC 9068 §4), over a key rotation.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::process::Server;

const AUDIENCE: &str = "https://api.example";

/// Keeps the JWKS and fetches it again only for a key that it does not know.
struct ResourceServer<'a> {
    server: &'a Server,
    keys: JwkSet,
    fetched: usize,
}

impl<'a> ResourceServer<'a> {
    async fn new(server: &'a Server) -> Self {
        Self { server, keys: fetch_keys(server).await, fetched: 1 }
    }

    async fn claims(&mut self, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
        let header = decode_header(token)?;
        assert_eq!(header.typ.as_deref(), Some("at+jwt"), "an access token and nothing else (RFC 9068 section 2.1)");
        let kid = header.kid.expect("a kid");
        if self.keys.find(&kid).is_none() {
            self.keys = fetch_keys(self.server).await;
            self.fetched += 1;
        }
        let key = self.keys.find(&kid).expect("a published key");
        assert_eq!(key.common.key_algorithm.map(|algorithm| algorithm.to_string()), Some(format!("{:?}", header.alg)));
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.server.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(decode::<Value>(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
    }
}

async fn fetch_keys(server: &Server) -> JwkSet {
    let discovery: Value = get(&format!("{}/.well-known/openid-configuration", server.issuer)).await;
    serde_json::from_value(get(discovery["jwks_uri"].as_str().expect("jwks_uri")).await).expect("a JWKS")
}

async fn get(url: &str) -> Value {
    reqwest::get(url).await.expect("answer").json().await.expect("JSON")
}

async fn token(server: &Server, (id, secret): &(String, String)) -> String {
    let discovery: Value = get(&format!("{}/.well-known/openid-configuration", server.issuer)).await;
    let request = reqwest::Client::new().post(discovery["token_endpoint"].as_str().expect("token_endpoint"));
    let answer = request.basic_auth(id, Some(secret)).form(&[("grant_type", "client_credentials")]).send().await;
    let answer: Value = answer.expect("answer").json().await.expect("JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

#[tokio::test]
async fn tokens_validate_offline_before_during_and_after_a_key_rotation() {
    let server = Server::start();
    let client = server.client(&["--name", "Service", "--service", "--audience", AUDIENCE]);
    let mut resource_server = ResourceServer::new(&server).await;

    let before = token(&server, &client).await;
    let claims = resource_server.claims(&before).await.expect("valid");
    assert_eq!(claims["client_id"], client.0.as_str());
    let first_kid = decode_header(&before).expect("header").kid;

    // As it goes by itself, but without the day between: the next key is published, and signs later.
    server.cli(&["key", "rotate", "--algorithm", "ES256"]).ok();
    eventually(async || fetch_keys(&server).await.keys.len() > resource_server.keys.keys.len()).await;
    resource_server.keys = fetch_keys(&server).await;
    server.cli(&["key", "rotate", "--algorithm", "ES256", "--now"]).ok();
    let mut after = before.clone();
    eventually(async || {
        after = token(&server, &client).await;
        resource_server.claims(&after).await.expect("every token that is given out meanwhile is valid");
        decode_header(&after).expect("header").kid != first_kid
    })
    .await;

    resource_server.claims(&before).await.expect("what the old key signed stays valid");
    resource_server.claims(&after).await.expect("what the new key signed is valid");
    assert_eq!(resource_server.fetched, 1, "the new key was published before it signed");
}

#[tokio::test]
async fn a_key_that_has_to_go_at_once_is_replaced_at_once() {
    let server = Server::start();
    let client = server.client(&["--name", "Service", "--service", "--audience", AUDIENCE]);
    let mut resource_server = ResourceServer::new(&server).await;
    let first_kid = decode_header(token(&server, &client).await).expect("header").kid;
    server.cli(&["key", "rotate", "--now"]).ok();
    eventually(async || {
        let token = token(&server, &client).await;
        resource_server.claims(&token).await.expect("valid, after a look at the JWKS");
        decode_header(&token).expect("header").kid != first_kid
    })
    .await;
    assert_eq!(resource_server.fetched, 2, "an unknown key is asked for once");
}

/// The running server learns within a second or so of what a command beside it changed.
async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now();
    while !is_so().await {
        assert!(patience.elapsed() < Duration::from_secs(20), "the running server never took it up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_token_for_another_audience_or_with_a_bent_signature_is_refused() {
    let server = Server::start();
    let other = server.client(&["--name", "Other", "--service", "--audience", "https://other.example"]);
    let right = server.client(&["--name", "Service", "--service", "--audience", AUDIENCE]);
    let mut resource_server = ResourceServer::new(&server).await;

    let foreign = token(&server, &other).await;
    resource_server.claims(&foreign).await.expect_err("another audience");

    let mut bent = token(&server, &right).await;
    let at = bent.rfind('.').expect("a signature") + 5;
    let replacement = if &bent[at..=at] == "A" { "B" } else { "A" };
    bent.replace_range(at..=at, replacement);
    resource_server.claims(&bent).await.expect_err("bent");
}
