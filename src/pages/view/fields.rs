//! What the forms have in common in which somebody chooses a name, an address or a password: fields, hints and complaints.

use crate::account::Complaint;
use crate::authn::password::{InvalidPassword, NewPasswordProblem, Strength};
use crate::config::CharacterKind;
use crate::text::Text;

/// The id of the field that is meant, which may be none, and of the message.
const fn field_and_id(complaint: Complaint) -> (&'static str, &'static str) {
    match complaint {
        Complaint::Name => ("username", "field-name-refused"),
        Complaint::NameTaken => ("username", "field-name-taken"),
        Complaint::Address => ("email", "field-address-refused"),
        Complaint::AddressDomain => ("email", "field-address-domain"),
        Complaint::Password(problem) => ("password", password_message(problem)),
        Complaint::Repetition => ("password-again", "field-repetition-differs"),
        Complaint::CurrentPassword => ("current-password", "field-current-password-wrong"),
        Complaint::Code => ("code", "field-code-wrong"),
        Complaint::Overloaded => ("", "login-overloaded"),
        Complaint::TooMany => ("", "field-too-many"),
        Complaint::Challenge => ("", "field-challenge"),
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
    pub problems: Vec<Complaint>,
    /// Of the password that was sent and not taken.
    pub strength: Option<Strength>,
}

impl Form {
    /// Inside a flow, and with what was wrong.
    #[must_use]
    pub fn with(self, flow: Option<String>, problems: Vec<Complaint>, strength: Option<Strength>) -> Self {
        Self { flow, problems, strength, ..self }
    }

    pub fn is_refused(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The field, which may be none, and what is wrong with it.
    pub fn complaints(&self) -> Vec<(&'static str, String)> {
        self.problems.iter().map(|problem| (field_and_id(*problem).0, self.sentence(*problem))).collect()
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

    fn sentence(&self, problem: Complaint) -> String {
        self.text.count(field_and_id(problem).1, i64::try_from(self.min_length).unwrap_or(i64::MAX))
    }
}
