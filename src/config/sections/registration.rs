//! Who may register, and with what.

use crate::config::section;

section! {
    /// Registration by people themselves.
    RegistrationConfig {
        /// `closed`: administrators make all accounts. `invitation`: whoever has an invitation may register. `open`: whoever likes.
        mode: RegistrationMode = RegistrationMode::Closed;
        /// What somebody registers with: `email`, `username`, or `both`. With `username` alone there is no mail, and so no way back
        /// for who forgets the password.
        identifier: Identifier = Identifier::Email;
        /// Domains whose addresses may register; all when empty.
        allowed_domains: Vec<String> = Vec::new();
        /// Hours that an invitation is good for.
        invitation_hours: i64 = 168;
    }
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationMode {
    Open,
    Invitation,
    Closed,
}

/// What somebody registers with, and signs in with later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    Email,
    Username,
    Both,
}

impl Identifier {
    pub const fn has_address(self) -> bool {
        matches!(self, Self::Email | Self::Both)
    }

    pub const fn has_name(self) -> bool {
        matches!(self, Self::Username | Self::Both)
    }
}
