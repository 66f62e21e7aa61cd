//! Passwords: how one is read (RFC 8265 §4), what a new one must be, and how it is hashed (Argon2id, RFC 9106).

mod breached;
mod filter;
mod hasher;
mod imitation;
mod imported;
mod policy;
mod strength;

use std::fmt;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{DerivedPropertyValue, FreeformClass, StringClass};
use zeroize::Zeroizing;

pub use breached::{Breached, UnusableList, sha1_hex};
pub use filter::{BuildError, Built, build as build_filter};
pub use hasher::{HashingError, PasswordHasher, Verdict};
pub use imitation::learn;
pub use imported::{ImportedHash, UnusableHash};
pub use policy::{Checked, NewPasswordProblem, Policy};
pub use strength::Strength;

/// The most characters a password may have. NIST SP 800-63B-4 §3.1.1.2 asks for 64 at least; the limit keeps what is hashed small.
pub const MAX_LENGTH: usize = 256;

/// A password as it was typed, prepared for comparison: two spellings of the same characters are one password.
///
/// Its memory is wiped when it is dropped, and its `Debug` says nothing.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Text that is no password. It is refused before anything is hashed, and whether or not the account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("the password is empty")]
    Empty,
    #[error("the password has more than {MAX_LENGTH} characters")]
    TooLong,
    #[error("the password holds a character that can't be used in passwords")]
    Character,
}

impl Password {
    /// Prepares what a person typed by the `OpaqueString` profile (RFC 8265 §4.2): other spaces become U+0020, then
    /// Unicode normalization form C; case, and spaces at the ends, are kept.
    ///
    /// The profile's repertoire is fixed at Unicode 6.3 in the registry, and would refuse every emoji since. So characters
    /// that are newer, and the joiner and variation selector that emoji are composed of, pass too; control characters
    /// (NUL among them) and other invisible ones don't. Whatever the profile itself accepts is mapped exactly as it says.
    pub fn parse(typed: &str) -> Result<Self, InvalidPassword> {
        if typed.is_empty() {
            return Err(InvalidPassword::Empty);
        }
        if typed.chars().nth(MAX_LENGTH).is_some() {
            return Err(InvalidPassword::TooLong);
        }
        if !typed.chars().all(is_allowed) {
            return Err(InvalidPassword::Character);
        }
        let profile = OpaqueString::new();
        let prepared = profile
            .additional_mapping_rule(typed)
            .and_then(|mapped| profile.normalization_rule(mapped))
            .map_err(|_| InvalidPassword::Character)?;
        Ok(Self(Zeroizing::new(prepared.into_owned())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password([redacted])")
    }
}

/// U+200D and U+FE0F, which turn several code points into one emoji.
const EMOJI_PARTS: [char; 2] = ['\u{200d}', '\u{fe0f}'];

fn is_allowed(character: char) -> bool {
    let property = FreeformClass::default().get_value_from_char(character);
    match property {
        DerivedPropertyValue::PValid
        | DerivedPropertyValue::SpecClassPval
        | DerivedPropertyValue::ContextO
        | DerivedPropertyValue::Unassigned => true,
        _ => EMOJI_PARTS.contains(&character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_letters_are_one_password() {
        let composed = Password::parse("caf\u{e9} \u{212b}").unwrap();
        let decomposed = Password::parse("cafe\u{301} A\u{30a}").unwrap();
        assert_eq!(composed.as_str(), decomposed.as_str());
    }

    #[test]
    fn other_spaces_count_as_the_space_and_case_and_outer_spaces_are_kept() {
        assert_eq!(Password::parse("Correct\u{a0}horse\u{3000}").unwrap().as_str(), "Correct horse ");
        assert_eq!(Password::parse(" Battery").unwrap().as_str(), " Battery");
    }

    #[test]
    fn whatever_the_profile_accepts_is_mapped_as_the_profile_says() {
        use precis_profiles::precis_core::profile::PrecisFastInvocation;
        for typed in ["\u{3c0}\u{df}\u{e5}", "Jack of \u{2666}s", "foo\u{1680}bar", "correct horse battery staple", "\u{1f600}"] {
            let expected = OpaqueString::enforce(typed).unwrap();
            assert_eq!(Password::parse(typed).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn emoji_are_characters_like_others() {
        for typed in ["\u{1f914}\u{1f914}", "\u{2764}\u{fe0f}", "\u{1f469}\u{200d}\u{1f680}"] {
            assert_eq!(Password::parse(typed).unwrap().as_str(), typed);
        }
    }

    #[test]
    fn empty_text_nul_and_control_characters_are_refused() {
        assert_eq!(Password::parse("").unwrap_err(), InvalidPassword::Empty);
        for typed in ["a\0b", "\0", "a\tb", "a\nb", "a\u{7f}", "a\u{85}b", "a\u{202e}b", "a\u{feff}"] {
            assert_eq!(Password::parse(typed).unwrap_err(), InvalidPassword::Character, "{typed:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_up_to_256() {
        assert!(Password::parse(&"\u{e9}".repeat(256)).is_ok());
        assert_eq!(Password::parse(&"a".repeat(257)).unwrap_err(), InvalidPassword::TooLong);
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        assert_eq!(format!("{:?}", Password::parse("hunter2hunter2").unwrap()), "Password([redacted])");
    }
}
