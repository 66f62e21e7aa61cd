//! What a token is bound to: the key or the certificate of whoever may use it (RFC 7800 §3; RFC 9449 §6; RFC 8705 §3).

use serde::{Deserialize, Serialize};

use super::jwt::{decode, encode};

/// `cnf` of an access token, and of a grant whose refresh tokens are bound too. As JSON it is the object with its one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// Of the key that signs DPoP proofs (RFC 9449 §6.1).
    #[serde(rename = "jkt")]
    Dpop(Thumbprint),
    /// Of the certificate of a mutual TLS connection (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(Thumbprint),
}

impl Confirmation {
    /// `token_type` of a token with this confirmation, or with none: how it is presented (RFC 6749 §7.1; RFC 9449 §5). A token
    /// that is bound to a certificate is presented like any other.
    pub const fn token_type(confirmation: Option<Self>) -> &'static str {
        match confirmation {
            Some(Self::Dpop(_)) => "DPoP",
            Some(Self::Certificate(_)) | None => "Bearer",
        }
    }
}

/// SHA-256 of a public key in its canonical form (RFC 7638 §3), or of a certificate in DER. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; 32]);

/// Text that is no [`Thumbprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the base64url form of 32 bytes")]
pub struct InvalidThumbprint;

impl Thumbprint {
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// base64url without padding, in its one canonical form.
    pub fn parse(text: &str) -> Result<Self, InvalidThumbprint> {
        decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidThumbprint)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&encode(&self.0))
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = InvalidThumbprint;

    fn try_from(text: String) -> Result<Self, InvalidThumbprint> {
        Self::parse(&text)
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 9449 §6.1.
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    #[test]
    fn a_confirmation_is_the_object_of_rfc_9449_6_1_or_of_rfc_8705_3_1() {
        let key = Confirmation::Dpop(Thumbprint::parse(JKT).unwrap());
        assert_eq!(serde_json::to_value(key).unwrap(), json!({ "jkt": JKT }));
        let certificate = json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" });
        assert!(serde_json::from_value::<Confirmation>(certificate).is_err(), "bits that no byte holds");
        let certificate = json!({ "x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" });
        let read: Confirmation = serde_json::from_value(certificate.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), certificate);
        assert!(matches!(read, Confirmation::Certificate(_)));
    }

    #[test]
    fn nothing_else_is_a_confirmation() {
        for other in
            [json!({}), json!({ "jkt": "" }), json!({ "jkt": 1 }), json!({ "kid": JKT }), json!({ "jkt": JKT, "x": JKT })]
        {
            assert!(serde_json::from_value::<Confirmation>(other.clone()).is_err(), "{other}");
        }
    }

    #[test]
    fn only_a_token_bound_to_a_dpop_key_is_presented_in_another_way() {
        let thumbprint = Thumbprint::new([7; 32]);
        assert_eq!(Confirmation::token_type(Some(Confirmation::Dpop(thumbprint))), "DPoP");
        assert_eq!(Confirmation::token_type(Some(Confirmation::Certificate(thumbprint))), "Bearer");
        assert_eq!(Confirmation::token_type(None), "Bearer");
    }
}
