//! JWT access tokens: their claims, built and checked (RFC 9068).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audience::Audience;
use super::confirmation::Confirmation;
use super::id::{ClientId, GrantId, SessionId};
use super::jwt::{decode, encode, numeric_date};
use super::scope::Scope;
use super::time::Timestamp;
use super::token_exchange::{Actor, MayAct};

/// The claims of an access token (RFC 9068 §2.2), of either format: an opaque token stands for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    /// The person; for client credentials the client itself (RFC 9068 §2.2).
    pub sub: String,
    pub aud: Audience,
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// Not set by this server, and honoured all the same.
    #[serde(with = "numeric_date::option", default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    pub jti: TokenId,
    pub client_id: ClientId,
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    #[serde(with = "numeric_date::option", default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// RFC 9396 §9.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
    /// What it is bound to (RFC 7800 §3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the subject (RFC 8693 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// Who alone may (RFC 8693 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<MayAct>,
}

/// Why a token with a good signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error("issued by another issuer")]
    Issuer,
    #[error("meant for another audience")]
    Audience,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYetValid,
}

impl AccessTokenClaims {
    /// The checks of RFC 9068 §4 that follow the signature's. No leeway: this server's own clock made the token.
    ///
    /// `audience` is the resource that was called; `None` at the introspection endpoint, which answers for all of them.
    pub fn check(&self, issuer: &str, audience: Option<&str>, now: Timestamp) -> Result<(), Unacceptable> {
        if self.iss != issuer {
            return Err(Unacceptable::Issuer);
        }
        if audience.is_some_and(|audience| !self.aud.contains(audience)) {
            return Err(Unacceptable::Audience);
        }
        if now >= self.exp {
            return Err(Unacceptable::Expired);
        }
        if self.nbf.is_some_and(|start| now < start) {
            return Err(Unacceptable::NotYetValid);
        }
        Ok(())
    }
}

/// `jti` of an access token (RFC 7519 §4.1.7): `{grant_id}.{random}` for a person's, `{random}` for client credentials.
///
/// So a grant that is revoked reaches every JWT that came of it through introspection, without a row for each token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// Text that is no [`TokenId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token identifier")]
pub struct InvalidTokenId;

impl TokenId {
    /// `random` is base64url ([`crate::random::identifier`]) and so holds no dot.
    pub fn of_grant(grant: &GrantId, random: &str) -> Self {
        Self(format!("{grant}.{random}"))
    }

    /// For a token of a grant that is given for a proof: its person showed once more who they are. The mark is no letter of
    /// base64url.
    pub fn of_proof(grant: &GrantId, random: &str) -> Self {
        Self(format!("{grant}.~{random}"))
    }

    /// Whether the token was given for a proof.
    pub fn is_of_proof(&self) -> bool {
        self.0.rsplit_once('.').is_some_and(|(_, random)| random.starts_with('~') && !random.contains('!'))
    }

    /// For a token that another one was exchanged for: its own identifier, a mark that is no letter of base64url, who exchanged
    /// it, and what is new.
    pub fn exchanged(subject: &Self, by: &ClientId, random: &str) -> Result<Self, InvalidTokenId> {
        Self::parse(format!("{}!{}:{random}", subject.0, encode(by.as_str().as_bytes())))
    }

    /// Who exchanged another token for this one.
    pub fn exchanged_by(&self) -> Option<ClientId> {
        let (_, link) = self.0.rsplit_once('!')?;
        let (by, _) = link.split_once(':')?;
        ClientId::parse(String::from_utf8(decode(by).ok()?).ok()?).ok()
    }

    /// The token that this one was exchanged for.
    pub fn subject(&self) -> Option<Self> {
        self.0.rsplit_once('!').map(|(subject, _)| Self(subject.to_owned()))
    }

    /// For a token that no person gave a grant for.
    pub fn without_grant(random: &str) -> Self {
        Self(random.to_owned())
    }

    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidTokenId> {
        let text = text.into();
        let printable = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if text.is_empty() || text.len() > 1_024 || !printable {
            return Err(InvalidTokenId);
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The grant that the token came of.
    pub fn grant(&self) -> Option<GrantId> {
        let (grant, _) = self.0.rsplit_once('.')?;
        GrantId::parse(grant).ok()
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidTokenId;

    fn try_from(text: String) -> Result<Self, InvalidTokenId> {
        Self::parse(text)
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: ISSUER.into(),
            sub: "service".into(),
            aud: Audience(vec!["https://api.example".into()]),
            exp: at(1_000),
            iat: at(100),
            nbf: None,
            jti: TokenId::without_grant("r"),
            client_id: ClientId::parse("service").unwrap(),
            scope: Scope::parse("read write").unwrap(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            sid: None,
            authorization_details: Vec::new(),
            cnf: None,
            act: None,
            may_act: None,
        }
    }

    #[test]
    fn a_token_says_what_rfc_9068_asks_for_and_no_more() {
        let expected = json!({
            "iss": ISSUER, "sub": "service", "aud": "https://api.example", "exp": 1000, "iat": 100,
            "jti": "r", "client_id": "service", "scope": "read write",
        });
        assert_eq!(serde_json::to_value(claims()).unwrap(), expected);
        assert_eq!(serde_json::from_value::<AccessTokenClaims>(expected).unwrap(), claims());
    }

    #[test]
    fn a_token_for_a_person_tells_how_they_logged_in() {
        let grant = GrantId::parse("g").unwrap();
        let token = AccessTokenClaims {
            jti: TokenId::of_grant(&grant, "r"),
            auth_time: Some(at(90)),
            acr: Some("1".into()),
            amr: vec!["pwd".into()],
            sid: Some(SessionId::parse("s").unwrap()),
            ..claims()
        };
        let wire = serde_json::to_value(&token).unwrap();
        assert_eq!((&wire["auth_time"], &wire["acr"], &wire["amr"]), (&json!(90), &json!("1"), &json!(["pwd"])));
        assert_eq!(serde_json::from_value::<AccessTokenClaims>(wire).unwrap(), token);
    }

    #[test]
    fn a_token_ends_at_its_expiry() {
        let token = claims();
        assert_eq!(token.check(ISSUER, None, at(999)), Ok(()));
        assert_eq!(token.check(ISSUER, None, at(1_000)), Err(Unacceptable::Expired));
    }

    #[test]
    fn a_token_does_not_count_before_its_time() {
        let token = AccessTokenClaims { nbf: Some(at(500)), ..claims() };
        assert_eq!(token.check(ISSUER, None, at(499)), Err(Unacceptable::NotYetValid));
        assert_eq!(token.check(ISSUER, None, at(500)), Ok(()));
    }

    #[test]
    fn issuer_and_audience_are_compared_exactly() {
        let token = claims();
        assert_eq!(token.check("https://id.example/", None, at(200)), Err(Unacceptable::Issuer));
        assert_eq!(token.check(ISSUER, Some("https://api.example"), at(200)), Ok(()));
        for other in ["https://api.example/", "https://API.example", ISSUER, ""] {
            assert_eq!(token.check(ISSUER, Some(other), at(200)), Err(Unacceptable::Audience), "{other}");
        }
    }

    #[test]
    fn claims_that_are_missing_or_of_another_type_are_refused() {
        let whole = serde_json::to_value(claims()).unwrap();
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
            let mut missing = whole.clone();
            missing.as_object_mut().unwrap().remove(name);
            assert!(serde_json::from_value::<AccessTokenClaims>(missing).is_err(), "without {name}");
            let mut wrong = whole.clone();
            wrong[name] = json!({"x": 1});
            assert!(serde_json::from_value::<AccessTokenClaims>(wrong).is_err(), "wrong {name}");
        }
    }

    #[test]
    fn the_token_id_leads_back_to_what_was_exchanged() {
        let grant = GrantId::parse("g").unwrap();
        let (first, by) = (TokenId::of_proof(&grant, "a"), ClientId::parse("api").unwrap());
        let second = TokenId::exchanged(&first, &by, "b").unwrap();
        let third = TokenId::exchanged(&second, &ClientId::parse("a.~b!c:d").unwrap(), "c").unwrap();
        assert_eq!((second.as_str(), third.grant()), ("g.~a!YXBp:b", Some(grant)));
        assert_eq!((first.exchanged_by(), second.exchanged_by()), (None, Some(by.clone())));
        assert_eq!(third.exchanged_by().unwrap().as_str(), "a.~b!c:d");
        assert_eq!((third.subject(), second.subject(), first.subject()), (Some(second.clone()), Some(first.clone()), None));
        assert!(first.is_of_proof() && !second.is_of_proof() && !third.is_of_proof(), "a proof is not handed on");
        assert_eq!(TokenId::exchanged(&TokenId::without_grant("a"), &by, "b").unwrap().grant(), None);
        assert!(TokenId::exchanged(&TokenId::without_grant(&"a".repeat(1_010)), &by, "0123456789ab").is_err());
    }

    #[test]
    fn the_token_id_leads_back_to_the_grant() {
        let grant = GrantId::parse("3f0d.with-dot").unwrap();
        assert_eq!(TokenId::of_grant(&grant, "abc").grant(), Some(grant));
        assert_eq!(TokenId::without_grant("abc").grant(), None);
        assert!(TokenId::parse("with space").is_err());
        assert!(TokenId::parse("").is_err());
    }
}
