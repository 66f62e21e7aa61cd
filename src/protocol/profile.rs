//! What may be known about a person: the standard claims, typed, all of them optional (OpenID Connect Core §5.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::email_address::EmailAddress;

/// Longer text is no claim about a person.
const MAX_TEXT: usize = 1_000;
/// The most localized variants.
const MAX_LOCALIZED: usize = 64;
/// Claims that may differ by language (§5.2).
const LOCALIZABLE: [&str; 7] = ["name", "given_name", "family_name", "middle_name", "nickname", "profile", "website"];

/// A claim that can't be what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{claim} {problem}")]
pub struct InvalidProfile {
    pub claim: &'static str,
    pub problem: &'static str,
}

/// Claims about a person, under their standard names. Reading one from JSON checks it.
///
/// `sub` is the user's id and `updated_at` the time of the row: neither is in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
// Deserialized by the derived function, then checked: see the impl below.
#[serde(remote = "Self")]
pub struct Profile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// URL of a page about the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// URL of the person's own page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// `YYYY-MM-DD`, `0000-MM-DD` when the year is not told, or `YYYY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<String>,
    /// Name in the time zone database, `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    /// Language tag (RFC 5646), `fr-CA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// E.164, or RFC 3966 with an extension: `+1 (604) 555-1234;ext=5678`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Variants in other languages, by their names: `name#ja-Kana-JP` (§5.2).
    #[serde(flatten)]
    pub localized: BTreeMap<String, String>,
}

/// The `address` claim (§5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The whole address, with line breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let profile = Self::deserialize(deserializer)?;
        profile.check().map_err(serde::de::Error::custom)?;
        Ok(profile)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl Profile {
    /// Checks what the types can't say: lengths, forms, no control characters, `…_verified` only beside what was verified.
    pub fn check(&self) -> Result<(), InvalidProfile> {
        let lines = [
            ("name", self.name.as_deref()),
            ("given_name", self.given_name.as_deref()),
            ("family_name", self.family_name.as_deref()),
            ("middle_name", self.middle_name.as_deref()),
            ("nickname", self.nickname.as_deref()),
            ("preferred_username", self.preferred_username.as_deref()),
            ("gender", self.gender.as_deref()),
        ];
        for (claim, text) in lines {
            require(claim, text, is_line, "must be 1 to 1000 bytes without control characters")?;
        }
        for (claim, url) in
            [("profile", self.profile.as_deref()), ("picture", self.picture.as_deref()), ("website", self.website.as_deref())]
        {
            require(claim, url, is_url, "must be an http or https URL")?;
        }
        require("email", self.email.as_deref(), is_email, "must be an e-mail address")?;
        require("birthdate", self.birthdate.as_deref(), is_date, "must be YYYY-MM-DD, 0000-MM-DD or YYYY")?;
        require("zoneinfo", self.zoneinfo.as_deref(), is_zone, "must be a name such as Europe/Paris")?;
        require("locale", self.locale.as_deref(), is_language, "must be a language tag such as fr-CA")?;
        require("phone_number", self.phone_number.as_deref(), is_phone, "must be a telephone number such as +33123456789")?;
        for (claim, verified, value) in [
            ("email_verified", self.email_verified, &self.email),
            ("phone_number_verified", self.phone_number_verified, &self.phone_number),
        ] {
            if verified == Some(true) && value.is_none() {
                return Err(InvalidProfile { claim, problem: "can't be true without what was verified" });
            }
        }
        if let Some(address) = &self.address {
            address.check()?;
        }
        let known = |(name, text): (&String, &String)| is_localized(name) && is_line(text);
        if self.localized.len() > MAX_LOCALIZED || !self.localized.iter().all(known) {
            return Err(InvalidProfile { claim: "profile", problem: "holds a claim that is not known, or too long" });
        }
        Ok(())
    }
}

impl Address {
    fn check(&self) -> Result<(), InvalidProfile> {
        let parts = [&self.formatted, &self.street_address, &self.locality, &self.region, &self.postal_code, &self.country];
        let problem = "must have members of 1 to 1000 bytes without control characters other than line breaks";
        parts.into_iter().try_for_each(|part| require("address", part.as_deref(), is_lines, problem))
    }
}

fn require(
    claim: &'static str,
    value: Option<&str>,
    holds: impl Fn(&str) -> bool,
    problem: &'static str,
) -> Result<(), InvalidProfile> {
    if value.is_none_or(holds) { Ok(()) } else { Err(InvalidProfile { claim, problem }) }
}

fn is_line(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_lines(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n'))
}

fn is_url(text: &str) -> bool {
    is_line(text) && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_email(text: &str) -> bool {
    EmailAddress::parse(text).is_ok()
}

fn is_date(text: &str) -> bool {
    let number = |part: &str, digits: usize| -> Option<u32> {
        let fits = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse().ok()).flatten()
    };
    let Some((year, rest)) = text.split_once('-') else {
        return number(text, 4).is_some_and(|year| year > 0);
    };
    let Some((month, day)) = rest.split_once('-') else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    // The year 0000 stands for any, and was a leap year.
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_zone(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'));
    text.len() <= 64 && text.split('/').all(part)
}

/// §5.1 allows the underscore that some write.
fn is_language(text: &str) -> bool {
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 64 && text.split(['-', '_']).all(subtag)
}

fn is_phone(text: &str) -> bool {
    let (number, extension) = text.split_once(";ext=").unwrap_or((text, "0"));
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b' ' | b'-' | b'.' | b'(' | b')');
    text.len() <= 64
        && (3..=20).contains(&digits)
        && number.bytes().all(allowed)
        && (1..=16).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_localized(name: &str) -> bool {
    name.split_once('#').is_some_and(|(claim, tag)| LOCALIZABLE.contains(&claim) && !tag.contains('_') && is_language(tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Profile, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_profile_comes_back_as_it_was() {
        let whole = json!({
            "name": "Zoë Q. Example", "given_name": "Zoë", "family_name": "Example", "middle_name": "Q.", "nickname": "Zo",
            "preferred_username": "zoe", "profile": "https://example.com/zoe", "picture": "https://example.com/zoe.png",
            "website": "http://zoe.example", "email": "zoe@example.com", "email_verified": true, "gender": "female",
            "birthdate": "0000-02-29", "zoneinfo": "Europe/Paris", "locale": "fr-CA", "phone_number": "+1 (604) 555-1234;ext=5678",
            "phone_number_verified": false,
            "address": {"formatted": "1 Main St\nTown", "street_address": "1 Main St", "locality": "Town", "region": "R",
                        "postal_code": "12345", "country": "FR"},
            "name#ja-Kana-JP": "ゾーイ",
        });
        assert_eq!(serde_json::to_value(read(whole.clone()).unwrap()).unwrap(), whole);
        assert_eq!(serde_json::to_value(Profile::default()).unwrap(), json!({}));
    }

    #[test]
    fn a_verified_flag_is_a_boolean_and_stands_beside_what_was_verified() {
        assert!(read(json!({"email": "a@example.com", "email_verified": "true"})).is_err());
        assert!(read(json!({"email_verified": true})).unwrap_err().contains("email_verified"));
        assert!(read(json!({"phone_number_verified": true})).is_err());
        assert!(read(json!({"email": "a@example.com", "email_verified": true})).is_ok());
    }

    #[test]
    fn the_claim_that_is_wrong_is_named() {
        for (claim, bad) in [
            ("name", json!("a\u{0}b")),
            ("nickname", json!("")),
            ("given_name", json!("x".repeat(1_001))),
            ("picture", json!("javascript:alert(1)")),
            ("website", json!("example.com")),
            ("email", json!("no-at-sign")),
            ("email", json!("a@b@c")),
            ("email", json!("a b@example.com")),
            ("birthdate", json!("1999-02-29")),
            ("birthdate", json!("99-01-01")),
            ("zoneinfo", json!("../etc/passwd")),
            ("locale", json!("fr CA")),
            ("phone_number", json!("call me")),
            ("address", json!({"formatted": "\u{7}"})),
        ] {
            let refused = read(json!({claim: bad})).unwrap_err();
            assert!(refused.starts_with(claim), "{claim}: {refused}");
        }
    }

    #[test]
    fn claims_nobody_knows_are_refused() {
        for name in ["sub", "updated_at", "roles", "name#", "name#not a tag", "email#fr", "#fr"] {
            assert!(read(json!({name: "x"})).is_err(), "{name}");
        }
        assert!(read(json!({"address": {"planet": "Earth"}})).is_err());
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn dates_may_leave_out_the_year_or_be_nothing_else() {
        for good in ["1985-10-26", "0000-10-26", "1985", "2000-02-29"] {
            assert!(is_date(good), "{good}");
        }
        for bad in
            ["0000", "1985-10", "1985-00-01", "1985-13-01", "1985-04-31", "1900-02-29", "+985-01-01", "1985-1-1", "1985-01-01-01"]
        {
            assert!(!is_date(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in ".*") {
            for check in [is_line, is_lines, is_url, is_email, is_date, is_zone, is_language, is_phone, is_localized] {
                check(&text);
            }
        }

        #[test]
        fn a_profile_that_was_read_reads_back_the_same(name in ".{0,40}", email in ".{0,10}@.{0,10}", phone in "[+0-9 ;=ext]{0,20}") {
            if let Ok(profile) = read(json!({"name": name, "email": email, "phone_number": phone})) {
                prop_assert_eq!(read(serde_json::to_value(&profile).unwrap()), Ok(profile));
            }
        }
    }
}
