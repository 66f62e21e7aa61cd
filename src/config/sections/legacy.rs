//! What is there for applications of another time, and off for everybody else.

use crate::config::section;

section! {
    /// What OAuth has left behind, for applications that can do no better.
    LegacyConfig {
        /// Tokens may come through the browser: the response types `id_token`, `id_token token`, `code id_token`, `code token` and
        /// `code id_token token` of OpenID Connect, for clients that are registered for them. Otherwise `code` alone is taken.
        response_types: bool = false;
    }
}
