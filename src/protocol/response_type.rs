//! `response_type`: what the authorization endpoint itself gives out (RFC 6749 §3.1.1; OAuth 2.0 Multiple Response Type Encoding
//! Practices §3, §5; OpenID Connect Core §3).
//!
//! `code` is for everybody. The others, which bring tokens through the browser, are for applications that were written for them,
//! where the operator allows it; `token` alone, which nothing protects, is for nobody (RFC 9700 §2.1.2).

use serde::{Deserialize, Serialize};

use super::client::GrantType;

/// The order of the words means nothing (RFC 6749 §3.1.1); they are written as OpenID Connect does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ResponseType {
    #[default]
    Code,
    IdToken,
    IdTokenToken,
    CodeIdToken,
    CodeToken,
    CodeIdTokenToken,
}

impl ResponseType {
    pub const ALL: [Self; 6] =
        [Self::Code, Self::IdToken, Self::IdTokenToken, Self::CodeIdToken, Self::CodeToken, Self::CodeIdTokenToken];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::IdToken => "id_token",
            Self::IdTokenToken => "id_token token",
            Self::CodeIdToken => "code id_token",
            Self::CodeToken => "code token",
            Self::CodeIdTokenToken => "code id_token token",
        }
    }

    /// The words in any order, each once, with one space between them.
    pub fn parse(text: &str) -> Option<Self> {
        let words = sorted(text);
        Self::ALL.into_iter().find(|known| sorted(known.as_str()) == words)
    }

    /// Whether it brings a code.
    pub const fn has_code(self) -> bool {
        matches!(self, Self::Code | Self::CodeIdToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// Whether an ID token comes through the browser.
    pub const fn has_id_token(self) -> bool {
        matches!(self, Self::IdToken | Self::IdTokenToken | Self::CodeIdToken | Self::CodeIdTokenToken)
    }

    /// Whether an access token comes through the browser.
    pub const fn has_token(self) -> bool {
        matches!(self, Self::IdTokenToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// Whether it is one of those that OAuth has left behind: tokens come through the browser.
    pub const fn is_legacy(self) -> bool {
        self.has_id_token() || self.has_token()
    }

    /// The grant types that a client has to be registered for as well (OpenID Connect Registration §2 `response_types`).
    pub fn grant_types(self) -> impl Iterator<Item = GrantType> {
        let grants = [(self.has_code(), GrantType::AuthorizationCode), (self.is_legacy(), GrantType::Implicit)];
        grants.into_iter().filter_map(|(needed, grant)| needed.then_some(grant))
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<_> = text.split(' ').collect();
    words.sort_unstable();
    words
}

/// No response type that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a response type that is known here")]
pub struct UnknownResponseType;

impl TryFrom<String> for ResponseType {
    type Error = UnknownResponseType;

    fn try_from(text: String) -> Result<Self, UnknownResponseType> {
        Self::parse(&text).ok_or(UnknownResponseType)
    }
}

impl From<ResponseType> for &'static str {
    fn from(response_type: ResponseType) -> Self {
        response_type.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_words_means_nothing() {
        for (text, expected) in [
            ("code", ResponseType::Code),
            ("token id_token", ResponseType::IdTokenToken),
            ("token code", ResponseType::CodeToken),
            ("id_token code", ResponseType::CodeIdToken),
            ("token id_token code", ResponseType::CodeIdTokenToken),
        ] {
            assert_eq!(ResponseType::parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_of_them_is_none() {
        for text in ["", "token", "none", "code code", "code  token", " code", "code ", "Code", "code none", "id_token id_token"]
        {
            assert_eq!(ResponseType::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn each_is_written_as_it_is_read_and_goes_with_its_grants() {
        for kind in ResponseType::ALL {
            assert_eq!(ResponseType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            let grants: Vec<_> = kind.grant_types().collect();
            assert_eq!(grants.contains(&GrantType::AuthorizationCode), kind.has_code());
            assert_eq!(grants.contains(&GrantType::Implicit), kind != ResponseType::Code);
        }
    }
}
