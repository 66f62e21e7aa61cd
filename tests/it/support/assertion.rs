//! Clients that authenticate by assertions, and the server where they publish their keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jsonwebtoken::{EncodingKey, Header};
use ostiary::keys::signer::{Signer, generate};
use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwt::encode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::browser::Answer;
use super::server::{TestClient, TestServer};

pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key pair of a client's.
pub struct ClientKey(Signer);

impl ClientKey {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(Signer::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap())
    }

    pub fn kid(&self) -> String {
        self.0.public().kid().to_string()
    }

    pub fn jwk(&self) -> Value {
        serde_json::to_value(self.0.public()).unwrap()
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.0.algorithm().as_str(), "kid": self.kid() })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    /// With a header that may say anything.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.0.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", encode(&signature))
    }
}

/// A JWK Set of these keys.
pub fn jwks(keys: &[&ClientKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// An assertion by HMAC with SHA-256.
pub fn keyed(secret: &[u8], claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// The claims of a good assertion, another one each time.
pub fn claims(server: &TestServer, client: &TestClient) -> Value {
    let now = server.clock.now().as_seconds();
    let jti = ostiary::random::identifier();
    json!({ "iss": client.id(), "sub": client.id(), "aud": server.issuer(), "iat": now, "exp": now + 60, "jti": jti })
}

/// Asks for a token with this assertion.
pub async fn token(server: &TestServer, assertion: &str) -> Answer {
    post(server, "/token", assertion, &[("grant_type", "client_credentials")]).await
}

pub async fn post(server: &TestServer, path: &str, assertion: &str, fields: &[(&str, &str)]) -> Answer {
    // So that a refusal is not folded with those before it.
    server.state.refusals.flush().await;
    let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    server.post_with(path, &[], &[&proof[..], fields].concat()).await
}

/// A client's own server, which gives its keys to whoever asks.
#[derive(Clone)]
pub struct Publisher {
    pub url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    pub async fn start(jwks: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let publisher = Self { url, answer: Arc::default(), asked: Arc::default() };
        publisher.publish(jwks);
        let serving = publisher.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                serving.asked.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4_096];
                let _ = socket.read(&mut head).await;
                let answer = serving.answer.lock().unwrap().clone();
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        publisher
    }

    pub fn publish(&self, jwks: &Value) {
        self.answer_with("200 OK", "content-type: application/json\r\n", &jwks.to_string());
    }

    pub fn answer_with(&self, status: &str, fields: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked since the last time.
    pub fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

/// Why this answer was given, by the audit log.
pub async fn reason(server: &TestServer, answer: &Answer) -> String {
    let entry = server.audit().await.into_iter().find(|entry| entry.trace_id == answer.trace_id());
    entry.and_then(|entry| entry.reason).expect("recorded")
}
