//! Identifiers, each with a type of its own, so that one can't be passed for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that can't be this kind of identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(&'static str);

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident, $label:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Accepts 1 to 255 printable ASCII characters without space (RFC 6749 appendix A.1, less the space).
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let printable = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
                if text.is_empty() || text.len() > 255 || !printable {
                    return Err(InvalidId($label));
                }
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    /// `client_id` (RFC 6749 §2.2).
    ClientId, "client identifier";
    /// A person's opaque identifier; with the public subject type also their `sub`.
    UserId, "user identifier";
    /// The `sid` of a browser session (OpenID Connect Front-Channel Logout 1.0 §3). Not the cookie's secret.
    SessionId, "session identifier";
    /// One authorization given by a person to a client: the family of every token that came of it.
    GrantId, "grant identifier";
    /// `kid` of a signing key (RFC 7517 §4.5).
    KeyId, "key identifier";
}
