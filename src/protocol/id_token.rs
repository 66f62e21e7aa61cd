//! ID tokens: their claims (OpenID Connect Core §2, §3.1.3.6).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use super::client::Algorithm;
use super::id::{ClientId, SessionId};
use super::jwt::{encode, numeric_date};
use super::time::Timestamp;

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    pub iss: String,
    pub sub: String,
    /// The client, alone: no other audience is ever named.
    pub aud: ClientId,
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// When the person last proved who they are. Always told, so that `max_age` and `require_auth_time` are met.
    #[serde(with = "numeric_date")]
    pub auth_time: Timestamp,
    /// Byte for byte as it came with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Equals `aud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azp: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// Of a code that came with it (§3.3.2.11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Claims about the person that the `claims` parameter asked for ([`super::claims::for_id_token`]).
    #[serde(flatten)]
    pub person: Map<String, Value>,
}

/// `at_hash` and `c_hash`: the left half of the hash of the access token, or of the code, by the hash of the ID token's own
/// algorithm (OpenID Connect Core §3.1.3.6, §3.3.2.11). Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
pub fn half_hash(algorithm: Algorithm, text: &str) -> String {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => left_half(&Sha256::digest(text)),
        Algorithm::EdDSA => left_half(&Sha512::digest(text)),
    }
}

fn left_half(hash: &[u8]) -> String {
    encode(&hash[..hash.len() / 2])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> IdTokenClaims {
        let client = ClientId::parse("app").unwrap();
        IdTokenClaims {
            iss: "https://id.example".into(),
            sub: "person".into(),
            aud: client.clone(),
            exp: Timestamp::from_seconds(1_000),
            iat: Timestamp::from_seconds(100),
            auth_time: Timestamp::from_seconds(90),
            nonce: Some("n-0S6_WzA2Mj".into()),
            acr: Some("1".into()),
            amr: vec!["pwd".into()],
            azp: Some(client),
            at_hash: None,
            c_hash: None,
            sid: Some(SessionId::parse("s").unwrap()),
            person: Map::new(),
        }
    }

    #[test]
    fn the_at_hash_of_openid_connect_core_a_3() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(Algorithm::RS256, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(half_hash(Algorithm::ES256, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn the_c_hash_of_openid_connect_core_a_4() {
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(half_hash(Algorithm::RS256, code), "LDktKdoQak3Pk0cnXxCltA");
    }

    #[test]
    fn the_at_hash_of_an_eddsa_token_is_half_of_sha_512() {
        // SHA-512("abc") begins ddaf35a193617abacc417349ae204131 12e6fa4e89a97ea20a9eeee64b55d39a.
        let half = [
            0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31, 0x12, 0xe6, 0xfa,
            0x4e, 0x89, 0xa9, 0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a,
        ];
        assert_eq!(half_hash(Algorithm::EdDSA, "abc"), encode(&half));
    }

    #[test]
    fn a_token_holds_protocol_claims_and_those_asked_for() {
        let mut token = claims();
        let bare = serde_json::to_value(&token).unwrap();
        let expected = json!({
            "iss": "https://id.example", "sub": "person", "aud": "app", "exp": 1000, "iat": 100, "auth_time": 90,
            "nonce": "n-0S6_WzA2Mj", "acr": "1", "amr": ["pwd"], "azp": "app", "sid": "s",
        });
        assert_eq!(bare, expected);

        token.person.insert("email_verified".into(), json!(true));
        let wire = serde_json::to_value(&token).unwrap();
        assert_eq!(wire["email_verified"], json!(true));
        assert_eq!(serde_json::from_value::<IdTokenClaims>(wire).unwrap(), token);
    }

    #[test]
    fn an_access_token_is_no_id_token() {
        let wire = json!({
            "iss": "https://id.example", "sub": "person", "aud": ["https://api.example", "https://id.example"],
            "exp": 1000, "iat": 100, "jti": "j", "client_id": "app",
        });
        assert!(serde_json::from_value::<IdTokenClaims>(wire).is_err());
    }
}
