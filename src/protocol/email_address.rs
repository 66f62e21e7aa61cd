//! E-mail addresses that mail is sent to (RFC 5321 §4.1.2; RFC 6531 beyond ASCII).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sign_in_name::SignInName;

/// Not an address that mail could be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid e-mail address")]
pub struct InvalidEmailAddress;

/// An address as it was typed, and the one form by which all its spellings are found. Neither holds a line break, a quote, a
/// bracket or a space, so that no header or SMTP command can be ended with it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(SignInName);

impl EmailAddress {
    /// Reads what was typed. The rules are those of a [`SignInName`] with an `@`, so that an address that is also a name has
    /// one canonical form.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        SignInName::parse(text).map_err(|_| InvalidEmailAddress)?.try_into()
    }

    /// An address that [`EmailAddress::parse`] took before, from storage.
    pub fn from_stored(text: String, canonical: String) -> Self {
        Self(SignInName::from_stored(text, canonical))
    }

    /// As it was typed, to be shown.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// To be compared, looked up and counted by.
    pub fn canonical(&self) -> &str {
        self.0.canonical()
    }

    /// The canonical domain, in ASCII.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// Local part and domain to send to. The case of the local part is kept, for it belongs to the receiving server
    /// (RFC 5321 §2.4); beyond ASCII the canonical form is used, so that no mapping leads to anybody else.
    pub fn mailbox(&self) -> (&str, &str) {
        let (canonical, domain) = self.parts();
        match self.as_str().rsplit_once('@') {
            Some((typed, _)) if typed.eq_ignore_ascii_case(canonical) => (typed, domain),
            _ => (canonical, domain),
        }
    }

    /// For the log and for other people: `a…@example.org`.
    pub fn masked(&self) -> String {
        let (local, domain) = self.parts();
        let first: String = local.chars().take(1).collect();
        format!("{first}…@{domain}")
    }

    fn parts(&self) -> (&str, &str) {
        self.canonical().rsplit_once('@').unwrap_or((self.canonical(), ""))
    }
}

/// Two spellings of one address are equal.
impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for EmailAddress {}

/// Masked, so that no address gets into a log by accident.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EmailAddress({})", self.masked())
    }
}

impl TryFrom<SignInName> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(name: SignInName) -> Result<Self, InvalidEmailAddress> {
        if name.canonical().contains('@') { Ok(Self(name)) } else { Err(InvalidEmailAddress) }
    }
}

/// An address is a name to sign in with.
impl From<EmailAddress> for SignInName {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(text: String) -> Result<Self, InvalidEmailAddress> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_no_address_and_nothing_is_smuggled_in() {
        for bad in
            ["alice", "", "a@x\r\nBcc: b@example.com", "a@example.com\n", "a b@example.com", "<a@example.com>", "a@[127.0.0.1]"]
        {
            let parsed = EmailAddress::parse(bad);
            // White space around an address is what people paste with it.
            assert!(parsed.is_err() || bad.trim_end() == parsed.unwrap().as_str(), "{bad:?}");
        }
    }

    #[test]
    fn what_would_reach_nobody_or_more_than_one_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}com", "b.".repeat(130));
        for text in [
            "@",
            "anna@",
            "@example.com",
            "a@b@example.com",
            "\"a b\"@example.com",
            "\"anna\"@example.com",
            "a\n@example.com",
            "a@example.com\0",
            "a@example.com, b@example.com",
            "a@example.com;b",
            "Anna <a@example.com>",
            "a@127.0.0.1",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@example%2ecom",
            "a@example.com/x",
            "a@\u{202e}moc.elpmaxe",
            &long,
            &longer,
        ] {
            assert_eq!(EmailAddress::parse(text).unwrap_err(), InvalidEmailAddress, "{text:?}");
        }
    }

    #[test]
    fn mail_goes_to_the_ascii_domain_and_keeps_the_case_of_the_local_part() {
        assert_eq!(parse(" Ada.L@Example.ORG ").mailbox(), ("Ada.L", "example.org"));
        assert_eq!(parse("Ada@B\u{fc}cher.example").mailbox(), ("Ada", "xn--bcher-kva.example"));
        assert_eq!(parse("Jos\u{c9}@example.org").mailbox(), ("jos\u{e9}", "example.org"));
        assert_eq!(parse("Ada\u{ff20}example.org").mailbox(), ("ada", "example.org"));
        assert_eq!(parse("Ada@example.org"), parse("ada@EXAMPLE.org"));
    }

    #[test]
    fn an_address_is_masked_wherever_it_is_printed() {
        assert_eq!(parse("ada@example.org").masked(), "a…@example.org");
        assert_eq!(format!("{:?}", parse("ada@example.org")), "EmailAddress(a…@example.org)");
    }

    proptest! {
        #[test]
        fn no_part_can_end_a_header(text in ".{0,30}@.{0,30}|[\\PC\r\n]{0,20}@[a-z.]{1,20}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                let (local, domain) = address.mailbox();
                for part in [local, domain, address.as_str()] {
                    prop_assert!(!part.contains(|letter: char| letter.is_control() || "<>\" ,;:()[]\\".contains(letter)), "{part:?}");
                }
                prop_assert!(domain.is_ascii() && !domain.is_empty() && !local.is_empty());
            }
        }
    }
}
