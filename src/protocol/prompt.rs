//! The `prompt` parameter (OpenID Connect Core §3.1.2.1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The values that are known. Whether `create` is supported depends on who may register ([`supported`]).
const VALUES: [&str; 5] = ["none", "login", "consent", "select_account", "create"];

/// `prompt_values_supported` (Initiating User Registration via OpenID Connect 1.0 §4.2).
pub fn supported(registration: bool) -> Vec<&'static str> {
    VALUES.into_iter().filter(|value| registration || *value != "create").collect()
}

/// A value that is not known, or `none` together with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid prompt")]
pub struct InvalidPrompt;

/// What the client wants the person to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prompt {
    /// Nothing at all: answer at once, with an error if need be.
    pub none: bool,
    /// Log in again, whatever session there is.
    pub login: bool,
    /// Ask for consent again, whatever was agreed to before.
    pub consent: bool,
    /// Let the person choose the account.
    pub select_account: bool,
    /// Let the person make an account (Initiating User Registration via OpenID Connect 1.0 §4.1).
    pub create: bool,
}

impl Prompt {
    /// Reads values separated by spaces. Core lets a server ignore an unknown value; a typing error in a security
    /// parameter is better told.
    pub fn parse(text: &str) -> Result<Self, InvalidPrompt> {
        let mut prompt = Self::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                "create" => prompt.create = true,
                _ => return Err(InvalidPrompt),
            }
        }
        let another = prompt.login || prompt.consent || prompt.select_account || prompt.create;
        if prompt.none && another { Err(InvalidPrompt) } else { Ok(prompt) }
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [self.none, self.login, self.consent, self.select_account, self.create];
        let words: Vec<_> = VALUES.into_iter().zip(set).filter(|(_, is_set)| *is_set).map(|(word, _)| word).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl TryFrom<String> for Prompt {
    type Error = InvalidPrompt;

    fn try_from(text: String) -> Result<Self, InvalidPrompt> {
        Self::parse(&text)
    }
}

impl From<Prompt> for String {
    fn from(prompt: Prompt) -> Self {
        prompt.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_combine_in_any_order() {
        let prompt = Prompt::parse("consent  login").unwrap();
        assert!(prompt.login && prompt.consent && !prompt.none && !prompt.select_account);
        assert_eq!(prompt.to_string(), "login consent");
    }

    #[test]
    fn none_stands_alone() {
        assert!(Prompt::parse("none").unwrap().none);
        for bad in ["none login", "consent none", "none select_account", "create none"] {
            assert_eq!(Prompt::parse(bad), Err(InvalidPrompt), "{bad}");
        }
    }

    #[test]
    fn an_account_is_made_where_people_may_register_only() {
        assert!(Prompt::parse("create consent").unwrap().create);
        assert_eq!(supported(false), ["none", "login", "consent", "select_account"]);
        assert_eq!(supported(true), VALUES);
    }

    #[test]
    fn an_unknown_value_is_refused() {
        for bad in ["created", "NONE", "login,consent", "login\tconsent"] {
            assert_eq!(Prompt::parse(bad), Err(InvalidPrompt), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back_the_same(text in "((none|login|consent|select_account|create|x) ?){0,5}|.*") {
            if let Ok(prompt) = Prompt::parse(&text) {
                prop_assert_eq!(Prompt::parse(&prompt.to_string()), Ok(prompt));
            }
        }
    }
}
