//! How answers are encrypted for a client (RFC 7518 §4.1, §5.1; OpenID Connect Registration 1.0 §2; JARM §3; RFC 9701 §6).

use serde::{Deserialize, Serialize};

use super::ClientMetadata;

/// `alg`: how the content's key reaches the recipient (RFC 7518 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum KeyManagement {
    /// The content's key, encrypted with an RSA key.
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    /// The content's key is what both agree on, with a key on P-256 or X25519.
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
    /// The content's key, wrapped with what both agree on.
    #[serde(rename = "ECDH-ES+A256KW")]
    EcdhEsA256Kw,
}

/// `enc`: how the content is encrypted (RFC 7518 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ContentEncryption {
    /// What all specifications that have an `enc` name as its default.
    #[default]
    #[serde(rename = "A128CBC-HS256")]
    A128CbcHs256,
    #[serde(rename = "A128GCM")]
    A128Gcm,
    #[serde(rename = "A256GCM")]
    A256Gcm,
}

/// What a client is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    pub alg: KeyManagement,
    pub enc: ContentEncryption,
}

impl KeyManagement {
    pub const ALL: [Self; 3] = [Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA256Kw];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }
}

impl ContentEncryption {
    pub const ALL: [Self; 3] = [Self::A128CbcHs256, Self::A128Gcm, Self::A256Gcm];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
        }
    }

    /// Bytes of the content's key: A128CBC-HS256 has one for the HMAC and one for AES in it (RFC 7518 §5.2.2.1).
    pub const fn key_length(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A128CbcHs256 | Self::A256Gcm => 32,
        }
    }

    /// Bytes of the initialization vector (RFC 7518 §5.2.2.1, §5.3).
    pub const fn iv_length(self) -> usize {
        match self {
            Self::A128CbcHs256 => 16,
            Self::A128Gcm | Self::A256Gcm => 12,
        }
    }
}

impl ClientMetadata {
    pub fn id_token_encryption(&self) -> Option<Encryption> {
        registered(self.id_token_encrypted_response_alg, self.id_token_encrypted_response_enc)
    }

    pub fn userinfo_encryption(&self) -> Option<Encryption> {
        registered(self.userinfo_encrypted_response_alg, self.userinfo_encrypted_response_enc)
    }

    /// Of a response that is a JWT; others are not encrypted.
    pub fn authorization_encryption(&self) -> Option<Encryption> {
        registered(self.authorization_encrypted_response_alg, self.authorization_encrypted_response_enc)
    }

    /// Of an answer that is a JWT; others are not encrypted.
    pub fn introspection_encryption(&self) -> Option<Encryption> {
        registered(self.introspection_encrypted_response_alg, self.introspection_encrypted_response_enc)
    }

    /// Whether its encrypted request objects may be encrypted so: as it is registered, if it is.
    pub fn may_encrypt_requests(&self, with: Encryption) -> bool {
        self.request_object_encryption_alg.is_none_or(|alg| alg == with.alg)
            && self.request_object_encryption_enc.is_none_or(|enc| enc == with.enc)
    }
}

fn registered(alg: Option<KeyManagement>, enc: Option<ContentEncryption>) -> Option<Encryption> {
    alg.map(|alg| Encryption { alg, enc: enc.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_names_are_those_that_are_serialized() {
        for alg in KeyManagement::ALL {
            assert_eq!(json!(alg), alg.as_str());
        }
        for enc in ContentEncryption::ALL {
            assert_eq!(json!(enc), enc.as_str());
        }
    }

    #[test]
    fn without_enc_it_is_the_one_that_the_specifications_name() {
        let metadata = |members| serde_json::from_value::<ClientMetadata>(members).unwrap();
        let alone = metadata(json!({ "client_name": "a", "id_token_encrypted_response_alg": "ECDH-ES" }));
        let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128CbcHs256 };
        assert_eq!(alone.id_token_encryption(), Some(encryption));
        assert_eq!(alone.userinfo_encryption(), None);
        assert!(alone.may_encrypt_requests(encryption));
        let pinned = metadata(json!({ "client_name": "a", "request_object_encryption_alg": "RSA-OAEP-256" }));
        assert!(!pinned.may_encrypt_requests(encryption));
        assert!(pinned.may_encrypt_requests(Encryption { alg: KeyManagement::RsaOaep256, ..encryption }));
    }
}
