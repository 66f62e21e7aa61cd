//! The key ring: which key signs, which keys verify and decrypt, and the published JWKS (RFC 7515, RFC 7516, RFC 7517; RFC 8725 §3).
//!
//! A snapshot in memory: signing and verifying touch no lock and no database. [`super::store`] exchanges it.

mod own;
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

use self::own::Key;
pub(super) use self::own::OwnKey;
use self::verified::Verified;
use super::encryption::{Decrypter, Plain};
use super::signer::SignerError;
use super::store::Custody;
use crate::protocol::access_token::{AccessTokenClaims, Unacceptable};
use crate::protocol::client::{Algorithm, KeyManagement};
use crate::protocol::id_token::IdTokenClaims;
use crate::protocol::jwe::Jwe;
use crate::protocol::jwk::{JwkSet, KeyAlgorithm, PublicJwk};
use crate::protocol::jwt::{Compact, Malformed, TokenType, encode};
use crate::protocol::time::{Seconds, Timestamp};
pub use crate::storage::signing_keys::KeyState;
use crate::telemetry::spans;

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

/// Why something is not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("encrypted for an unknown key")]
    UnknownKey,
    #[error("undecipherable")]
    Undecipherable,
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
    pub etag: Bytes,
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
    pub(super) fn replace(&self, keys: Vec<(KeyState, OwnKey)>) {
        self.snapshot.store(Arc::new(Snapshot::new(keys)));
    }

    /// The key of this id, if it has been read already.
    pub(super) fn key(&self, kid: &str) -> Option<OwnKey> {
        let ring = self.snapshot.load();
        let decrypts = || ring.decrypters.iter().map(|(_, key)| key).find(|key| key.public().kid().as_str() == kid);
        let signs = ring.by_kid.get(kid).cloned().map(OwnKey::Signs);
        signs.or_else(|| decrypts().cloned().map(OwnKey::Decrypts))
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
        let mut span = spans::span("sign");
        span.outcome(algorithm.as_str());
        let signature = key.signer.sign(token.as_bytes())?;
        drop(span);
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

    /// What others encrypted for one of our keys: the one of the header's `kid`, or any of its kind.
    pub fn decrypt(&self, jwe: &Jwe<'_>) -> Result<Plain, Closed> {
        let ring = self.snapshot.load();
        let mut known = false;
        for (_, key) in &ring.decrypters {
            let named = jwe.kid.as_deref().is_none_or(|kid| key.public().kid().as_str() == kid);
            if named && key.public().algorithm().decrypts(jwe.encryption.alg) {
                known = true;
                if let Ok(plain) = key.decrypt(jwe) {
                    return Ok(plain);
                }
            }
        }
        Err(if known { Closed::Undecipherable } else { Closed::UnknownKey })
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
        self.custody.algorithms().iter().filter_map(|algorithm| algorithm.of_signatures()).filter(ready).collect()
    }

    /// The ways in which others can encrypt for this server.
    pub fn key_managements(&self) -> Vec<KeyManagement> {
        let ring = self.snapshot.load();
        let ready = |alg: &KeyManagement| {
            ring.decrypters.iter().any(|(state, key)| *state == KeyState::Signing && key.public().algorithm().decrypts(*alg))
        };
        KeyManagement::ALL.into_iter().filter(ready).collect()
    }

    /// The algorithms whose keys are looked after, and can be rotated.
    pub fn kept(&self) -> &[KeyAlgorithm] {
        self.custody.algorithms()
    }

    /// Every key for signatures with its state, those that sign first.
    pub fn keys(&self) -> Vec<(KeyState, PublicJwk)> {
        self.snapshot.load().ordered.iter().map(|(state, key)| (*state, key.signer.public().clone())).collect()
    }
}

#[derive(Debug)]
struct Snapshot {
    signing: [Option<Arc<Key>>; Algorithm::ALL.len()],
    by_kid: HashMap<String, Arc<Key>>,
    ordered: Vec<(KeyState, Arc<Key>)>,
    decrypters: Vec<(KeyState, Arc<Decrypter>)>,
    jwks: Jwks,
    /// Tokens that one of these keys signed. It goes when the keys change.
    verified: Verified,
}

impl Snapshot {
    /// All that sign stay in the JWKS, whatever their state. Those that do so now come first: there are clients that take the first
    /// key of their algorithm. To encrypt with, there is one of each kind.
    fn new(keys: Vec<(KeyState, OwnKey)>) -> Self {
        let rank = |state: KeyState| match state {
            KeyState::Signing => 0,
            KeyState::Published => 1,
            KeyState::Retired => 2,
        };
        let (mut ordered, mut decrypters) = (Vec::new(), Vec::new());
        for (state, key) in keys {
            match key {
                OwnKey::Signs(key) => ordered.push((state, key)),
                OwnKey::Decrypts(key) => decrypters.push((state, key)),
            }
        }
        ordered.sort_by_key(|(state, key)| (rank(*state), key.signer.algorithm()));
        decrypters.sort_by_key(|(state, key)| (rank(*state), key.public().algorithm()));
        let signing = Algorithm::ALL.map(|algorithm| {
            let signs = |(state, key): &&(KeyState, Arc<Key>)| *state == KeyState::Signing && key.signer.algorithm() == algorithm;
            ordered.iter().find(signs).map(|(_, key)| Arc::clone(key))
        });
        let by_kid = ordered.iter().map(|(_, key)| (key.signer.public().kid().to_string(), Arc::clone(key))).collect();
        let in_use = decrypters.iter().filter(|(state, _)| *state == KeyState::Signing).map(|(_, key)| key.public());
        let jwks = Jwks::render(ordered.iter().map(|(_, key)| key.signer.public()).chain(in_use).collect());
        Self { signing, by_kid, ordered, decrypters, jwks, verified: Verified::default() }
    }
}

impl Jwks {
    fn render(keys: Vec<&PublicJwk>) -> Self {
        let body = serde_json::to_vec(&JwkSet { keys }).unwrap_or_default();
        let etag = format!("\"{}\"", encode(&Sha256::digest(&body)[..16]));
        Self { body: body.into(), etag: etag.into() }
    }
}

#[cfg(test)]
mod tests;
