//! Which audiences an access token names (RFC 9068 §3; RFC 8707), and `aud` on the wire (RFC 7519 §4.1.3).

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::scope::Scope;

/// The audiences of an access token for `client`: those it is registered with, else the issuer.
///
/// A token with the scope `openid` names the issuer too, so that the userinfo endpoint takes it and no other API has to.
pub fn for_token(client: &Client, scope: &Scope, issuer: &str) -> Vec<String> {
    let mut audiences = client.metadata.audiences.clone();
    let needs_issuer = audiences.is_empty() || scope.contains("openid");
    if needs_issuer && !audiences.iter().any(|audience| audience == issuer) {
        audiences.push(issuer.to_owned());
    }
    audiences
}

/// The value of `aud`: one audience is a string, several are an array (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Audience(pub Vec<String>);

impl Audience {
    /// Compared as strings, without any normalisation (RFC 7519 §4.1.3).
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|value| value == audience)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Audience {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(audience) => Self(vec![audience]),
            OneOrMany::Many(audiences) => Self(audiences),
        }
    }
}

impl From<Audience> for OneOrMany {
    fn from(Audience(mut audiences): Audience) -> Self {
        match audiences.pop() {
            Some(only) if audiences.is_empty() => Self::One(only),
            Some(last) => {
                audiences.push(last);
                Self::Many(audiences)
            }
            None => Self::Many(audiences),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::{ClientMetadata, ClientStatus};
    use crate::protocol::id::ClientId;
    use crate::protocol::time::Timestamp;

    const ISSUER: &str = "https://id.example";

    fn client(audiences: &[&str]) -> Client {
        let metadata: ClientMetadata = serde_json::from_value(json!({"client_name": "App", "audiences": audiences})).unwrap();
        let at = Timestamp::from_seconds(0);
        Client {
            id: ClientId::parse("app").unwrap(),
            status: ClientStatus::Active,
            metadata,
            secrets: Vec::new(),
            created_at: at,
            updated_at: at,
            version: 1,
        }
    }

    fn audiences(registered: &[&str], scope: &str) -> Vec<String> {
        for_token(&client(registered), &Scope::parse(scope).unwrap(), ISSUER)
    }

    #[test]
    fn without_a_registered_audience_a_token_is_for_the_issuer() {
        assert_eq!(audiences(&[], ""), [ISSUER]);
        assert_eq!(audiences(&[], "openid"), [ISSUER]);
    }

    #[test]
    fn a_registered_audience_keeps_the_token_from_userinfo() {
        assert_eq!(audiences(&["https://api.example"], "read"), ["https://api.example"]);
    }

    #[test]
    fn openid_adds_the_issuer_once() {
        assert_eq!(audiences(&["https://api.example"], "openid read"), ["https://api.example", ISSUER]);
        assert_eq!(audiences(&[ISSUER, "https://api.example"], "openid"), [ISSUER, "https://api.example"]);
    }

    #[test]
    fn one_audience_is_a_string_and_several_are_an_array() {
        for (audience, wire) in [(vec!["a"], json!("a")), (vec!["a", "b"], json!(["a", "b"])), (vec![], json!([]))] {
            let audience = Audience(audience.into_iter().map(str::to_owned).collect());
            assert_eq!(serde_json::to_value(&audience).unwrap(), wire);
            assert_eq!(serde_json::from_value::<Audience>(wire).unwrap(), audience);
        }
        assert!(serde_json::from_value::<Audience>(json!({"a": 1})).is_err());
    }
}
