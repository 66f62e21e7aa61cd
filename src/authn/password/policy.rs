//! What a new password must be (NIST SP 800-63B-4 §3.1.1.2): long enough and not the sign-in name. No rules of composition.

use super::{InvalidPassword, Password};

/// Why a new password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordProblem {
    #[error(transparent)]
    Invalid(#[from] InvalidPassword),
    #[error("the password has fewer than {min_length} characters")]
    TooShort { min_length: usize },
    #[error("the password is the sign-in name")]
    IsSignInName,
}

impl NewPasswordProblem {
    /// A stable word for answers and the audit log.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid(InvalidPassword::Empty) => "password_empty",
            Self::Invalid(InvalidPassword::TooLong) => "password_too_long",
            Self::Invalid(InvalidPassword::Character) => "password_invalid_character",
            Self::TooShort { .. } => "password_too_short",
            Self::IsSignInName => "password_is_sign_in_name",
        }
    }
}

/// Reads a password that somebody wants to have from now on. `min_length` is `password.min_length` of the configuration.
pub fn new_password(typed: &str, sign_in_name: &str, min_length: usize) -> Result<Password, NewPasswordProblem> {
    let password = Password::parse(typed)?;
    if password.as_str().chars().count() < min_length {
        return Err(NewPasswordProblem::TooShort { min_length });
    }
    if password.as_str().trim().to_lowercase() == sign_in_name.trim().to_lowercase() {
        return Err(NewPasswordProblem::IsSignInName);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_long_enough() {
        let refused = new_password("elevenchars", "alice", 12).unwrap_err();
        assert_eq!(refused, NewPasswordProblem::TooShort { min_length: 12 });
        assert!(new_password("twelve chars", "alice", 12).is_ok());
    }

    #[test]
    fn a_new_password_is_not_the_sign_in_name_in_any_case() {
        let refused = new_password("ALICE@example.com ", "alice@Example.com", 12).unwrap_err();
        assert_eq!(refused, NewPasswordProblem::IsSignInName);
    }

    #[test]
    fn there_are_no_rules_of_composition() {
        assert!(new_password("aaaaaaaaaaaa", "alice", 12).is_ok());
    }

    #[test]
    fn what_is_no_password_at_all_is_no_new_password() {
        assert_eq!(new_password("", "alice", 12).unwrap_err().code(), "password_empty");
        assert_eq!(new_password(&"x".repeat(257), "alice", 12).unwrap_err().code(), "password_too_long");
    }
}
