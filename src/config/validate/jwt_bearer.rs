//! Issuers that are trusted with people.

use url::Url;

use super::{Config, InvalidConfig, require};
use crate::protocol::outbound_url;
use crate::protocol::scope::{self, Scope};

const KEY: &str = "jwt_bearer.issuers";

pub(super) fn check(config: &Config) -> Result<(), InvalidConfig> {
    let issuers = &config.jwt_bearer.issuers;
    for (index, trusted) in issuers.iter().enumerate() {
        let name = &trusted.issuer;
        let printable = (1..=255).contains(&name.len()) && name.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        require(printable, KEY, "must each have an 'issuer' of 1 to 255 printable characters without space")?;
        require(*name != config.server.issuer, KEY, "must not hold this server itself")?;
        let is_first = issuers.iter().take(index).all(|other| other.issuer != *name);
        require(is_first, KEY, "must not hold an 'issuer' twice")?;
        let has_file = !trusted.jwks_file.as_os_str().is_empty();
        require(has_file == trusted.jwks_uri.is_empty(), KEY, "must each have either 'jwks_file' or 'jwks_uri'")?;
        let is_asked =
            Url::parse(&trusted.jwks_uri).is_ok_and(|url| outbound_url::target(&url, &config.outbound.private_hosts).is_some());
        require(has_file || is_asked, KEY, "must have https URLs of public hosts as 'jwks_uri'")?;
        require(!trusted.algorithms.is_empty(), KEY, "must not have empty 'algorithms'")?;
        let scopes = Scope::parse(&trusted.scopes.join(" "));
        let own = scope::management().union(&scope::account());
        let harmless = |scopes: &Scope| {
            !scopes.is_empty()
                && scopes.iter().all(|value| !["openid", "offline_access"].contains(&value) && !own.contains(value))
        };
        let problem = "must each have 'scopes': values without openid, offline_access, and those of this server's own API";
        require(scopes.is_ok_and(|scopes| harmless(&scopes)), KEY, problem)?;
    }
    Ok(())
}
