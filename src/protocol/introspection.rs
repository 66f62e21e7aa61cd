//! The answer of the introspection endpoint (RFC 7662 §2.2; RFC 9470 §6.2; RFC 9449 §6.2; RFC 8705 §3.2).

use serde::Serialize;
use serde_json::Value;

use super::access_token::AccessTokenClaims;
use super::audience::Audience;
use super::confirmation::Confirmation;
use super::id::{ClientId, SessionId};
use super::jwt::numeric_date;
use super::scope::Scope;
use super::time::Timestamp;
use super::token_exchange::{Actor, MayAct};

/// What a resource server is told about a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// Unknown, expired, revoked, malformed, of another kind: nothing tells which (RFC 7662 §2.2).
    Inactive(Inactive),
    Active(Box<Active>),
}

/// Exactly `{"active":false}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Inactive {
    active: bool,
}

/// The members of a live token's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of RFC 7662")]
pub struct Active {
    active: bool,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    pub client_id: ClientId,
    /// `Bearer` or `DPoP` for an access token; a refresh token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    #[serde(with = "numeric_date::option", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    pub sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    pub iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(with = "numeric_date::option", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// RFC 9396 §9.2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
    /// What it is bound to: the resource has to check it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_act: Option<MayAct>,
}

/// The media type of a signed answer (RFC 9701 §4, §5).
pub const SIGNED: &str = "application/token-introspection+jwt";

/// Whether a request's Accept field asks for a signed answer.
pub fn wants_signed(accept: &str) -> bool {
    accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SIGNED))
}

/// The claims of a signed answer (RFC 9701 §5): for the resource server that asked, and of now. There is no `sub` and no `exp`, so that
/// nobody takes it for an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed<'a> {
    pub iss: &'a str,
    pub aud: &'a ClientId,
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    pub token_introspection: Response,
}

/// A live refresh token, as far as introspection tells.
#[derive(Clone, Debug)]
pub struct RefreshTokenFacts {
    pub issuer: String,
    pub subject: String,
    pub client_id: ClientId,
    pub scope: Scope,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub cnf: Option<Confirmation>,
}

impl Response {
    pub const INACTIVE: Self = Self::Inactive(Inactive { active: false });

    /// A live access token, of either format.
    pub fn access_token(claims: AccessTokenClaims) -> Self {
        Self::Active(Box::new(Active {
            active: true,
            scope: claims.scope,
            client_id: claims.client_id,
            token_type: Some(Confirmation::token_type(claims.cnf)),
            exp: claims.exp,
            iat: claims.iat,
            nbf: claims.nbf,
            sub: claims.sub,
            aud: Some(claims.aud),
            iss: claims.iss,
            jti: Some(claims.jti.into()),
            auth_time: claims.auth_time,
            acr: claims.acr,
            amr: claims.amr,
            sid: claims.sid,
            authorization_details: claims.authorization_details,
            cnf: claims.cnf,
            act: claims.act,
            may_act: claims.may_act,
        }))
    }

    /// A live refresh token.
    pub fn refresh_token(facts: RefreshTokenFacts) -> Self {
        Self::Active(Box::new(Active {
            active: true,
            scope: facts.scope,
            client_id: facts.client_id,
            token_type: None,
            exp: facts.expires_at,
            iat: facts.issued_at,
            nbf: None,
            sub: facts.subject,
            aud: None,
            iss: facts.issuer,
            jti: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            sid: None,
            authorization_details: Vec::new(),
            cnf: facts.cnf,
            act: None,
            may_act: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::access_token::TokenId;

    #[test]
    fn a_token_that_is_not_live_gets_exactly_active_false() {
        assert_eq!(serde_json::to_string(&Response::INACTIVE).unwrap(), r#"{"active":false}"#);
    }

    #[test]
    fn a_signed_answer_is_for_who_asks_for_one() {
        for accept in [SIGNED, "application/json, application/Token-Introspection+JWT;q=0.9"] {
            assert!(wants_signed(accept), "{accept}");
        }
        for accept in ["", "*/*", "application/json", "application/jwt", "application/token-introspection+jwt2"] {
            assert!(!wants_signed(accept), "{accept}");
        }
    }

    #[test]
    fn a_live_token_is_described() {
        let claims = AccessTokenClaims {
            iss: "https://id.example".into(),
            sub: "person".into(),
            aud: Audience(vec!["https://api.example".into()]),
            exp: Timestamp::from_seconds(1_000),
            iat: Timestamp::from_seconds(100),
            nbf: None,
            jti: TokenId::without_grant("r"),
            client_id: ClientId::parse("app").unwrap(),
            scope: Scope::parse("read").unwrap(),
            auth_time: Some(Timestamp::from_seconds(90)),
            acr: Some("1".into()),
            amr: Vec::new(),
            sid: None,
            authorization_details: vec![json!({ "type": "payment" })],
            cnf: None,
            act: None,
            may_act: None,
        };
        let expected = json!({
            "active": true, "scope": "read", "client_id": "app", "token_type": "Bearer", "exp": 1000, "iat": 100,
            "sub": "person", "aud": "https://api.example", "iss": "https://id.example", "jti": "r", "auth_time": 90, "acr": "1",
            "authorization_details": [{ "type": "payment" }],
        });
        assert_eq!(serde_json::to_value(Response::access_token(claims)).unwrap(), expected);
    }

    #[test]
    fn a_refresh_token_has_no_token_type_and_no_audience() {
        let response = Response::refresh_token(RefreshTokenFacts {
            issuer: "https://id.example".into(),
            subject: "person".into(),
            client_id: ClientId::parse("app").unwrap(),
            scope: Scope::parse("openid").unwrap(),
            issued_at: Timestamp::from_seconds(100),
            expires_at: Timestamp::from_seconds(1_000),
            cnf: None,
        });
        let expected = json!({
            "active": true, "scope": "openid", "client_id": "app", "exp": 1000, "iat": 100, "sub": "person", "iss": "https://id.example",
        });
        assert_eq!(serde_json::to_value(response).unwrap(), expected);
    }
}
