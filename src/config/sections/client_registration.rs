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

section! {
    /// Applications whose `client_id` is the URL of their registration (OAuth Client ID Metadata Document). Scope values are those of
    /// `client_registration.scopes`; what else such an application may have are the resources that are open to all.
    ClientIdMetadataDocumentsConfig {
        /// Whether there are any.
        enabled: bool = false;
        /// Hosts whose documents are taken: `app.example`, or `*.app.example` for all below it. Any when empty.
        allowed_hosts: Vec<String> = Vec::new();
        /// Hosts whose documents are not taken, whatever `allowed_hosts` says.
        denied_hosts: Vec<String> = Vec::new();
        /// Days after which an application is forgotten that nobody used and that holds nothing.
        unused_days: u32 = 90;
    }
}

section! {
    /// What the authorization specification of the Model Context Protocol asks of an authorization server, for those who protect MCP
    /// servers with this one.
    McpConfig {
        /// Whether applications that nobody here knows may come: documents at a `client_id` are taken
        /// (`[client_id_metadata_documents]`), and applications register themselves as `mcp.client_registration` says.
        enabled: bool = false;
        /// What `client_registration.mode` is while that is `off` and this is enabled: `open`, `token` or `off`. Older applications
        /// know no other way.
        client_registration: ClientRegistrationMode = ClientRegistrationMode::Open;
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
