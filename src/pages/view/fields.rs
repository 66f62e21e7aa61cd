//! What the forms have in common in which somebody chooses a name, an address or a password: fields, hints and complaints.

use crate::authn::password::{InvalidPassword, NewPasswordProblem, Strength};
use crate::config::CharacterKind;
use crate::text::Text;

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldProblem {
    /// Empty, too long, or characters that a sign-in name may not have.
    Name,
    NameTaken,
    /// No e-mail address.
    Address,
    /// An address of a domain that may not register here.
    AddressDomain,
    Password(NewPasswordProblem),
    /// The two passwords differ.
    Repetition,
    /// The password that is asked for again is wrong.
    CurrentPassword,
    /// Wrong, too old, tried too often, or not of this browser: which of them is not told.
    Code,
    Stale,
    Overloaded,
    /// Too many tries: nothing was looked at.
    TooMany,
}

impl FieldProblem {
    /// The id of the field, which may be none, and of the message.
    const fn field_and_id(self) -> (&'static str, &'static str) {
        match self {
            Self::Name => ("username", "field-name-refused"),
            Self::NameTaken => ("username", "field-name-taken"),
            Self::Address => ("email", "field-address-refused"),
            Self::AddressDomain => ("email", "field-address-domain"),
            Self::Password(problem) => ("password", password_message(problem)),
            Self::Repetition => ("password-again", "field-repetition-differs"),
            Self::CurrentPassword => ("current-password", "field-current-password-wrong"),
            Self::Code => ("code", "field-code-wrong"),
            Self::Stale => ("", "form-stale"),
            Self::Overloaded => ("", "login-overloaded"),
            Self::TooMany => ("", "field-too-many"),
        }
    }

    /// Not the form's fault: trying the same again may help.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Overloaded | Self::Password(NewPasswordProblem::Uncheckable))
    }
}

const fn password_message(problem: NewPasswordProblem) -> &'static str {
    match problem {
        NewPasswordProblem::TooShort { .. } | NewPasswordProblem::Invalid(InvalidPassword::Empty) => "field-password-too-short",
        NewPasswordProblem::Invalid(InvalidPassword::TooLong) => "field-password-too-long",
        NewPasswordProblem::Invalid(InvalidPassword::Character) => "field-password-character",
        NewPasswordProblem::IsSignInName | NewPasswordProblem::FromContext => "field-password-from-context",
        NewPasswordProblem::Common => "field-password-common",
        NewPasswordProblem::Breached => "field-password-breached",
        NewPasswordProblem::TooWeak => "field-password-too-weak",
        NewPasswordProblem::Lacks(CharacterKind::Lowercase) => "field-password-lacks-lowercase",
        NewPasswordProblem::Lacks(CharacterKind::Uppercase) => "field-password-lacks-uppercase",
        NewPasswordProblem::Lacks(CharacterKind::Digit) => "field-password-lacks-digit",
        NewPasswordProblem::Lacks(CharacterKind::Symbol) => "field-password-lacks-symbol",
        NewPasswordProblem::Uncheckable => "field-password-uncheckable",
    }
}

/// A form: where it goes, what it carries along, and what was wrong with it the last time.
#[derive(Clone, Debug)]
pub struct Form {
    pub text: Text,
    pub action: String,
    pub csrf: String,
    /// The sealed authorization request, inside a flow.
    pub flow: Option<String>,
    /// The fewest characters of a password.
    pub min_length: usize,
    pub problems: Vec<FieldProblem>,
    /// Of the password that was sent and not taken.
    pub strength: Option<Strength>,
}

impl Form {
    pub fn is_refused(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The field, which may be none, and what is wrong with it.
    pub fn complaints(&self) -> Vec<(&'static str, String)> {
        self.problems.iter().map(|problem| (problem.field_and_id().0, self.sentence(*problem))).collect()
    }

    pub fn complaint(&self, field: &str) -> Option<String> {
        self.complaints().into_iter().find(|(of, _)| *of == field).map(|(_, sentence)| sentence)
    }

    pub fn password_hint(&self) -> String {
        self.text.count("field-password-hint", i64::try_from(self.min_length).unwrap_or(i64::MAX))
    }

    /// From 0 to 4, and the word for it.
    pub fn strength_shown(&self) -> Option<(u8, String)> {
        const WORDS: [&str; 5] = ["strength-0", "strength-1", "strength-2", "strength-3", "strength-4"];
        let score = self.strength?.score().min(4);
        Some((score, self.text.of(WORDS[usize::from(score)])))
    }

    fn sentence(&self, problem: FieldProblem) -> String {
        self.text.count(problem.field_and_id().1, i64::try_from(self.min_length).unwrap_or(i64::MAX))
    }
}
