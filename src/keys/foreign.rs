//! Keys of others, and what they signed: a client's assertion, a request object, a proof of possession (RFC 7515 §5.2; RFC 8725).
//!
//! Which algorithms count, and which keys, is known before a token is looked at; what its header says of keys is not read,
//! except its `kid`, which chooses among the known ones.

mod decoy;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

pub use self::decoy::pretend_to_verify;
use super::encryption::Recipient;
use super::ring::Untrusted;
use super::signer;
use crate::protocol::client::{Algorithm, KeyManagement};
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwk::Material;
use crate::protocol::jwt::{Compact, Malformed};
use crate::telemetry::findings::note;

/// The claims of a token, its signature found good.
pub type Claims = Map<String, Value>;

/// The public keys of one other party.
#[derive(Clone, Debug, Default)]
pub struct ForeignKeys {
    signers: Vec<ForeignKey>,
    recipients: Vec<Arc<Recipient>>,
}

/// One of them.
#[derive(Clone)]
pub struct ForeignKey {
    jwk: ForeignJwk,
    verifier: DecodingKey,
}

/// What a token has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Algorithms that count.
    pub algorithms: &'a [Algorithm],
    /// Values of `typ` that count, in lower case, without `application/`. `None` stands for a header without it.
    pub types: &'a [Option<&'a str>],
}

impl ForeignKeys {
    /// Those of a JWK Set that can be used here; others are left out (RFC 7517 §5).
    pub fn new(jwks: Vec<ForeignJwk>) -> Self {
        let mut recipients: Vec<_> = jwks.iter().cloned().filter_map(Recipient::new).map(Arc::new).collect();
        // Where some say that they are for encryption, those that say nothing are for something else.
        if recipients.iter().any(|recipient| recipient.jwk().is_only_for_encryption()) {
            recipients.retain(|recipient| recipient.jwk().is_only_for_encryption());
        }
        Self { signers: jwks.into_iter().filter_map(ForeignKey::new).collect(), recipients }
    }

    /// The key to encrypt for their owner with.
    pub fn recipient(&self, alg: KeyManagement) -> Option<&Arc<Recipient>> {
        self.recipients.iter().find(|recipient| recipient.jwk().encrypts_with(alg))
    }

    /// Whether a token that names this key could be checked: if not, the set may be an old one.
    pub fn may_have_signed(&self, token: &str) -> bool {
        let header = Compact::split(token).and_then(|token| token.header());
        header.is_ok_and(|header| self.candidates(header.kid.as_deref(), &header.alg).next().is_some())
    }

    /// Whether the key with this thumbprint is among them.
    pub fn hold(&self, key: Thumbprint) -> bool {
        self.signers.iter().any(|known| known.material().thumbprint() == key)
    }

    /// The claims of a token that one of the keys signed.
    pub fn verify(&self, text: &str, expected: Expected<'_>) -> Result<Claims, Untrusted> {
        let (token, algorithm, kid) = expected.read(text)?;
        let mut known = false;
        for key in self.candidates(kid.as_deref(), algorithm.as_str()) {
            known = true;
            if key.verifies(&token, algorithm) {
                return claims(&token);
            }
        }
        Err(if known { Untrusted::Signature } else { Untrusted::UnknownKey })
    }

    /// The keys that a header may mean: that of its `kid`; without one, all of the algorithm.
    fn candidates(&self, kid: Option<&str>, algorithm: &str) -> impl Iterator<Item = &ForeignKey> {
        self.signers.iter().filter(move |key| key.jwk.signs_with(algorithm) && kid.is_none_or(|kid| key.jwk.kid() == Some(kid)))
    }
}

impl ForeignKey {
    /// `None`: no key for signatures, or none at all, such as a point that is not on the curve.
    pub fn new(jwk: ForeignJwk) -> Option<Self> {
        if !Algorithm::ALL.into_iter().any(|algorithm| jwk.signs_with(algorithm.as_str())) {
            return None;
        }
        let verifier = signer::verifier(jwk.material()).ok()?;
        Some(Self { jwk, verifier })
    }

    pub const fn material(&self) -> &Material {
        self.jwk.material()
    }

    /// The claims of a token that this key signed.
    pub fn verify(&self, text: &str, expected: Expected<'_>) -> Result<Claims, Untrusted> {
        let (token, algorithm, _) = expected.read(text)?;
        if !self.jwk.signs_with(algorithm.as_str()) {
            return Err(Untrusted::Algorithm);
        }
        if self.verifies(&token, algorithm) { claims(&token) } else { Err(Untrusted::Signature) }
    }

    fn verifies(&self, token: &Compact<'_>, algorithm: Algorithm) -> bool {
        signer::verifies(&self.verifier, algorithm, token.signing_input.as_bytes(), token.signature)
    }
}

/// The claims of a token that was signed with the key that stands in its own header, and the thumbprint of this key: it proves that
/// its sender has the key, and nothing else (RFC 9449 §4.3).
pub fn verify_with_own_key(text: &str, expected: Expected<'_>) -> Result<(Claims, Thumbprint), Untrusted> {
    let (token, algorithm, _) = expected.read(text)?;
    let jwk = token.own_key()?.ok_or(Untrusted::UnknownKey)?;
    let jwk = ForeignJwk::parse(&jwk).map_err(|_| Untrusted::UnknownKey)?;
    if !jwk.signs_with(algorithm.as_str()) {
        return Err(Untrusted::UnknownKey);
    }
    let key = ForeignKey::new(jwk).ok_or(Untrusted::UnknownKey)?;
    if !key.verifies(&token, algorithm) {
        return Err(Untrusted::Signature);
    }
    Ok((claims(&token)?, key.material().thumbprint()))
}

/// The claims of a token that whoever knows `secret` made, by HMAC with SHA-256 (RFC 7518 §3.2): nothing else is taken.
pub fn verify_with_secret(text: &str, secret: &SecretString, types: &[Option<&str>]) -> Result<Claims, Untrusted> {
    let token = Compact::split(text)?;
    let header = token.header()?;
    if header.alg != "HS256" {
        return Err(Untrusted::Algorithm);
    }
    check_type(header.typ.as_deref(), types)?;
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let verified =
        jsonwebtoken::crypto::verify(token.signature, token.signing_input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    if verified.unwrap_or(false) { claims(&token) } else { Err(Untrusted::Signature) }
}

impl Expected<'_> {
    fn read<'t>(&self, text: &'t str) -> Result<(Compact<'t>, Algorithm, Option<String>), Untrusted> {
        let token = Compact::split(text)?;
        let header = token.header()?;
        let algorithm = self.algorithms.iter().copied().find(|algorithm| algorithm.as_str() == header.alg);
        let algorithm = algorithm.ok_or(Untrusted::Algorithm)?;
        check_type(header.typ.as_deref(), self.types)?;
        Ok((token, algorithm, header.kid))
    }
}

/// `typ` is a media type: letters of either case, with or without `application/` (RFC 7515 §4.1.9).
fn check_type(typ: Option<&str>, types: &[Option<&str>]) -> Result<(), Untrusted> {
    let typ = typ.map(str::to_ascii_lowercase);
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    if types.contains(&typ) { Ok(()) } else { Err(Untrusted::Type) }
}

fn claims(token: &Compact<'_>) -> Result<Claims, Untrusted> {
    token.unverified_claims().map_err(|Malformed| Untrusted::Claims)
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.jwk.fmt(formatter)
    }
}

/// Notes what the header of a token that was refused says, under the checks of its algorithm, its type and its key.
pub fn note_header(token: &str, [algorithm, kind, key]: [&'static str; 3]) {
    let Ok(header) = Compact::split(token).and_then(|token| token.header()) else { return };
    note(algorithm, "presented", header.alg);
    note(kind, "presented", header.typ.as_deref().unwrap_or("none"));
    note(key, "presented", header.kid.as_deref().unwrap_or("none"));
}

#[cfg(test)]
mod tests;
