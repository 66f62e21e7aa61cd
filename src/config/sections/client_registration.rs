//! Whether applications may register themselves, and as what.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::section;
use crate::protocol::client::Algorithm;

section! {
    /// Registration by applications themselves (RFC 7591).
    ClientRegistrationConfig {
        /// `off`: administrators register all clients. `token`: whoever has an initial access token may, which
        /// `ostiary client registration-token` makes. `open`: whoever likes.
        mode: ClientRegistrationMode = ClientRegistrationMode::Off;
        /// Scope values that such a client is registered for, as far as it asks for them; all of them where it asks for none.
        scopes: Vec<String> = ["openid", "profile", "email", "offline_access"].map(str::to_owned).to_vec();
        /// Whose software statements count (RFC 7591 section 2.3), a table `[[client_registration.software_statement_issuers]]` each:
        /// `issuer`, the `iss` of its statements; `jwks_file`, a file with its keys (JWK Set), or `jwks_uri`, where it publishes them;
        /// `algorithms`, all when absent. What a statement says stands before what the application says itself.
        software_statement_issuers: Vec<StatementIssuer> = Vec::new();
        /// Days that a statement counts from its `iat` on, if it does not say itself when it ends (`exp`). One with neither is refused.
        software_statement_days: u32 = 30;
        /// Whether only applications with such a statement may register themselves.
        require_software_statement: bool = false;
        /// Days after which an application is deleted that registered itself, that nobody has agreed to, and that holds nothing.
        unused_days: u32 = 90;
    }
}

/// Somebody whose word on applications counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementIssuer {
    pub issuer: String,
    #[serde(default)]
    pub jwks_file: PathBuf,
    #[serde(default)]
    pub jwks_uri: String,
    #[serde(default = "all")]
    pub algorithms: Vec<Algorithm>,
}

fn all() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
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
