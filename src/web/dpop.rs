//! DPoP proofs as requests bring them (RFC 9449 §4): of which key, and whether they are good for this request.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderName;
use http::header::HeaderValue;
use serde_json::Value;

use super::context::RequestContext;
use crate::keys::dpop_nonce::Nonces;
use crate::keys::foreign::{self, Claims, Expected as Signed};
use crate::keys::hash::{TokenHasher, TokenKind};
use crate::keys::ring::Untrusted;
use crate::keys::root::Root;
use crate::protocol::client::Algorithm;
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::dpop::{
    self, Expected, MALFORMED, NONCE, REPEATED, REPLAYED, TYPES, UNUSABLE_KEY, WRONG_ALGORITHM, WRONG_SIGNATURE, WRONG_TYPE,
};
use crate::protocol::error::OAuthError;
use crate::protocol::jwt::Compact;
use crate::protocol::time::Timestamp;
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::spent;
use crate::telemetry::findings::note;

pub const FIELD: HeaderName = HeaderName::from_static("dpop");
const NONCE_FIELD: HeaderName = HeaderName::from_static("dpop-nonce");

/// Judges proofs.
#[derive(Debug)]
pub struct Proofs {
    nonces: Nonces,
    /// Whether a proof has to hold a nonce of ours.
    nonce_required: bool,
    /// `https://id.example`, and where clients with certificates go.
    origins: Vec<String>,
    tokens: TokenHasher,
    /// Where it is kept which proofs were used.
    db: Db,
}

impl Proofs {
    pub fn new(root: &Root, tokens: &TokenHasher, nonce_required: bool, origins: Vec<String>, db: &Db) -> Self {
        let (nonces, tokens) = (Nonces::new(root), tokens.clone());
        Self { nonces, nonce_required, origins, tokens, db: db.clone() }
    }

    /// The key of the proof that the request brings; `None` if it brings none. A good proof is used up. With an access token, the
    /// proof is for this one.
    pub async fn key(
        &self,
        context: &RequestContext,
        access_token: Option<&str>,
    ) -> Result<Result<Option<Thumbprint>, OAuthError>, Error> {
        let proof = match context.proofs.as_slice() {
            [] => return Ok(Ok(None)),
            [proof] => proof.to_str().unwrap_or_default(),
            _ => return Ok(Err(REPEATED)),
        };
        let (key, once) = match self.verified(proof, context, access_token) {
            Ok(verified) => verified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // With the key, so that nobody uses up what another one will send.
        let hash = self.tokens.hash(TokenKind::DpopProof, &format!("{key} {}", once.jti));
        let is_first = self.db.write(async |tx| spent::spend(tx, &hash, once.ends_at, context.now).await).await?;
        Ok(if is_first { Ok(Some(key)) } else { Err(REPLAYED) })
    }

    fn verified(
        &self,
        proof: &str,
        context: &RequestContext,
        access_token: Option<&str>,
    ) -> Result<(Thumbprint, dpop::Once), OAuthError> {
        let signed = foreign::verify_with_own_key(proof, Signed { algorithms: &Algorithm::ALL, types: TYPES });
        let (claims, key) = signed.map_err(refusal).inspect_err(|_| saw_header(proof))?;
        let urls: Vec<String> = self.origins.iter().map(|origin| format!("{origin}{}", context.path)).collect();
        let expected = Expected { method: context.method.as_str(), urls: &urls, access_token };
        let once = dpop::check(&claims, &expected, context.now).inspect_err(|_| saw_claims(&claims, &expected, context.now))?;
        let nonce = claims.get("nonce").and_then(Value::as_str);
        if self.nonce_required && !nonce.is_some_and(|nonce| self.nonces.knows(nonce, context.now)) {
            note("dpop_nonce", "presented", nonce.unwrap_or("none"));
            return Err(NONCE);
        }
        Ok((key, once))
    }

    /// What a client that sends proofs is told with every answer, if proofs have to hold a nonce (RFC 9449 §8.2).
    fn nonce(&self, context: &RequestContext) -> Option<HeaderValue> {
        let due = self.nonce_required && !context.proofs.is_empty();
        due.then(|| HeaderValue::try_from(self.nonces.current(context.now)).ok()).flatten()
    }
}

/// What the request's proofs say that they are signed with; one that is no JWT says nothing.
pub fn algorithms(context: &RequestContext) -> impl Iterator<Item = String> {
    let proofs = context.proofs.iter().filter_map(|proof| proof.to_str().ok());
    proofs.filter_map(|proof| Some(Compact::split(proof).ok()?.header().ok()?.alg))
}

/// Whatever has [`Proofs`].
pub trait JudgesProofs {
    fn proofs(&self) -> &Proofs;
}

/// The layer that adds the nonce to answers.
pub async fn with_nonce<S: JudgesProofs>(
    State(state): State<S>,
    context: RequestContext,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(nonce) = state.proofs().nonce(&context) {
        response.headers_mut().insert(NONCE_FIELD, nonce);
    }
    response
}

fn refusal(untrusted: Untrusted) -> OAuthError {
    match untrusted {
        Untrusted::Malformed | Untrusted::Claims | Untrusted::Unacceptable(_) => MALFORMED,
        Untrusted::UnknownKey => UNUSABLE_KEY,
        Untrusted::Algorithm => WRONG_ALGORITHM,
        Untrusted::Type => WRONG_TYPE,
        Untrusted::Signature => WRONG_SIGNATURE,
    }
}

fn saw_header(proof: &str) {
    let Ok(header) = Compact::split(proof).and_then(|proof| proof.header()) else { return };
    note("dpop_algorithm", "presented", header.alg);
    note("dpop_type", "presented", header.typ.as_deref().unwrap_or("none"));
}

fn saw_claims(claims: &Claims, expected: &Expected<'_>, now: Timestamp) {
    let claim = |name: &str| claims.get(name).map_or_else(|| "none".to_owned(), ToString::to_string);
    note("dpop_method", "htm", claim("htm"));
    // What follows may hold what no note may.
    let url = claim("htu");
    note("dpop_url", "htu", url.split(['?', '#']).next().unwrap_or_default());
    expected.urls.iter().for_each(|url| note("dpop_url", "expected", url));
    note("dpop_age", "iat", claim("iat"));
    note("dpop_age", "now", now.as_seconds());
}
