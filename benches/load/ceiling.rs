//! The ceiling: what axum and the cryptography take when nothing else is done. No client is authenticated, nothing is looked
//! up, nothing is stored, no header is added.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_SHA256,
};
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Result;

/// As long as a header and claims of an access token.
const SIGNING_INPUT_BYTES: usize = 480;

/// Of forms that hold something signed: what a client authenticates by, a token to exchange.
const SIGNED: [&[u8]; 2] = [b"client_assertion=", b"subject_token="];

/// A page on which a person agrees.
const DEVICE_PAGE: &str = "<!doctype html><title>Device</title><form method=post action=/device><input name=user_code></form>";

/// The documents that the server under test serves.
pub struct Documents {
    discovery: Bytes,
    jwks: Bytes,
}

impl Documents {
    pub fn read(discovery: &Path, jwks: &Path) -> Result<Self> {
        Ok(Self { discovery: fs::read(discovery)?.into(), jwks: fs::read(jwks)?.into() })
    }
}

struct Ceiling {
    documents: Documents,
    es256: EcdsaKeyPair,
    es256_public: ParsedPublicKey,
    rs256: RsaKeyPair,
    signing_input: String,
    signature: Vec<u8>,
    passwords: Arc<Passwords>,
}

type Shared = State<Arc<Ceiling>>;

pub async fn serve(listen: SocketAddr, documents: Documents) -> Result<()> {
    let ceiling = Arc::new(Ceiling::new(documents)?);
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async |State(it): Shared| document(&it.documents.discovery)))
        .route("/jwks", get(async |State(it): Shared| document(&it.documents.jwks)))
        // Client credentials: one signature.
        .route("/es256", post(async |State(it): Shared, _: Bytes| tokens(&[it.es256()])))
        // Code and refresh: an access token and an ID token. For what is signed itself: a signature to verify, an access token.
        .route("/token", post(async |State(it): Shared, headers: HeaderMap, body: Bytes| it.grant(&headers, &body)))
        .route("/device_authorization", post(async |_: Bytes| device()))
        .route("/device", get(async || Html(DEVICE_PAGE)).post(async |_: Bytes| redirect("/device/allowed")))
        .route("/par", post(async |State(it): Shared, _: Bytes| it.pushed()))
        .route("/authorize", get(async || redirect("https://app.example/callback?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj")))
        // Introspection of a JWT, and of an opaque token.
        .route("/verify", post(async |State(it): Shared, _: Bytes| it.verify()))
        .route("/nothing", post(async |_: Bytes| active()))
        .route("/login", post(async |State(it): Shared, _: Bytes| it.passwords.check().await))
        .with_state(ceiling);
    let listener = TcpListener::bind(listen).await?.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}

impl Ceiling {
    fn new(documents: Documents) -> Result<Self> {
        let es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let signing_input = "e".repeat(SIGNING_INPUT_BYTES);
        Ok(Self {
            documents,
            es256_public: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, es256.public_key().as_ref())?,
            signature: es256.sign(&SystemRandom::new(), signing_input.as_bytes())?.as_ref().to_vec(),
            es256,
            rs256: RsaKeyPair::generate(KeySize::Rsa2048)?,
            signing_input,
            passwords: Arc::new(Passwords::new()?),
        })
    }

    fn es256(&self) -> String {
        let signature = self.es256.sign(&SystemRandom::new(), self.signing_input.as_bytes());
        self.token(signature.as_ref().map(AsRef::as_ref).unwrap_or_default())
    }

    fn rs256(&self) -> String {
        let mut signature = vec![0; self.rs256.public_modulus_len()];
        let signed = self.rs256.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), self.signing_input.as_bytes(), &mut signature);
        self.token(signed.map(|()| signature.as_slice()).unwrap_or_default())
    }

    fn token(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input, URL_SAFE_NO_PAD.encode(signature))
    }

    fn grant(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        if headers.contains_key("dpop") {
            return self.verified(|| answer(&[self.es256()], "DPoP"));
        }
        let holds = |name: &[u8]| body.windows(name.len()).any(|part| part == name);
        if SIGNED.into_iter().any(holds) {
            self.verified(|| tokens(&[self.es256()]))
        } else {
            tokens(&[self.es256(), self.rs256()])
        }
    }

    fn pushed(&self) -> Response {
        self.verified(|| {
            Json(json!({ "request_uri": "urn:ietf:params:oauth:request_uri:6esc", "expires_in": 90 })).into_response()
        })
    }

    fn verify(&self) -> Response {
        self.verified(active)
    }

    /// An answer that comes after a signature was verified.
    fn verified(&self, answer: impl FnOnce() -> Response) -> Response {
        match self.es256_public.verify_sig(self.signing_input.as_bytes(), &self.signature) {
            Ok(()) => answer(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

fn document(body: &Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.clone()).into_response()
}

fn tokens(tokens: &[String]) -> Response {
    answer(tokens, "Bearer")
}

fn answer(tokens: &[String], token_type: &str) -> Response {
    let (access_token, id_token) = (tokens.first(), tokens.get(1));
    let answer = json!({ "access_token": access_token, "token_type": token_type, "expires_in": 900, "id_token": id_token,
        "refresh_token": "8xLOxBtZp8" });
    Json(answer).into_response()
}

fn active() -> Response {
    let issuer = "http://localhost:8080";
    Json(json!({ "active": true, "iss": issuer, "sub": "a", "aud": [issuer], "exp": 1, "iat": 1, "client_id": "a", "scope": "a",
        "jti": "a", "token_type": "Bearer" }))
    .into_response()
}

fn device() -> Response {
    let page = "http://localhost:8080/device";
    Json(json!({ "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS", "user_code": "WDJB-MJHT", "verification_uri": page,
        "verification_uri_complete": page, "expires_in": 600, "interval": 5 }))
    .into_response()
}

fn redirect(location: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Argon2id as it is configured by default, on as many threads as there are processors, in memory that is used again.
struct Passwords {
    argon2: Argon2<'static>,
    running: Semaphore,
    buffers: Mutex<Vec<Vec<Block>>>,
}

impl Passwords {
    fn new() -> Result<Self> {
        let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| error.to_string())?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Semaphore::new(std::thread::available_parallelism()?.get()),
            buffers: Mutex::default(),
        })
    }

    async fn check(self: &Arc<Self>) -> Response {
        let Ok(_permit) = self.running.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
        let this = Arc::clone(self);
        match tokio::task::spawn_blocking(move || this.hash()).await {
            Ok(true) => redirect("/authorize/resume"),
            _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    fn hash(&self) -> bool {
        let buffers = || self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = buffers().pop().unwrap_or_default();
        buffer.resize(self.argon2.params().block_count(), Block::new());
        let mut output = [0; 32];
        let hashed = self.argon2.hash_password_into_with_memory(b"correct horse", b"0123456789abcdef", &mut output, &mut buffer);
        buffers().push(buffer);
        hashed.is_ok()
    }
}
