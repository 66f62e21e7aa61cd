//! The server's metadata, made from what it really does (RFC 8414; OpenID Connect Discovery 1.0 §3).
//!
//! Every list here comes from the table that the server itself reads: a grant type, an algorithm or a claim that is not in
//! its table is neither offered nor listed.

use super::client::Algorithm;

/// Paths of the endpoints, below the issuer. The router and the metadata read the same constants.
pub mod path {
    pub const AUTHORIZATION: &str = "/authorize";
    pub const TOKEN: &str = "/token";
    pub const USERINFO: &str = "/userinfo";
    pub const JWKS: &str = "/jwks";
    pub const INTROSPECTION: &str = "/introspect";
    pub const REVOCATION: &str = "/revoke";
    /// OpenID Connect Discovery 1.0 §4: appended to the issuer.
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// RFC 8414 §3: put between the host and the path of the issuer.
    pub const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
}

/// What differs from one installation to another.
#[derive(Clone, Debug)]
pub struct Capabilities<'a> {
    /// Algorithms there is a signing key for.
    pub algorithms: &'a [Algorithm],
    /// Scope values that the operator configured, besides the standard ones and those of the management API.
    pub scopes: Vec<&'a str>,
    /// `acr` values that a login can reach.
    pub acr_values: &'a [&'a str],
    /// Languages of the pages (RFC 5646).
    pub ui_locales: &'a [&'a str],
    pub service_documentation: Option<&'a str>,
}
