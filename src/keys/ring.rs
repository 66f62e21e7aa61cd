//! The key ring: which key signs, which keys verify, and the published JWKS (RFC 7515, RFC 7517; RFC 8725 §3).
//!
//! A snapshot in memory: signing and verifying touch no lock and no database. [`super::store`] exchanges it.

mod verified;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use self::verified::Verified;
use super::signer::{Signer, SignerError};
use super::store::Custody;
use crate::protocol::access_token::{AccessTokenClaims, Unacceptable};
use crate::protocol::client::Algorithm;
use crate::protocol::id_token::IdTokenClaims;
use crate::protocol::jwk::{JwkSet, PublicJwk};
use crate::protocol::jwt::{Compact, Header, Malformed, TokenType, encode};
use crate::protocol::time::{Seconds, Timestamp};
pub use crate::storage::signing_keys::KeyState;

/// How long others may keep the JWKS: `Cache-Control: public, max-age=…`. A new key is published at least twice as long before it signs.
pub const JWKS_MAX_AGE: Seconds = Seconds::minutes(5);

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("there is no signing key for {}", .0.as_str())]
    NoKey(Algorithm),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the claims are no JSON: {0}")]
    Claims(#[from] serde_json::Error),
}

/// Why a token is refused. For the log and the audit row; the caller of the endpoint is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("malformed")]
    Malformed,
    #[error("signed with an unknown key")]
    UnknownKey,
    #[error("algorithm is not that of the key")]
    Algorithm,
    #[error("of another type")]
    Type,
    #[error("wrong signature")]
    Signature,
    #[error("claims are not those of its type")]
    Claims,
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
}

impl From<Malformed> for Untrusted {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The JWKS as it is served.
#[derive(Clone, Debug)]
pub struct Jwks {
    pub body: Bytes,
    /// A strong validator, with its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

/// The keys of this server.
#[derive(Debug)]
pub struct KeyRing {
    snapshot: ArcSwap<Snapshot>,
    pub(super) custody: Custody,
}

impl KeyRing {
    /// A ring without keys; [`KeyRing::open`] makes one with those of the database.
    pub fn empty(custody: Custody) -> Self {
        Self { snapshot: ArcSwap::from_pointee(Snapshot::new(Vec::new())), custody }
    }

    /// Puts these keys in the place of all. No two sign for one algorithm: the database sees to it.
    pub(super) fn replace(&self, keys: Vec<(KeyState, Arc<Key>)>) {
        self.snapshot.store(Arc::new(Snapshot::new(keys)));
    }

    /// The key of this id, if it has been read already.
    pub(super) fn key(&self, kid: &str) -> Option<Arc<Key>> {
        self.snapshot.load().by_kid.get(kid).cloned()
    }

    /// Signs `claims` with the algorithm's current key: a JWT in compact serialization (RFC 7515 §7.1).
    pub fn sign(&self, algorithm: Algorithm, kind: TokenType, claims: &impl Serialize) -> Result<String, SignError> {
        let ring = self.snapshot.load();
        let key = ring.signing[algorithm as usize].as_ref().ok_or(SignError::NoKey(algorithm))?;
        let payload = serde_json::to_vec(claims)?;
        let header = &key.headers[kind as usize];
        // base64 makes 4 of 3; the longest signature is that of RSA-2048.
        let mut token = String::with_capacity(header.len() + payload.len().div_ceil(3) * 4 + 346);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.signer.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The claims of a token of this type that one of our keys signed. Time, issuer and audience are not looked at: see
    /// [`KeyRing::access_token`].
    ///
    /// The key says which algorithm counts, not the token; `none`, HMAC with a public key, and keys that the token brings along
    /// have no way in (RFC 8725 §3.1, §3.10, §3.11).
    pub fn verify<T: DeserializeOwned>(&self, text: &str, kind: TokenType) -> Result<T, Untrusted> {
        let token = Compact::split(text)?;
        let header = token.header()?;
        let ring = self.snapshot.load();
        let key = header.kid.as_deref().and_then(|kid| ring.by_kid.get(kid)).ok_or(Untrusted::UnknownKey)?;
        if header.alg != key.signer.algorithm().as_str() {
            return Err(Untrusted::Algorithm);
        }
        if header.typ.as_deref() != Some(kind.as_str()) {
            return Err(Untrusted::Type);
        }
        if !ring.verified.remembers(text, || key.signer.verifies(token.signing_input.as_bytes(), token.signature)) {
            return Err(Untrusted::Signature);
        }
        token.unverified_claims().map_err(|Malformed| Untrusted::Claims)
    }

    /// A JWT access token of ours that is good for `audience` now; `None` takes any audience (introspection).
    pub fn access_token(
        &self,
        token: &str,
        issuer: &str,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<AccessTokenClaims, Untrusted> {
        let claims: AccessTokenClaims = self.verify(token, TokenType::AccessToken)?;
        claims.check(issuer, audience, now)?;
        Ok(claims)
    }

    /// An ID token of ours that came back as `id_token_hint`. It may have expired (OpenID Connect Core §3.1.2.1).
    pub fn id_token_hint(&self, token: &str, issuer: &str) -> Result<IdTokenClaims, Untrusted> {
        let claims: IdTokenClaims = self.verify(token, TokenType::IdToken)?;
        if claims.iss != issuer {
            return Err(Unacceptable::Issuer.into());
        }
        Ok(claims)
    }

    /// The published keys, rendered.
    pub fn jwks(&self) -> Jwks {
        self.snapshot.load().jwks.clone()
    }

    /// The algorithms to offer: those that are configured and that there is a signing key for. An algorithm that was taken out of the
    /// configuration still signs for the clients that are registered with it.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let ring = self.snapshot.load();
        let ready = |algorithm: &Algorithm| ring.signing[*algorithm as usize].is_some();
        self.custody.algorithms().iter().copied().filter(ready).collect()
    }

    /// Every key with its state, those that sign first.
    pub fn keys(&self) -> Vec<(KeyState, PublicJwk)> {
        self.snapshot.load().ordered.iter().map(|(state, key)| (*state, key.signer.public().clone())).collect()
    }
}

#[derive(Debug)]
struct Snapshot {
    signing: [Option<Arc<Key>>; Algorithm::ALL.len()],
    by_kid: HashMap<String, Arc<Key>>,
    ordered: Vec<(KeyState, Arc<Key>)>,
    jwks: Jwks,
    /// Tokens that one of these keys signed. It goes when the keys change.
    verified: Verified,
}

/// A key, ready for use.
#[derive(Debug)]
pub(super) struct Key {
    signer: Signer,
    /// The encoded header for each type of token.
    headers: [String; TokenType::ALL.len()],
}

impl Snapshot {
    /// All of them stay in the JWKS, whatever their state. Those that sign come first: there are clients that take the first key
    /// of their algorithm.
    fn new(mut ordered: Vec<(KeyState, Arc<Key>)>) -> Self {
        ordered.sort_by_key(|(state, key)| {
            let rank = match state {
                KeyState::Signing => 0,
                KeyState::Published => 1,
                KeyState::Retired => 2,
            };
            (rank, key.signer.algorithm())
        });
        let signing = Algorithm::ALL.map(|algorithm| {
            let signs = |(state, key): &&(KeyState, Arc<Key>)| *state == KeyState::Signing && key.signer.algorithm() == algorithm;
            ordered.iter().find(signs).map(|(_, key)| Arc::clone(key))
        });
        let by_kid = ordered.iter().map(|(_, key)| (key.signer.public().kid().to_string(), Arc::clone(key))).collect();
        let jwks = Jwks::render(ordered.iter().map(|(_, key)| key.signer.public()).collect());
        Self { signing, by_kid, ordered, jwks, verified: Verified::default() }
    }
}

impl Key {
    pub(super) fn new(signer: Signer) -> Self {
        let headers = TokenType::ALL.map(|kind| {
            let header = Header {
                typ: Some(kind.as_str().to_owned()),
                alg: signer.algorithm().as_str().to_owned(),
                kid: Some(signer.public().kid().to_string()),
            };
            encode(&serde_json::to_vec(&header).unwrap_or_default())
        });
        Self { signer, headers }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }
}

impl Jwks {
    fn render(keys: Vec<&PublicJwk>) -> Self {
        let body = serde_json::to_vec(&JwkSet { keys }).unwrap_or_default();
        let etag = format!("\"{}\"", encode(&Sha256::digest(&body)[..16]));
        Self { body: body.into(), etag }
    }
}

#[cfg(test)]
mod tests;
