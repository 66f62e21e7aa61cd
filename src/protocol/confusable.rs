//! Names that look alike (Unicode Technical Standard 39 §4): who has chosen one keeps impostors from the other.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use unicode_security::confusable_detection;

use super::sign_in_name::SignInName;

/// What a name looks like: two names with one skeleton can't be told apart by eye. Of the name as it is shown, so of an
/// international domain as it was typed.
///
/// In lower case, as names are compared: `l` and `I` then differ, which their owners would see on any page of ours.
pub fn skeleton(name: &SignInName) -> String {
    let shown = UsernameCaseMapped::enforce(name.as_str());
    confusable_detection::skeleton(shown.as_deref().unwrap_or(name.canonical())).collect()
}

/// Whether two names with one skeleton are to be kept apart. Names of ASCII alone are: `rn` looks like `m` and `1` like `l`,
/// and yet many people have such names for good reasons, which were theirs before they came here.
pub fn may_clash(one: &SignInName, other: &SignInName) -> bool {
    !(one.as_str().is_ascii() && other.as_str().is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        let (one, other) = (SignInName::parse(one).unwrap(), SignInName::parse(other).unwrap());
        skeleton(&one) == skeleton(&other) && may_clash(&one, &other)
    }

    #[test]
    fn letters_of_another_script_do_not_hide_behind_their_looks() {
        assert!(alike("\u{430}lice", "alice"), "Cyrillic a");
        assert!(alike("\u{455}\u{441}\u{43e}\u{440}\u{435}", "scope"), "Cyrillic throughout");
        assert!(alike("b\u{43e}b@example.com", "bob@example.com"));
        assert!(alike("bob@ex\u{430}mple.com", "bob@example.com"), "a domain that is shown in Cyrillic");
        assert!(alike("p\u{430}yp\u{430}l", "paypal"));
    }

    #[test]
    fn other_names_are_other_names() {
        for (one, other) in
            [("alice", "alicia"), ("jos\u{e9}", "jose"), ("modern", "rnodern"), ("paypal", "paypa1"), ("m\u{fc}ller", "muller")]
        {
            assert!(!alike(one, other), "{one} {other}");
        }
    }
}
