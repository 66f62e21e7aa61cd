//! Whether applications may register themselves, and as what.

use crate::config::section;

section! {
    /// Registration by applications themselves (RFC 7591).
    ClientRegistrationConfig {
        /// `off`: administrators register all clients. `token`: whoever has an initial access token may, which
        /// `ostiary client registration-token` makes. `open`: whoever likes.
        mode: ClientRegistrationMode = ClientRegistrationMode::Off;
        /// Scope values that such a client is registered for, as far as it asks for them; all of them where it asks for none.
        scopes: Vec<String> = ["openid", "profile", "email", "offline_access"].map(str::to_owned).to_vec();
    }
}

/// Who may register an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientRegistrationMode {
    Off,
    Token,
    Open,
}
