//! Issuers whose software statements count, with their keys (RFC 7591 §2.3).

use std::sync::Arc;

use super::trusted_issuers::{Keys, UnusableKeys};
use crate::config::{ClientRegistrationConfig, StatementIssuer};
use crate::keys::foreign::{Claims, Expected};
use crate::outbound::client_keys::ClientKeys;
use crate::protocol::error::OAuthError;
use crate::protocol::software_statement::{TYPES, UNAPPROVED, UNVERIFIED, check, unverified_issuer};
use crate::protocol::time::{Seconds, Timestamp};
use crate::telemetry::findings::note;

/// All of them.
#[derive(Clone, Debug)]
pub struct SoftwareStatements {
    issuers: Arc<[(StatementIssuer, Keys)]>,
    /// Of one that doesn't say when it ends.
    lifetime: Seconds,
}

impl SoftwareStatements {
    /// Reads the files.
    pub fn load(config: &ClientRegistrationConfig) -> Result<Self, UnusableKeys> {
        let load = |issuer: &StatementIssuer| Ok((issuer.clone(), Keys::load(&issuer.jwks_file, &issuer.jwks_uri)?));
        let issuers = config.software_statement_issuers.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { issuers, lifetime: Seconds::days(config.software_statement_days.into()) })
    }

    /// What the statement says, if somebody who is trusted said it, for this server (`audience`).
    pub async fn verified(
        &self,
        client_keys: &ClientKeys,
        statement: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Claims, OAuthError> {
        let named = unverified_issuer(statement)?;
        let Some((issuer, keys)) = self.issuers.iter().find(|(issuer, _)| issuer.issuer == named) else {
            note("software_statement", "iss", &named);
            return Err(UNAPPROVED);
        };
        let expected = Expected { algorithms: &issuer.algorithms, types: TYPES };
        let verified = keys.verify(client_keys, statement, expected, now).await.map_err(|cause| {
            note("software_statement", "keys", cause);
            UNVERIFIED
        })?;
        let claims = verified.map_err(|untrusted| {
            note("software_statement", "found", format_args!("{untrusted:?}"));
            UNVERIFIED
        })?;
        check(&claims, audience, (self.lifetime, now))?;
        Ok(claims)
    }
}
