//! Who else may say whom a client acts for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::section;
use crate::protocol::client::Algorithm;

section! {
    /// The JWT bearer grant (RFC 7523): issuers whose assertions stand for a person's own word. Whoever holds such an issuer's key acts
    /// for anybody here, within these bounds, and nobody is asked. Clients need the grant type besides.
    JwtBearerConfig {
        /// The issuers, a table `[[jwt_bearer.issuers]]` each: `issuer`, the `iss` of its assertions; `jwks_file`, a file with its keys
        /// (JWK Set), or `jwks_uri`, where it publishes them; `algorithms`, all when absent; `subject`, what their `sub` is: `user_id`,
        /// `sign_in_name` or `email`, a verified address; `scopes`, the most that tokens may say; `audiences`, whom tokens may be
        /// for, and `clients`, who may bring assertions: any when absent.
        issuers: Vec<TrustedIssuer> = Vec::new();
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    pub issuer: String,
    #[serde(default)]
    pub jwks_file: PathBuf,
    #[serde(default)]
    pub jwks_uri: String,
    #[serde(default = "all")]
    pub algorithms: Vec<Algorithm>,
    pub subject: SubjectIs,
    pub scopes: Vec<String>,
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub clients: Vec<String>,
}

/// What names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectIs {
    UserId,
    SignInName,
    Email,
}

fn all() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}
