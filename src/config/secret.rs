//! A configuration value that may hold a password, and is never shown.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// Text that `Debug` doesn't show.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "[empty]" } else { "[redacted]" })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_databases_password_is_not_shown() {
        let mut config = Config::default();
        config.database.url = "postgres://ostiary:hunter2@localhost/ostiary".to_owned().into();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(config.database.url.contains("hunter2"));
    }
}
