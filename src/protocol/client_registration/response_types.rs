//! What a client's authorization requests may ask for (OpenID Connect Registration §2; RFC 7591 §2.1).

use url::Url;

use super::{Problems, RegistrationPolicy};
use crate::protocol::client::{ApplicationType, ClientMetadata, GrantType};

const FIELD: &str = "response_types";

pub(super) fn check(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    let types = &metadata.response_types;
    problems.list(FIELD, types);
    let implicit = metadata.grant_types.contains(&GrantType::Implicit);
    let is_legacy = implicit || types.iter().any(|kind| kind.is_legacy());
    if is_legacy && !policy.legacy_response_types {
        problems.add(
            FIELD,
            "legacy",
            "or grant_types holds what brings tokens through the browser, which is off (legacy.response_types)",
        );
    }
    if !fits(metadata) {
        problems.add(FIELD, "grant_types", "and grant_types do not go together");
    }
    if types.iter().any(|kind| kind.has_token()) && metadata.binds_tokens() {
        problems.add(FIELD, "bound_tokens", "must not hold token where access tokens have to be bound to a key or a certificate");
    }
    if is_legacy && !metadata.scope.contains("openid") {
        problems.add("scope", "openid_missing", "must hold openid for tokens that come through the browser");
    }
    if implicit && metadata.application_type == ApplicationType::Web {
        secure_redirect_uris(metadata, problems);
    }
}

/// Each response type needs its grants, and each grant one that it is for. None means `code` for its grant.
pub fn fits(metadata: &ClientMetadata) -> bool {
    let types = &metadata.response_types;
    let has = |grant| metadata.grant_types.contains(&grant);
    let is_used = |grant| types.iter().any(|kind| kind.grant_types().any(|needed| needed == grant));
    let needed_are_there = types.iter().flat_map(|kind| kind.grant_types()).all(has);
    let code_is_used = !has(GrantType::AuthorizationCode) || types.is_empty() || is_used(GrantType::AuthorizationCode);
    needed_are_there && code_is_used && has(GrantType::Implicit) == is_used(GrantType::Implicit)
}

/// OpenID Connect Registration §2 `application_type`: https, and not this machine.
fn secure_redirect_uris(metadata: &ClientMetadata, problems: &mut Problems) {
    for (index, text) in metadata.redirect_uris.iter().enumerate() {
        let is_secure = Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.domain() != Some("localhost"));
        if !is_secure {
            let field = format!("redirect_uris[{index}]");
            problems.add(
                field,
                "implicit",
                "must be https and not on localhost for the grant type implicit of a web application",
            );
        }
    }
}
