//! Applications that come by themselves, and whose word on them counts.

use url::Url;

use super::{Config, InvalidConfig, require};
use crate::protocol::client_document::is_host_pattern;
use crate::protocol::outbound_url;
use crate::protocol::scope::{self, Scope};

pub(super) fn check(config: &Config) -> Result<(), InvalidConfig> {
    let own = Scope::parse(&config.client_registration.scopes.join(" "));
    let harmless = own.is_ok_and(|own| own.intersection(&scope::management().union(&scope::account())).is_empty());
    require(harmless, "client_registration.scopes", "must be scope values, and none of this server's own API")?;
    let documents = &config.client_id_metadata_documents;
    for (key, hosts) in [
        ("client_id_metadata_documents.allowed_hosts", &documents.allowed_hosts),
        ("client_id_metadata_documents.denied_hosts", &documents.denied_hosts),
    ] {
        let all = hosts.iter().all(|host| is_host_pattern(host));
        require(all, key, "must be hosts such as app.example or *.app.example, in lower case and without a port")?;
    }
    for (key, days) in [
        ("client_id_metadata_documents.unused_days", documents.unused_days),
        ("client_registration.unused_days", config.client_registration.unused_days),
    ] {
        require((1..=3_650).contains(&days), key, "must be between 1 and 3650")?;
    }
    statement_issuers(config)
}

fn statement_issuers(config: &Config) -> Result<(), InvalidConfig> {
    const KEY: &str = "client_registration.software_statement_issuers";
    const REQUIRED: &str = "client_registration.require_software_statement";
    let issuers = &config.client_registration.software_statement_issuers;
    for (index, trusted) in issuers.iter().enumerate() {
        let is_first = issuers.iter().take(index).all(|other| other.issuer != trusted.issuer);
        require(is_first && !trusted.issuer.is_empty(), KEY, "must each have an 'issuer', another one each")?;
        let names_people = config.jwt_bearer.issuers.iter().any(|other| other.issuer == trusted.issuer);
        require(!names_people, KEY, "must hold no issuer of jwt_bearer.issuers: what it says of people must register nothing")?;
        let has_file = !trusted.jwks_file.as_os_str().is_empty();
        require(has_file == trusted.jwks_uri.is_empty(), KEY, "must each have either 'jwks_file' or 'jwks_uri'")?;
        let is_asked =
            Url::parse(&trusted.jwks_uri).is_ok_and(|url| outbound_url::target(&url, &config.outbound.private_hosts).is_some());
        require(has_file || is_asked, KEY, "must have https URLs of public hosts as 'jwks_uri'")?;
        require(!trusted.algorithms.is_empty(), KEY, "must not have empty 'algorithms'")?;
    }
    let days = (1..=3_650).contains(&config.client_registration.software_statement_days);
    require(days, "client_registration.software_statement_days", "must be between 1 and 3650")?;
    let required = config.client_registration.require_software_statement;
    require(!required || !issuers.is_empty(), REQUIRED, "needs software_statement_issuers")?;
    let anybody_publishes = config.takes_client_documents() && config.client_id_metadata_documents.allowed_hosts.is_empty();
    require(
        !required || !anybody_publishes,
        REQUIRED,
        "needs client_id_metadata_documents.allowed_hosts where documents at a client_id are taken: they hold no statement",
    )
}
