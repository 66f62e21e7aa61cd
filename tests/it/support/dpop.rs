//! Clients that prove to hold a key (DPoP).

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request};
use ostiary::protocol::client::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::assertion::ClientKey;
use super::browser::Answer;
use super::flow::VERIFIER;
use super::server::{TestClient, TestServer, basic};

/// A key whose holder makes proofs.
pub struct Prover(pub ClientKey);

impl Prover {
    pub fn new() -> Self {
        Self(ClientKey::new(Algorithm::ES256))
    }

    /// The thumbprint.
    pub fn jkt(&self) -> String {
        self.0.kid()
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.0.header()["alg"], "jwk": self.0.jwk() })
    }

    /// The claims of a good proof, another one each time.
    pub fn claims(server: &TestServer, method: &str, path: &str) -> Value {
        let (iat, jti) = (server.clock.now().as_seconds(), ostiary::random::identifier());
        json!({ "htm": method, "htu": format!("{}{path}", server.origin()), "iat": iat, "jti": jti })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.0.sign_as(&self.header(), claims)
    }

    /// A proof for one request.
    pub fn proof(&self, server: &TestServer, method: &str, path: &str) -> String {
        self.sign(&Self::claims(server, method, path))
    }

    /// The claims of a proof for one access token.
    pub fn claims_for(server: &TestServer, method: &str, path: &str, token: &str) -> Value {
        let mut claims = Self::claims(server, method, path);
        claims["ath"] = URL_SAFE_NO_PAD.encode(Sha256::digest(token)).into();
        claims
    }

    /// Opens a resource with a token and a proof for it.
    pub async fn open(&self, server: &TestServer, path: &str, token: &str) -> Answer {
        let proof = self.sign(&Self::claims_for(server, "GET", path, token));
        open(server, path, &format!("DPoP {token}"), &[&proof]).await
    }
}

/// A request to a resource with this Authorization field and these proofs.
pub async fn open(server: &TestServer, path: &str, authorization: &str, proofs: &[&str]) -> Answer {
    server.state.refusals.flush().await;
    let mut request = Request::get(path).header("authorization", authorization);
    for proof in proofs {
        request = request.header("dpop", HeaderValue::from_str(proof).unwrap());
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// A form of a client's, with these proofs.
pub async fn post(server: &TestServer, client: &TestClient, path: &str, fields: &[(&str, &str)], proofs: &[&str]) -> Answer {
    server.state.refusals.flush().await;
    let secret = client.secret.as_ref().map(|secret| basic(client.id(), secret));
    let mut headers: Vec<(&str, &str)> = secret.iter().map(|secret| ("authorization", secret.as_str())).collect();
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    let id = [("client_id", client.id())];
    let fields = if secret.is_some() { fields.to_vec() } else { [&id, fields].concat() };
    server.post_with(path, &headers, &fields).await
}

pub async fn redeem(server: &TestServer, client: &TestClient, code: &str, proofs: &[&str]) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", client.redirect_uri()),
        ("code_verifier", VERIFIER),
    ];
    post(server, client, "/token", &fields, proofs).await
}

pub async fn refresh(server: &TestServer, client: &TestClient, token: &str, proofs: &[&str]) -> Answer {
    post(server, client, "/token", &[("grant_type", "refresh_token"), ("refresh_token", token)], proofs).await
}

/// A service asks for a token of its own.
pub async fn ask(server: &TestServer, client: &TestClient, proofs: &[&str]) -> Answer {
    post(server, client, "/token", &[("grant_type", "client_credentials")], proofs).await
}
