//! What a command that can't do its work says, and with which code it exits.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::storage::error::Error as StorageError;

/// The exit codes, as `ostiary --help` lists them. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Failed = 1,
    Usage = 2,
    Configuration = 3,
    NotFound = 4,
    Conflict = 5,
    /// The data folder, the master key, the database or the address can't be used.
    Unusable = 6,
    /// Somebody changed the audit log.
    Tampered = 7,
    /// The installation is not as the documents say.
    Drift = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A sentence that says what is wrong and, where that can be said, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    pub exit: Exit,
    pub sentence: String,
}

impl Failure {
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    /// Something that nobody foresaw.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
    pub fn failed(error: impl ToString) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }

    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    pub fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, sentence)
    }

    pub fn conflict(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Conflict, sentence)
    }

    #[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
    pub fn unusable(error: impl ToString) -> Self {
        Self::new(Exit::Unusable, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Configuration, error.to_string())
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => Self::unusable(error),
            StorageError::Conflict | StorageError::Unmet => {
                Self::conflict("it exists already, or was changed by somebody else meanwhile")
            }
            StorageError::Other(_) => Self::failed(error),
        }
    }
}
