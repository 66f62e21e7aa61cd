//! The compact serialization of encrypted content and its header (RFC 7516 §3.1, §4, §7.1; RFC 7518 §4.6; RFC 8725).
//!
//! What is read here is not decrypted: [`crate::keys::encryption`] does that.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{ContentEncryption, Encryption, KeyManagement};
use super::error::{ErrorCode, OAuthError};
use super::foreign_jwk::ForeignJwk;
use super::jwk::Material;
use super::jwt::{MAX_LENGTH, decode, encode};

/// The longest `kid`, and the longest `apu` and `apv`, that are looked at.
const MAX_MEMBER: usize = 128;

/// Bytes of the authentication tag of every `enc` (RFC 7518 §5.2.3, §5.3).
pub const TAG_LENGTH: usize = 16;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

/// Of an answer that has to be encrypted and can't be: it isn't given at all.
pub const NO_KEY: OAuthError = invalid("encryption_key_missing", "The client has no key that the answer could be encrypted with");
pub const KEYS_UNAVAILABLE: OAuthError =
    invalid("encryption_keys_unavailable", "The keys of the client, to encrypt the answer with, can not be had");

/// OpenID Connect Core §3.1.2.1 has the client decrypt its ID tokens before it hands them back.
pub const ENCRYPTED_HINT: OAuthError = invalid(
    "id_token_hint_encrypted",
    "id_token_hint is encrypted: it has to be the signed ID token that the client found when it decrypted its own",
);

/// Text that isn't encrypted content in compact serialization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("not a JWE in compact serialization")]
    Malformed,
    /// It asks for what isn't known here.
    #[error("encrypted in a way that is not supported")]
    Unsupported,
}

/// The parts of a compact serialization, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwe<'a> {
    pub encryption: Encryption,
    pub kid: Option<String>,
    /// With the algorithms that agree on a key, and with no others.
    pub agreement: Option<Agreement>,
    /// The header as it came: what is authenticated beside the content (RFC 7516 §5.1, step 14).
    pub authenticated: &'a str,
    /// Empty where the key is agreed on directly.
    pub encrypted_key: Vec<u8>,
    pub iv: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub tag: [u8; TAG_LENGTH],
}

/// What a key is agreed on with (RFC 7518 §4.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// `epk`.
    pub ephemeral: Material,
    pub apu: Vec<u8>,
    pub apv: Vec<u8>,
}

/// What is in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Another JWT, which is signed (RFC 7519 §5.2).
    Nested,
    /// The same; its issuer is said outside too (RFC 7519 §5.3).
    NestedOf(&'a str),
    /// The claims themselves.
    Claims,
}

/// Whether `text` has the five parts of encrypted content. Signed content has three.
pub fn is_shaped(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 4
}

impl<'a> Jwe<'a> {
    /// Reads the parts and the header. `zip` is refused: what is compressed may come out a thousand times as large, and its length
    /// tells of what is in it (RFC 8725 §3.6). So is `crit`, since no extension is understood here.
    pub fn parse(text: &'a str) -> Result<Self, Unreadable> {
        use Unreadable::{Malformed, Unsupported};
        #[derive(Deserialize)]
        struct Received {
            alg: String,
            enc: String,
            kid: Option<String>,
            epk: Option<Value>,
            apu: Option<String>,
            apv: Option<String>,
            zip: Option<IgnoredAny>,
            crit: Option<IgnoredAny>,
        }
        if text.len() > MAX_LENGTH || !is_shaped(text) {
            return Err(Malformed);
        }
        let bytes = |text: &str| decode(text).map_err(|_| Malformed);
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(Malformed);
        let authenticated = next()?;
        let (encrypted_key, iv, ciphertext, tag) = (bytes(next()?)?, bytes(next()?)?, bytes(next()?)?, bytes(next()?)?);
        let header: Received = serde_json::from_slice(&bytes(authenticated)?).map_err(|_| Malformed)?;
        let texts = [&header.kid, &header.apu, &header.apv];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_MEMBER) {
            return Err(Malformed);
        }
        let alg = KeyManagement::ALL.into_iter().find(|alg| alg.as_str() == header.alg).ok_or(Unsupported)?;
        let enc = ContentEncryption::ALL.into_iter().find(|enc| enc.as_str() == header.enc).ok_or(Unsupported)?;
        if header.zip.is_some() || header.crit.is_some() {
            return Err(Unsupported);
        }
        let agreement = match (alg, header.epk) {
            (KeyManagement::RsaOaep256, _) => None,
            (KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw, epk) => {
                let ephemeral = ForeignJwk::parse(&epk.ok_or(Malformed)?).map_err(|_| Malformed)?.material().clone();
                let named = |text: Option<String>| text.as_deref().map_or(Ok(Vec::new()), bytes);
                Some(Agreement { ephemeral, apu: named(header.apu)?, apv: named(header.apv)? })
            }
        };
        let is_direct = alg == KeyManagement::EcdhEs;
        if encrypted_key.is_empty() != is_direct || iv.len() != enc.iv_length() || ciphertext.is_empty() {
            return Err(Malformed);
        }
        let tag = tag.try_into().map_err(|_| Malformed)?;
        let encryption = Encryption { alg, enc };
        Ok(Self { encryption, kid: header.kid, agreement, authenticated, encrypted_key, iv, ciphertext, tag })
    }
}

/// The header of encrypted content, encoded. `ephemeral` is the public half of the key that another one was agreed on with.
pub fn header(encryption: Encryption, kid: Option<&str>, ephemeral: Option<&Material>, content: Content<'_>) -> String {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: KeyManagement,
        enc: ContentEncryption,
        typ: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cty: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epk: Option<&'a Material>,
        #[serde(skip_serializing_if = "Option::is_none")]
        iss: Option<&'a str>,
    }
    let Encryption { alg, enc } = encryption;
    let (cty, iss) = match content {
        Content::Nested => (Some("JWT"), None),
        Content::NestedOf(issuer) => (Some("JWT"), Some(issuer)),
        Content::Claims => (None, None),
    };
    let header = Header { alg, enc, typ: "JWT", cty, kid, epk: ephemeral, iss };
    encode(&serde_json::to_vec(&header).unwrap_or_default())
}

/// All together (RFC 7516 §7.1).
pub fn compact(header: &str, encrypted_key: &[u8], iv: &[u8], ciphertext: &[u8], tag: &[u8]) -> String {
    let [encrypted_key, iv, ciphertext, tag] = [encrypted_key, iv, ciphertext, tag].map(encode);
    format!("{header}.{encrypted_key}.{iv}.{ciphertext}.{tag}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rsa() -> Value {
        json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM" })
    }

    fn ecdh() -> Value {
        let epk = json!({ "kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[2; 32]) });
        json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": epk, "apu": "QWxpY2U", "apv": "Qm9i" })
    }

    fn with(mut header: Value, member: &str, value: Value) -> Value {
        header[member] = value;
        header
    }

    fn text(header: &Value, key: &[u8], iv: usize, tag: usize) -> String {
        compact(&encode(header.to_string().as_bytes()), key, &vec![1; iv], b"content", &vec![2; tag])
    }

    fn parse(header: &Value) -> Result<(), Unreadable> {
        let key: &[u8] = if header["alg"] == "ECDH-ES" { b"" } else { b"key" };
        Jwe::parse(&text(header, key, 12, 16)).map(drop)
    }

    #[test]
    fn the_parts_are_read() {
        let text = text(&ecdh(), b"", 12, 16);
        let jwe = Jwe::parse(&text).unwrap();
        assert_eq!(jwe.encryption, Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm });
        let agreement = jwe.agreement.unwrap();
        assert_eq!((agreement.apu.as_slice(), agreement.apv.as_slice()), (&b"Alice"[..], &b"Bob"[..]));
        assert_eq!(agreement.ephemeral, Material::p256(&[1; 32], &[2; 32]));
        assert_eq!((jwe.ciphertext.as_slice(), jwe.tag), (&b"content"[..], [2; 16]));
        assert!(text.starts_with(jwe.authenticated) && is_shaped(&text) && !is_shaped("a.b.c"));
    }

    #[test]
    fn what_is_not_known_here_is_refused_before_anything_is_computed() {
        for header in [
            with(rsa(), "alg", json!("RSA1_5")),
            with(rsa(), "alg", json!("RSA-OAEP")),
            with(rsa(), "alg", json!("dir")),
            with(with(rsa(), "alg", json!("PBES2-HS256+A128KW")), "p2c", json!(4_000_000_000_u32)),
            with(rsa(), "enc", json!("A256CBC-HS512")),
            with(rsa(), "enc", json!("none")),
            with(rsa(), "zip", json!("DEF")),
            with(rsa(), "crit", json!(["exp"])),
        ] {
            assert_eq!(parse(&header), Err(Unreadable::Unsupported), "{header}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let epk = |member, value| with(ecdh(), "epk", with(ecdh()["epk"].clone(), member, value));
        for header in [
            json!(null),
            json!([]),
            json!({ "alg": "RSA-OAEP-256" }),
            with(rsa(), "enc", json!(1)),
            with(rsa(), "kid", json!("k".repeat(129))),
            with(ecdh(), "epk", json!(null)),
            with(ecdh(), "epk", json!("x")),
            with(ecdh(), "apu", json!("!")),
            epk("crv", json!("P-521")),
            epk("x", json!(encode(&[1; 31]))),
            epk("d", json!(encode(&[1; 32]))),
        ] {
            assert_eq!(parse(&header), Err(Unreadable::Malformed), "{header}");
        }
        for text in [
            text(&rsa(), b"", 12, 16),
            text(&ecdh(), b"key", 12, 16),
            text(&rsa(), b"key", 16, 16),
            text(&rsa(), b"key", 12, 15),
            text(&rsa(), b"key", 12, 0),
            compact(&encode(rsa().to_string().as_bytes()), b"key", &[1; 12], b"", &[2; 16]),
            compact("", b"key", &[1; 12], b"content", &[2; 16]),
            format!("{}=", text(&rsa(), b"key", 12, 16)),
            format!("{}.", text(&rsa(), b"key", 12, 16)),
            compact(&encode(rsa().to_string().as_bytes()), b"key", &[1; 12], &[0; MAX_LENGTH], &[2; 16]),
            String::new(),
            "....".to_owned(),
        ] {
            assert_eq!(Jwe::parse(&text).map(drop), Err(Unreadable::Malformed), "{text}");
        }
    }

    #[test]
    fn a_header_says_what_is_in_there() {
        let read = |content| {
            let encryption = Encryption { alg: KeyManagement::RsaOaep256, enc: ContentEncryption::A256Gcm };
            serde_json::from_slice::<Value>(&decode(&header(encryption, Some("k"), None, content)).unwrap()).unwrap()
        };
        let nested = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "typ": "JWT", "cty": "JWT", "kid": "k" });
        assert_eq!(read(Content::Nested), nested);
        assert_eq!(read(Content::Claims).get("cty"), None);
        let of = read(Content::NestedOf("https://id.example"));
        assert_eq!((&of["cty"], &of["iss"]), (&json!("JWT"), &json!("https://id.example")));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_harm(parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 5)) {
            let _ = Jwe::parse(&parts.join("."));
        }
    }
}
