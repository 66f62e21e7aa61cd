//! Scope values (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most values one `scope` parameter may hold.
pub const MAX_VALUES: usize = 64;

/// A scope that doesn't fit RFC 6749 §3.3, or holds more than [`MAX_VALUES`] values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid scope")]
pub struct InvalidScope;

/// A set of scope values, kept in order so that equal sets are equal text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(BTreeSet<String>);

impl Scope {
    /// Reads values separated by single or repeated spaces; a value is `%x21 / %x23-5B / %x5D-7E`, 128 bytes at most.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let mut values = BTreeSet::new();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if value.len() > 128 || !value.bytes().all(allowed) {
                return Err(InvalidScope);
            }
            if !values.contains(value) {
                if values.len() == MAX_VALUES {
                    return Err(InvalidScope);
                }
                values.insert(value.to_owned());
            }
        }
        Ok(Self(values))
    }

    /// The set of values that were parsed before.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().map(str::to_owned).collect())
    }

    pub fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those values for which `keep` says yes.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|value| keep(value)).cloned().collect())
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filter(|value| other.contains(value))
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.filter(|value| !other.contains(value))
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(value)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

/// The scope values of the management API (audience `{issuer}/api/v1`), each with the sentence that the consent page shows.
pub const MANAGEMENT: [(&str, &str); 9] = [
    ("users:read", "See the people registered here"),
    ("users:write", "Create, change and delete people"),
    ("clients:read", "See the registered applications"),
    ("clients:write", "Register, change and delete applications"),
    ("sessions:read", "See who is logged in"),
    ("sessions:write", "Log people out"),
    ("keys:read", "See the signing keys"),
    ("keys:write", "Rotate the signing keys"),
    ("audit:read", "Read the audit log"),
];

/// The scope values with which an application acts on a person's own account (`/api/v1/users/me`), each with the sentence
/// that the consent page shows. They need no role: everybody has an account of their own.
pub const ACCOUNT: [(&str, &str); 2] =
    [("account:read", "See your account and where you are logged in"), ("account:write", "Change your profile and log you out")];

/// The standard scope values (OpenID Connect Core §5.4, §11).
pub const STANDARD: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// All of [`STANDARD`].
pub fn standard() -> Scope {
    Scope(STANDARD.iter().map(|value| (*value).to_owned()).collect())
}

/// All of [`ACCOUNT`].
pub fn account() -> Scope {
    Scope(ACCOUNT.iter().map(|(value, _)| (*value).to_owned()).collect())
}

/// All of [`MANAGEMENT`].
pub fn management() -> Scope {
    Scope(MANAGEMENT.iter().map(|(value, _)| (*value).to_owned()).collect())
}

/// The claims that a scope value stands for (OpenID Connect Core §5.4).
pub const CLAIMS: [(&str, &[&str]); 5] = [
    ("openid", &["sub"]),
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The scope value that a claim belongs to, in whatever language (`name#fr`: §5.2).
pub fn of_claim(claim: &str) -> Option<&'static str> {
    let (claim, _) = claim.split_once('#').unwrap_or((claim, ""));
    CLAIMS.iter().find(|(_, claims)| claims.contains(&claim)).map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_sets_are_equal_text() {
        assert_eq!(Scope::parse("b  a b ").unwrap().to_string(), "a b");
        assert_eq!(Scope::parse("").unwrap(), Scope::default());
    }

    #[test]
    fn quotes_backslashes_controls_and_more_than_ascii_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "a\nb", "a\u{7f}", "\u{e9}", &"a".repeat(129)] {
            assert_eq!(Scope::parse(bad), Err(InvalidScope), "{bad:?}");
        }
    }

    #[test]
    fn at_most_64_values_are_taken() {
        let many = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        assert!(Scope::parse(&many(64)).is_ok());
        assert_eq!(Scope::parse(&many(65)), Err(InvalidScope));
        assert_eq!(Scope::parse(&many(500_000)), Err(InvalidScope));
    }

    #[test]
    fn a_claim_knows_its_scope_value() {
        assert_eq!(of_claim("email_verified"), Some("email"));
        assert_eq!(of_claim("updated_at"), Some("profile"));
        assert_eq!(of_claim("acr"), None);
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back_the_same(text in "[!-~ ]{0,60}|.*") {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert_eq!(Scope::parse(&scope.to_string()), Ok(scope));
            }
        }
    }
}
