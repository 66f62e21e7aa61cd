//! What a new password must be (NIST SP 800-63B-4 §3.1.1.2): long enough, not guessed by who knows the person, common passwords,
//! or those of a breach. No rules of composition, unless the operator insists.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::breached::{Breached, UnusableList};
use super::strength::{self, Strength};
use super::{InvalidPassword, Password};
use crate::config::{CharacterKind, PasswordConfig};

/// Shorter words are part of too many others.
const MIN_WORD: usize = 4;

/// The fewest characters that a password must have besides the words that anybody could try.
const MIN_REST: usize = 6;

/// Why a new password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordProblem {
    #[error(transparent)]
    Invalid(#[from] InvalidPassword),
    #[error("the password has fewer than {min_length} characters")]
    TooShort { min_length: usize },
    #[error("the password is the sign-in name")]
    IsSignInName,
    #[error("the password is made of a name or address that belongs to the account, or of this server's name")]
    FromContext,
    #[error("the password is one of the commonest")]
    Common,
    #[error("the password is known from a breach")]
    Breached,
    #[error("the password is too easy to guess")]
    TooWeak,
    #[error("the password lacks a {}", match .0 {
        CharacterKind::Lowercase => "lower-case letter",
        CharacterKind::Uppercase => "upper-case letter",
        CharacterKind::Digit => "digit",
        CharacterKind::Symbol => "character that is neither letter nor digit",
    })]
    Lacks(CharacterKind),
    /// The list of breached passwords can't be read at the moment: a fault of the server's, and no reason to take the password.
    #[error("the password can't be checked at the moment")]
    Uncheckable,
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
            Self::FromContext => "password_from_context",
            Self::Common => "password_common",
            Self::Breached => "password_breached",
            Self::TooWeak => "password_too_weak",
            Self::Lacks(CharacterKind::Lowercase) => "password_lacks_lowercase",
            Self::Lacks(CharacterKind::Uppercase) => "password_lacks_uppercase",
            Self::Lacks(CharacterKind::Digit) => "password_lacks_digit",
            Self::Lacks(CharacterKind::Symbol) => "password_lacks_symbol",
            Self::Uncheckable => "password_uncheckable",
        }
    }
}

/// What the check of a password came to.
#[derive(Clone, Debug)]
pub struct Checked {
    pub password: Result<Password, NewPasswordProblem>,
    /// Of anything that is a password at all.
    pub strength: Option<Strength>,
}

/// The rules of this server. Cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Rules>);

struct Rules {
    min_length: usize,
    min_strength: u8,
    composition: Vec<CharacterKind>,
    breached: Vec<Breached>,
    /// What this server is called.
    own_words: Vec<String>,
    /// Checks at once: an estimate takes some milliseconds of a processor.
    running: Semaphore,
}

impl Policy {
    /// The rules of the configuration. `host` is the issuer's.
    ///
    /// # Errors
    /// A list of breached passwords that is configured can't be used.
    pub fn new(config: &PasswordConfig, host: &str) -> Result<Self, UnusableList> {
        let labels = host.split('.').filter(|label| label.len() >= MIN_WORD);
        let own_words = ["ostiary", host].into_iter().chain(labels).map(str::to_lowercase).collect();
        Ok(Self(Arc::new(Rules {
            min_length: config.min_length,
            min_strength: config.min_strength,
            composition: config.composition.clone(),
            breached: Breached::configured(config)?,
            own_words,
            running: Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        })))
    }

    /// The fewest characters of a new password.
    pub fn min_length(&self) -> usize {
        self.0.min_length
    }

    /// Reads a password that somebody wants to have from now on. `sign_in_name` is theirs, `known` whatever else is known of
    /// them that others might try: address, names.
    pub async fn check(&self, typed: &str, sign_in_name: &str, known: &[&str]) -> Checked {
        let password = match Password::parse(typed) {
            Ok(password) => password,
            Err(problem) => return Checked { password: Err(problem.into()), strength: None },
        };
        let (rules, typed) = (self.0.clone(), SecretString::from(typed));
        let sign_in_name = sign_in_name.to_owned();
        let known: Vec<String> = known.iter().map(|word| (*word).to_owned()).collect();
        let Ok(_running) = self.0.running.acquire().await else {
            return Checked { password: Err(NewPasswordProblem::Uncheckable), strength: None };
        };
        let checked = tokio::task::spawn_blocking(move || {
            let words = rules.words(&sign_in_name, &known);
            let estimate = strength::estimate(typed.expose_secret(), &words);
            let problem = rules.problem(&password, &sign_in_name, &words, &estimate);
            Checked { password: problem.map_or(Ok(password), Err), strength: Some(estimate.strength) }
        });
        checked.await.unwrap_or(Checked { password: Err(NewPasswordProblem::Uncheckable), strength: None })
    }

    /// [`Policy::check`] for who asks nothing but whether it will do.
    pub async fn new_password(&self, typed: &str, sign_in_name: &str, known: &[&str]) -> Result<Password, NewPasswordProblem> {
        self.check(typed, sign_in_name, known).await.password
    }
}

impl Rules {
    /// What anybody could try who knows whose account it is and where: the longest first.
    fn words(&self, sign_in_name: &str, known: &[String]) -> Vec<String> {
        let mut words = self.own_words.clone();
        for text in known.iter().map(String::as_str).chain([sign_in_name]) {
            let parts = text.split(|letter: char| !letter.is_alphanumeric());
            words.extend(std::iter::once(text.trim()).chain(parts).map(str::to_lowercase));
        }
        words.retain(|word| word.chars().count() >= MIN_WORD);
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        words
    }

    fn problem(
        &self,
        password: &Password,
        sign_in_name: &str,
        words: &[String],
        estimate: &strength::Estimate,
    ) -> Option<NewPasswordProblem> {
        let text = password.as_str();
        if text.chars().count() < self.min_length {
            return Some(NewPasswordProblem::TooShort { min_length: self.min_length });
        }
        let lower = text.trim().to_lowercase();
        if lower == sign_in_name.trim().to_lowercase() {
            return Some(NewPasswordProblem::IsSignInName);
        }
        let rest = words.iter().fold(lower.clone(), |rest, word| rest.replace(word, ""));
        if rest.chars().count() < MIN_REST && rest != lower {
            return Some(NewPasswordProblem::FromContext);
        }
        if estimate.is_one_word {
            return Some(NewPasswordProblem::Common);
        }
        for list in &self.breached {
            match list.contains(text) {
                Ok(false) => {}
                Ok(true) => return Some(NewPasswordProblem::Breached),
                Err(error) => {
                    tracing::error!(%error, "the list of breached passwords can't be read; no new password is taken");
                    return Some(NewPasswordProblem::Uncheckable);
                }
            }
        }
        if let Some(kind) = self.composition.iter().find(|kind| !text.chars().any(|letter| kind_of(letter) == **kind)) {
            return Some(NewPasswordProblem::Lacks(*kind));
        }
        (estimate.strength.score() < self.min_strength).then_some(NewPasswordProblem::TooWeak)
    }
}

fn kind_of(letter: char) -> CharacterKind {
    match letter {
        letter if letter.is_uppercase() => CharacterKind::Uppercase,
        // Letters without case count as small ones.
        letter if letter.is_alphabetic() => CharacterKind::Lowercase,
        letter if letter.is_numeric() => CharacterKind::Digit,
        _ => CharacterKind::Symbol,
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Policy").field("min_length", &self.0.min_length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(config: PasswordConfig, typed: &str) -> &'static str {
        let policy = Policy::new(&config, "login.acme-widgets.example").unwrap();
        let known = ["Anna.Lovelace@example.com", "Anna Lovelace"];
        policy.new_password(typed, "anna.lovelace", &known).await.err().map_or("taken", NewPasswordProblem::code)
    }

    #[tokio::test]
    async fn a_password_alone_has_fifteen_characters_by_default() {
        assert_eq!(refusal(PasswordConfig::default(), "kT8 vu)wq2Zr4m").await, "password_too_short");
        assert_eq!(refusal(PasswordConfig::default(), "kT8 vu)wq2Zr4mX").await, "taken");
        assert_eq!(refusal(PasswordConfig::default(), "").await, "password_empty");
        assert_eq!(refusal(PasswordConfig::default(), &"x".repeat(257)).await, "password_too_long");
    }

    #[tokio::test]
    async fn what_anybody_knows_of_person_and_server_makes_no_password() {
        for typed in [
            "anna.lovelace@example.com",
            "ANNA.LOVELACE@EXAMPLE.COM 1",
            "Lovelace-lovelace",
            "lovelaceacme-widgets",
            "acme-widgets.example!",
            "ostiaryostiary2026",
            "login.acme-widgets.example",
        ] {
            assert_eq!(refusal(PasswordConfig::default(), typed).await, "password_from_context", "{typed}");
        }
        let config = PasswordConfig { min_length: 8, ..PasswordConfig::default() };
        assert_eq!(refusal(config, "Anna.Lovelace ").await, "password_is_sign_in_name");
        assert_eq!(refusal(PasswordConfig::default(), "the lovelace engine hums at dawn").await, "taken");
    }

    #[tokio::test]
    async fn common_passwords_are_refused_however_they_are_dressed_up() {
        let config = PasswordConfig { min_length: 8, min_strength: 0, ..PasswordConfig::default() };
        for typed in ["password", "iloveyou", "trustno1", "Football", "p@ssw0rd", "drowssap"] {
            assert_eq!(refusal(config.clone(), typed).await, "password_common", "{typed}");
        }
        assert_eq!(refusal(config, "four tidy llamas").await, "taken");
    }

    #[tokio::test]
    async fn what_is_guessed_soon_is_too_weak_and_no_composition_is_asked() {
        assert_eq!(refusal(PasswordConfig::default(), "aaaaaaaaaaaaaaaaaaaa").await, "password_too_weak");
        assert_eq!(refusal(PasswordConfig::default(), "passwordpassword").await, "password_too_weak");
        assert_eq!(refusal(PasswordConfig::default(), "correct horse battery staple").await, "taken");
        let lax = PasswordConfig { min_strength: 0, ..PasswordConfig::default() };
        assert_eq!(refusal(lax, "aaaaaaaaaaaaaaaaaaaa").await, "taken");
    }

    #[tokio::test]
    async fn an_operator_may_insist_on_kinds_of_characters() {
        use CharacterKind::{Digit, Lowercase, Symbol, Uppercase};
        let config = PasswordConfig { composition: vec![Lowercase, Uppercase, Digit, Symbol], ..PasswordConfig::default() };
        for (typed, expected) in [
            ("CORRECT HORSE BATTERY 1", "password_lacks_lowercase"),
            ("correct horse battery 1", "password_lacks_uppercase"),
            ("Correct horse battery", "password_lacks_digit"),
            ("Correcthorsebattery1", "password_lacks_symbol"),
            ("Correct horse battery 1", "taken"),
        ] {
            assert_eq!(refusal(config.clone(), typed).await, expected, "{typed}");
        }
    }

    #[tokio::test]
    async fn the_strength_is_told_of_whatever_is_refused_too() {
        let policy = Policy::new(&PasswordConfig::default(), "id.example").unwrap();
        assert_eq!(policy.check("aaaaaaaaaaaaaaaaaaaa", "anna", &[]).await.strength.map(Strength::score), Some(0));
        assert_eq!(policy.check("correct horse battery staple", "anna", &[]).await.strength.map(Strength::score), Some(4));
        assert!(policy.check("", "anna", &[]).await.strength.is_none());
    }
}
