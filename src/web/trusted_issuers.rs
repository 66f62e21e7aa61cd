//! The issuers whose assertions stand for a person's own word (RFC 7523 §2.1), with their keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::TrustedIssuer;
use crate::keys::foreign::{Claims, Expected, ForeignKeys};
use crate::keys::ring::Untrusted;
use crate::outbound::client_keys::{ClientKeys, Unavailable};
use crate::protocol::client::Client;
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwt_bearer::TYPES;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// A file of keys can't be used.
#[derive(Debug, thiserror::Error)]
#[error("'jwks_file' {0} of a trusted issuer can't be read, or holds no key that can be used")]
pub struct UnusableKeys(PathBuf);

/// All of them.
#[derive(Clone, Debug)]
pub struct TrustedIssuers(Arc<[Trusted]>);

/// One of them.
#[derive(Debug)]
pub struct Trusted {
    pub config: TrustedIssuer,
    /// The most that tokens may say.
    pub scope: Scope,
    keys: Keys,
}

/// The keys of an issuer.
#[derive(Debug)]
pub(super) enum Keys {
    /// From a file, read when the server started.
    Known(ForeignKeys),
    /// At its `jwks_uri`.
    Published(String),
}

impl Keys {
    /// Reads the file, if one is named.
    pub(super) fn load(file: &Path, uri: &str) -> Result<Self, UnusableKeys> {
        if file.as_os_str().is_empty() {
            return Ok(Self::Published(uri.to_owned()));
        }
        read(file).map(Self::Known).ok_or_else(|| UnusableKeys(file.to_owned()))
    }

    /// The claims of a token that one of them signed.
    pub(super) async fn verify(
        &self,
        client_keys: &ClientKeys,
        token: &str,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Result<Claims, Untrusted>, Unavailable> {
        Ok(match self {
            Self::Known(keys) => keys.verify(token, expected),
            Self::Published(uri) => client_keys.at(uri, token, now).await?.verify(token, expected),
        })
    }
}

impl TrustedIssuers {
    /// Reads the files.
    pub fn load(issuers: &[TrustedIssuer]) -> Result<Self, UnusableKeys> {
        issuers.iter().map(Trusted::load).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn named(&self, issuer: &str) -> Option<&Trusted> {
        self.0.iter().find(|trusted| trusted.config.issuer == issuer)
    }
}

impl Trusted {
    fn load(config: &TrustedIssuer) -> Result<Self, UnusableKeys> {
        let keys = Keys::load(&config.jwks_file, &config.jwks_uri)?;
        // What is no scope has been refused with the configuration.
        let scope = Scope::parse(&config.scopes.join(" ")).unwrap_or_default();
        Ok(Self { config: config.clone(), scope, keys })
    }

    /// Whether the client may bring its assertions.
    pub fn takes(&self, client: &Client) -> bool {
        let clients = &self.config.clients;
        clients.is_empty() || clients.iter().any(|id| id == client.id.as_str())
    }

    /// The claims of an assertion that it signed.
    pub async fn verify(
        &self,
        client_keys: &ClientKeys,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<Claims, Untrusted>, Unavailable> {
        let expected = Expected { algorithms: &self.config.algorithms, types: TYPES };
        self.keys.verify(client_keys, token, expected, now).await
    }
}

fn read(file: &Path) -> Option<ForeignKeys> {
    let jwks = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let keys = ForeignJwk::parse_set(&jwks).ok().filter(|keys| !keys.is_empty())?;
    Some(ForeignKeys::new(keys))
}
