//! The name a person signs in with: a user name (RFC 8265 §3.3, UsernameCaseMapped) or an e-mail address.

use std::fmt;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use serde::{Deserialize, Serialize};
use url::Host;

/// The most bytes of a name, as typed and canonical: that of an e-mail address (RFC 5321 §4.5.3.1.3, less the brackets).
pub const MAX_LENGTH: usize = 254;

/// Empty, too long, or with characters that no name may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid sign-in name")]
pub struct InvalidSignInName;

/// A name as it was chosen, and the one form by which all its spellings are found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignInName {
    text: String,
    canonical: String,
}

impl SignInName {
    /// Reads what was typed; white space around it doesn't count.
    ///
    /// With an `@` it is an e-mail address: one `@`, no quoted local part, a domain name. Its case doesn't count, neither
    /// in the domain nor in the local part: no mail server is known to tell people apart by it, and impostors would.
    pub fn parse(text: &str) -> Result<Self, InvalidSignInName> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(InvalidSignInName);
        }
        let canonical = canonicalize(text)?;
        // RFC 8264 §7: a rule set may have to be applied more than once until nothing changes.
        let canonical = canonicalize(&canonical)?;
        if canonical.len() > MAX_LENGTH || canonicalize(&canonical)? != canonical {
            return Err(InvalidSignInName);
        }
        Ok(Self { text: text.to_owned(), canonical })
    }

    /// A name that [`SignInName::parse`] took before, from storage: a later version of Unicode must not lose anybody.
    pub fn from_stored(text: String, canonical: String) -> Self {
        Self { text, canonical }
    }

    /// As it was chosen, to be shown.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// To be compared, looked up and counted by.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// Two spellings of one name are equal.
impl PartialEq for SignInName {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for SignInName {}

impl fmt::Display for SignInName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TryFrom<String> for SignInName {
    type Error = InvalidSignInName;

    fn try_from(text: String) -> Result<Self, InvalidSignInName> {
        Self::parse(&text)
    }
}

impl From<SignInName> for String {
    fn from(name: SignInName) -> Self {
        name.text
    }
}

fn canonicalize(text: &str) -> Result<String, InvalidSignInName> {
    // Width first, or a full-width `@` would be seen only afterwards.
    let name = UsernameCaseMapped::enforce(text).map_err(|_| InvalidSignInName)?;
    let Some((local, domain)) = name.rsplit_once('@') else {
        return Ok(name.into_owned());
    };
    // RFC 5322 §3.2.3 atext and its dots; what else is ASCII would need quotes.
    let allowed = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > 64 || dots || !local.chars().all(allowed) {
        return Err(InvalidSignInName);
    }
    // The URL standard's parser would take `;` and quotes, and decode escapes.
    let named = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    // The ASCII form, so that both spellings of an international domain are one.
    match Host::parse(domain) {
        Ok(Host::Domain(host)) if domain.chars().all(named) => Ok(format!("{local}@{}", host.trim_end_matches('.'))),
        _ => Err(InvalidSignInName),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        SignInName::parse(text).unwrap().canonical().to_owned()
    }

    #[test]
    fn all_spellings_of_a_name_are_one() {
        for (spelling, expected) in [
            ("alice", "alice"),
            ("Alice ", "alice"),
            ("\t ALICE\u{a0}", "alice"),
            ("\u{ff21}lice", "alice"),
            ("jos\u{e9}", "jos\u{e9}"),
            ("JOSE\u{301}", "jos\u{e9}"),
            ("Alice@Example.COM", "alice@example.com"),
            ("alice\u{ff20}example.com", "alice@example.com"),
            ("alice@example.com.", "alice@example.com"),
            ("alice@b\u{fc}cher.example", "alice@xn--bcher-kva.example"),
            ("alice@BU\u{308}CHER.example", "alice@xn--bcher-kva.example"),
            ("alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"),
            ("alice+tag@localhost", "alice+tag@localhost"),
        ] {
            assert_eq!(canonical(spelling), expected, "{spelling:?}");
        }
    }

    #[test]
    fn the_name_is_shown_as_it_was_chosen() {
        let name = SignInName::parse(" Alice ").unwrap();
        assert_eq!((name.as_str(), name.canonical()), ("Alice", "alice"));
        assert_eq!(name, SignInName::parse("aLICE").unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "",
            "   ",
            "a b",
            "a\0b",
            "a\nb",
            "a\r\nBcc:b@example.com",
            "a\u{7f}",
            "a\u{200b}b",
            "a\u{202e}b",
            "\u{212a}elvin",
            "\u{1f600}",
            "@",
            "@example.com",
            "a@",
            "a@b@example.com",
            "\"a b\"@example.com",
            "\"a\"@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@exa mple.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@exam/ple.com",
            "a@exam;ple.com",
            "a@ex\"ample.com",
            "a@ex%61mple.com",
            "<a@example.com>",
            &"a".repeat(255),
            &format!("{}@example.com", "a".repeat(65)),
        ] {
            assert!(SignInName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SignInName::parse(&"a".repeat(254)).is_ok());
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(text in ".{0,40}|\\PC{0,20}@[a-z\u{e0}-\u{fc}.A-Z]{1,20}|[\\p{L}\\p{N}]{1,20}") {
            if let Ok(name) = SignInName::parse(&text) {
                prop_assert_eq!(canonical(name.canonical()), name.canonical());
                prop_assert_eq!(canonical(name.as_str()), name.canonical());
                prop_assert!(!name.canonical().is_empty() && name.canonical().len() <= MAX_LENGTH);
                prop_assert!(!name.canonical().contains(char::is_control) && !name.canonical().contains(' '));
            }
        }

        #[test]
        fn case_and_space_around_never_count(text in "[a-zA-Z0-9._+-]{1,30}(@[a-zA-Z]{1,10}\\.example)?") {
            let upper = format!(" {}\t", text.to_uppercase());
            prop_assert_eq!(SignInName::parse(&text).is_ok(), SignInName::parse(&upper).is_ok());
            if SignInName::parse(&text).is_ok() {
                prop_assert_eq!(canonical(&text), canonical(&upper));
            }
        }
    }
}
