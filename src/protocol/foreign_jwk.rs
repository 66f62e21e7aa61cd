//! Public keys that others registered or published (RFC 7517; RFC 7518 §6; RFC 8037 §2).

use serde_json::{Map, Value};

use super::client::KeyManagement;
use super::jwk::Material;
use super::jwt::decode;

/// Keys of one set.
const MAX_KEYS: usize = 32;

/// The longest `kid`.
const MAX_KID: usize = 128;

/// Bits of an RSA modulus: the least that RFC 7518 §3.3 allows, and the most that doesn't keep the server busy.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// What the library verifies with takes: neither 1 nor more than 33 bits.
const EXPONENT_BITS: std::ops::RangeInclusive<usize> = 2..=33;

/// Curves of keys of the type OKP (RFC 8037 §2).
const ED25519: &str = "Ed25519";
const X25519: &str = "X25519";

/// Members of private and of symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key, for signatures or for encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignJwk {
    material: Material,
    kid: Option<String>,
    usage: Option<Usage>,
    /// By `key_ops`; all where there is none.
    operations: Operations,
    /// `alg`: the one algorithm that the key is for.
    algorithm: Option<String>,
}

/// `use` (RFC 7517 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Signatures,
    Encryption,
}

/// What a key may be used for (RFC 7517 §4.3), of what is done here with keys of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operations {
    verify: bool,
    /// The content key, or what it is agreed on with.
    encrypt: bool,
}

impl Operations {
    fn parse(jwk: &Map<String, Value>) -> Result<Self, InvalidJwk> {
        let Some(listed) = jwk.get("key_ops") else { return Ok(Self { verify: true, encrypt: true }) };
        let listed = listed.as_array().ok_or(InvalidJwk::Malformed)?;
        let names: Option<Vec<&str>> = listed.iter().map(Value::as_str).collect();
        let names = names.ok_or(InvalidJwk::Malformed)?;
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
        Ok(Self { verify: has(&["verify"]), encrypt: has(&["encrypt", "wrapKey", "deriveKey", "deriveBits"]) })
    }
}

/// Why a key or a set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwk {
    #[error("is no JWK Set: an object with up to 32 keys")]
    Set,
    #[error("holds a private or symmetric key: only public keys may leave their owner")]
    Private,
    #[error("holds a key of a type or curve that is not supported")]
    Unsupported,
    #[error("holds a key whose members are malformed, or an RSA key of less than 2048 or more than 8192 bits")]
    Malformed,
}

impl ForeignJwk {
    /// One key. Members that aren't known are not looked at (RFC 7517 §4), private ones are refused.
    pub fn parse(jwk: &Value) -> Result<Self, InvalidJwk> {
        let jwk = jwk.as_object().ok_or(InvalidJwk::Malformed)?;
        if PRIVATE.iter().any(|member| jwk.contains_key(*member)) || jwk.get("kty").is_some_and(|kty| kty == "oct") {
            return Err(InvalidJwk::Private);
        }
        let kid = optional_text(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(InvalidJwk::Malformed);
        }
        let algorithm = optional_text(jwk, "alg")?.map(str::to_owned);
        let usage = match optional_text(jwk, "use")? {
            None => None,
            Some("sig") => Some(Usage::Signatures),
            Some("enc") => Some(Usage::Encryption),
            Some(_) => return Err(InvalidJwk::Unsupported),
        };
        // One to encrypt with that is too weak spoils no signature.
        let operations = Operations::parse(jwk)?;
        let left_out = |error| if usage == Some(Usage::Encryption) { InvalidJwk::Unsupported } else { error };
        let material = material(jwk).map_err(left_out)?;
        Ok(Self { material, kid: kid.map(str::to_owned), usage, operations, algorithm })
    }

    /// The keys of a set that can be used here. Others are left out (RFC 7517 §5), but for private ones: whoever publishes one has
    /// to be told.
    pub fn parse_set(jwks: &Value) -> Result<Vec<Self>, InvalidJwk> {
        let keys = jwks.get("keys").and_then(Value::as_array).filter(|keys| keys.len() <= MAX_KEYS).ok_or(InvalidJwk::Set)?;
        let mut parsed = Vec::new();
        for key in keys {
            match Self::parse(key) {
                Ok(key) => parsed.push(key),
                Err(InvalidJwk::Unsupported) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(parsed)
    }

    pub const fn material(&self) -> &Material {
        &self.material
    }

    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key is for this algorithm, by its type and by what it says of itself (RFC 7517 §4.4).
    pub fn signs_with(&self, algorithm: &str) -> bool {
        let fits = match &self.material {
            Material::Rsa { .. } => matches!(algorithm, "RS256" | "PS256"),
            Material::Ec { .. } => algorithm == "ES256",
            Material::Okp { crv, .. } => *crv == ED25519 && algorithm == "EdDSA",
        };
        let is_for_it = self.usage != Some(Usage::Encryption) && self.operations.verify;
        fits && is_for_it && self.algorithm.as_deref().is_none_or(|own| own == algorithm)
    }

    /// Whether one can encrypt for its owner with it so, by its type and by what it says of itself.
    pub fn encrypts_with(&self, alg: KeyManagement) -> bool {
        let fits = match (&self.material, alg) {
            (Material::Rsa { .. }, alg) => alg == KeyManagement::RsaOaep256,
            (Material::Ec { .. }, alg) => alg != KeyManagement::RsaOaep256,
            (Material::Okp { crv, .. }, alg) => *crv == X25519 && alg != KeyManagement::RsaOaep256,
        };
        let is_for_it = self.usage != Some(Usage::Signatures) && self.operations.encrypt;
        fits && is_for_it && self.algorithm.as_deref().is_none_or(|own| own == alg.as_str())
    }

    /// Whether it is for encryption and for nothing else.
    pub fn is_only_for_encryption(&self) -> bool {
        self.usage == Some(Usage::Encryption) || self.operations.encrypt && !self.operations.verify
    }
}

fn material(jwk: &Map<String, Value>) -> Result<Material, InvalidJwk> {
    let bytes = |member| decode(text(jwk, member)?).map_err(|_| InvalidJwk::Malformed);
    let coordinate = |member| bytes(member)?.try_into().map_err(|_| InvalidJwk::Malformed);
    match (text(jwk, "kty")?, optional_text(jwk, "crv")?) {
        ("RSA", _) => {
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            if !RSA_BITS.contains(&bits(&modulus))
                || !EXPONENT_BITS.contains(&bits(&exponent))
                || exponent.last().is_none_or(|last| last % 2 == 0)
            {
                return Err(InvalidJwk::Malformed);
            }
            Ok(Material::rsa(&modulus, &exponent))
        }
        ("EC", Some("P-256")) => Ok(Material::p256(&coordinate("x")?, &coordinate("y")?)),
        ("OKP", Some(ED25519)) => Ok(Material::ed25519(&coordinate("x")?)),
        ("OKP", Some(X25519)) => Ok(Material::x25519(&coordinate("x")?)),
        _ => Err(InvalidJwk::Unsupported),
    }
}

/// Of a number without leading zeros (RFC 7518 §6.3.1.1); of another one, none.
fn bits(number: &[u8]) -> usize {
    match number.first() {
        None | Some(0) => 0,
        Some(first) => number.len() * 8 - first.leading_zeros() as usize,
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Result<&'a str, InvalidJwk> {
    optional_text(jwk, member)?.ok_or(InvalidJwk::Malformed)
}

fn optional_text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Result<Option<&'a str>, InvalidJwk> {
    jwk.get(member).map(|value| value.as_str().ok_or(InvalidJwk::Malformed)).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::jwt::encode;

    fn rsa(bytes: usize) -> Value {
        json!({ "kty": "RSA", "n": encode(&vec![0xff; bytes]), "e": "AQAB" })
    }

    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[2; 32]) })
    }

    fn with(mut jwk: Value, member: &str, value: Value) -> Value {
        jwk[member] = value;
        jwk
    }

    #[test]
    fn each_kind_of_key_is_read_and_signs_with_its_own_algorithms() {
        let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&[1; 32]), "x5t": "ignored" });
        for (jwk, algorithms) in [(rsa(256), &["RS256", "PS256"][..]), (p256(), &["ES256"]), (ed25519, &["EdDSA"])] {
            let key = ForeignJwk::parse(&jwk).unwrap();
            for algorithm in ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none", ""] {
                assert_eq!(key.signs_with(algorithm), algorithms.contains(&algorithm), "{algorithm} {jwk}");
            }
        }
        let key = ForeignJwk::parse(&with(rsa(256), "alg", json!("PS256"))).unwrap();
        assert!(key.signs_with("PS256") && !key.signs_with("RS256"));
    }

    #[test]
    fn a_key_encrypts_where_its_type_its_use_and_its_algorithm_allow_it() {
        let x25519 = json!({ "kty": "OKP", "crv": "X25519", "x": encode(&[9; 32]) });
        let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&[1; 32]) });
        let agreement = [KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw];
        for (jwk, algs) in [
            (rsa(256), &[KeyManagement::RsaOaep256][..]),
            (p256(), &agreement),
            (x25519.clone(), &agreement),
            (ed25519, &[]),
            (with(p256(), "use", json!("sig")), &[]),
            (with(p256(), "use", json!("enc")), &agreement),
            (with(p256(), "alg", json!("ECDH-ES")), &[KeyManagement::EcdhEs]),
            (with(p256(), "alg", json!("ES256")), &[]),
            (with(rsa(256), "alg", json!("RSA-OAEP")), &[]),
        ] {
            let key = ForeignJwk::parse(&jwk).unwrap();
            for alg in KeyManagement::ALL {
                assert_eq!(key.encrypts_with(alg), algs.contains(&alg), "{alg:?} {jwk}");
            }
        }
        let key = ForeignJwk::parse(&with(p256(), "use", json!("enc"))).unwrap();
        assert!(key.is_only_for_encryption() && !key.signs_with("ES256"));
        assert!(!ForeignJwk::parse(&x25519).unwrap().signs_with("EdDSA"));
        assert_eq!(ForeignJwk::parse(&with(p256(), "use", json!("tls"))), Err(InvalidJwk::Unsupported));
    }

    /// RFC 7517 §4.3.
    #[test]
    fn a_key_is_for_the_operations_that_it_names() {
        for (operations, signs, encrypts) in [
            (json!(["verify"]), true, false),
            (json!(["deriveBits"]), false, true),
            (json!(["deriveKey"]), false, true),
            (json!(["wrapKey", "encrypt"]), false, true),
            (json!(["verify", "deriveBits"]), true, true),
            (json!(["sign", "decrypt", "unwrapKey"]), false, false),
            (json!([]), false, false),
        ] {
            let key = ForeignJwk::parse(&with(p256(), "key_ops", operations.clone())).unwrap();
            let told = (key.signs_with("ES256"), key.encrypts_with(KeyManagement::EcdhEs), key.is_only_for_encryption());
            assert_eq!(told, (signs, encrypts, encrypts && !signs), "{operations}");
        }
        let both = with(with(p256(), "use", json!("sig")), "key_ops", json!(["deriveBits"]));
        let neither = ForeignJwk::parse(&both).unwrap();
        assert!(
            !neither.signs_with("ES256") && !neither.encrypts_with(KeyManagement::EcdhEs),
            "what contradicts itself is for nothing"
        );
        for malformed in [json!("verify"), json!([1]), json!({})] {
            assert_eq!(ForeignJwk::parse(&with(p256(), "key_ops", malformed.clone())), Err(InvalidJwk::Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_private_or_symmetric_key_is_refused_in_a_set_too() {
        for jwk in [
            with(p256(), "d", json!("x")),
            with(rsa(256), "p", json!(null)),
            json!({ "kty": "oct", "k": "x" }),
            json!({ "kty": "oct" }),
            json!({ "kty": "new", "k": "x" }),
        ] {
            assert_eq!(ForeignJwk::parse(&jwk), Err(InvalidJwk::Private), "{jwk}");
            assert_eq!(ForeignJwk::parse_set(&json!({ "keys": [p256(), jwk] })), Err(InvalidJwk::Private));
        }
    }

    #[test]
    fn what_is_malformed_or_weak_is_refused() {
        for jwk in [
            json!(null),
            json!("x"),
            json!({}),
            json!({ "kty": 1 }),
            rsa(255),
            rsa(1_025),
            with(rsa(256), "e", json!("Ag")),
            with(rsa(256), "n", json!("AP__")),
            with(p256(), "x", json!(encode(&[1; 31]))),
            with(p256(), "y", json!("!")),
            with(p256(), "kid", json!("k".repeat(129))),
            with(p256(), "kid", json!(1)),
        ] {
            assert_eq!(ForeignJwk::parse(&jwk), Err(InvalidJwk::Malformed), "{jwk}");
        }
    }

    #[test]
    fn a_set_is_read_without_the_keys_that_nobody_here_can_use() {
        let unknown = [json!({ "kty": "AKP" }), with(p256(), "crv", json!("P-521")), with(rsa(128), "use", json!("enc"))];
        let keys = json!({ "keys": [unknown[0], p256(), unknown[1], unknown[2]] });
        assert_eq!(ForeignJwk::parse_set(&keys).unwrap().len(), 1);
        assert_eq!(ForeignJwk::parse_set(&json!({ "keys": [] })), Ok(vec![]));
        for set in [json!([]), json!({}), json!({ "keys": {} }), json!({ "keys": vec![p256(); 33] })] {
            assert_eq!(ForeignJwk::parse_set(&set), Err(InvalidJwk::Set), "{set}");
        }
    }
}
