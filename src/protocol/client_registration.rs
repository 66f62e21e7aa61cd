//! Whether client metadata may be registered (RFC 7591 §2, §5; OpenID Connect Registration 1.0 §2; RFC 8252 §8.4).

mod backchannel;
mod certificates;
mod change;
mod encryption;
mod exchange;
mod keys;
mod logout;
mod response_types;
mod security_profile;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use url::Url;

use super::client::{Algorithm, ApplicationType, ClientAuthMethod, ClientMetadata, GrantType};
use super::redirect_uri::RedirectUri;
use super::scope::{self, Scope};
pub use change::{check_change, check_id};
pub use response_types::fits as response_types_fit;

/// The longest lifetime of an access token that can't be called back everywhere at once: one day, in seconds.
pub const MAX_ACCESS_TOKEN_LIFETIME: i64 = 86_400;

/// The most entries of each list.
const MAX_ENTRIES: usize = 50;

/// What the server allows every client.
#[derive(Clone, Debug)]
pub struct RegistrationPolicy {
    /// See [`super::authorization_request::ServerPolicy::known_scope`].
    pub known_scope: Scope,
    /// Algorithms that there are signing keys for.
    pub algorithms: Vec<Algorithm>,
    /// See [`super::authorization_request::ServerPolicy::legacy_response_types`].
    pub legacy_response_types: bool,
    /// The audience of the management API: its scope values are worth nothing in tokens for anybody else.
    pub api_audience: String,
    /// Hosts that may be asked though they are not public.
    pub private_hosts: Vec<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its name, with the place in a list: `redirect_uris[0]`.
    pub field: String,
    /// A stable word, such as `fragment`.
    pub code: &'static str,
    /// The end of a sentence that the field's name begins.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.field, self.message)
    }
}

/// Tells everything that is wrong at once.
pub fn validate(metadata: &ClientMetadata, policy: &RegistrationPolicy) -> Result<(), Vec<Problem>> {
    let mut problems = Problems(Vec::new());
    client_name(&metadata.client_name, &mut problems);
    grant_types(metadata, &mut problems);
    response_types::check(metadata, policy, &mut problems);
    api_audience(metadata, policy, &mut problems);
    redirect_uris("redirect_uris", &metadata.redirect_uris, metadata.application_type, &mut problems);
    redirect_uris("post_logout_redirect_uris", &metadata.post_logout_redirect_uris, metadata.application_type, &mut problems);
    scope(&metadata.scope, policy, &mut problems);
    audiences("audiences", &metadata.audiences, &mut problems);
    audiences("authorization_details_types", &metadata.authorization_details_types, &mut problems);
    algorithms(metadata, policy, &mut problems);
    times(metadata, &mut problems);
    allowed_origins(&metadata.allowed_origins, &mut problems);
    pages(metadata, &mut problems);
    keys::check(metadata, policy, &mut problems);
    logout::check(metadata, policy, &mut problems);
    exchange::check(metadata, policy, &mut problems);
    certificates::check(metadata, &mut problems);
    backchannel::check(metadata, policy, &mut problems);
    security_profile::check(metadata, &mut problems);
    if problems.0.is_empty() { Ok(()) } else { Err(problems.0) }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), code, message: message.into() });
    }

    /// Length and duplicates of any list; false if it is too long to look at each entry.
    fn list<T: Ord>(&mut self, field: &str, entries: &[T]) -> bool {
        if entries.len() > MAX_ENTRIES {
            self.add(field, "too_many", format!("has more than {MAX_ENTRIES} entries"));
            return false;
        }
        if entries.iter().collect::<BTreeSet<_>>().len() < entries.len() {
            self.add(field, "duplicate", "holds an entry twice");
        }
        true
    }
}

/// People trust the name on the consent page: nothing in it may hide or reorder the text around it.
fn client_name(name: &str, problems: &mut Problems) {
    let invisible = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}');
    if name.trim().is_empty() || name.trim() != name || name.chars().count() > 100 {
        problems.add("client_name", "length", "must have 1 to 100 characters and no space around them");
    } else if name.chars().any(|letter| letter.is_control() || invisible(letter)) {
        problems.add("client_name", "character", "holds a control character or one that hides or reorders text");
    }
}

fn api_audience(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    let of_api = metadata.scope.intersection(&scope::management().union(&scope::account()));
    if !of_api.is_empty() && !metadata.audiences.contains(&policy.api_audience) {
        problems.add(
            "audiences",
            "api_missing",
            format!("must hold {}, or the tokens would not be taken there", policy.api_audience),
        );
    }
}

fn grant_types(metadata: &ClientMetadata, problems: &mut Problems) {
    let uses = |grant| metadata.grant_types.contains(&grant);
    if metadata.grant_types.is_empty() {
        problems.add("grant_types", "required", "must not be empty");
    }
    let names: Vec<_> = metadata.grant_types.iter().map(|grant| *grant as u8).collect();
    problems.list("grant_types", &names);
    // RFC 6749 §4.4: only a client with credentials can show that it is one.
    if uses(GrantType::ClientCredentials) && metadata.token_endpoint_auth_method == ClientAuthMethod::None {
        problems.add("grant_types", "public_client", "must not hold client_credentials for a client that can not authenticate");
    }
    let of_people = [GrantType::AuthorizationCode, GrantType::DeviceCode, GrantType::Ciba].into_iter().any(uses);
    if uses(GrantType::RefreshToken) && !of_people {
        let message = "must hold authorization_code, the device code or ciba where it holds refresh_token";
        problems.add("grant_types", "refresh_without_code", message);
    }
    let redirected = uses(GrantType::AuthorizationCode) || uses(GrantType::Implicit);
    if redirected && metadata.redirect_uris.is_empty() {
        problems.add("redirect_uris", "required", "must not be empty for the authorization code grant");
    }
}

fn redirect_uris(field: &str, uris: &[String], application_type: ApplicationType, problems: &mut Problems) {
    if !problems.list(field, uris) {
        return;
    }
    for (index, text) in uris.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let uri = match RedirectUri::parse(text) {
            Ok(uri) => uri,
            Err(error) => {
                problems.add(field, error.code(), error.to_string());
                continue;
            }
        };
        if text.contains('*') {
            problems.add(field, "wildcard", "holds a *: each URI must be registered in full");
        } else if uri.is_plain_http() {
            problems.add(field, "insecure", "must be https; http is for localhost, 127.0.0.1 and [::1]");
        } else if uri.has_private_address() {
            problems.add(field, "private_address", "names an address that is not reachable from everywhere");
        } else if uri.has_private_use_scheme() && application_type != ApplicationType::Native {
            problems.add(field, "private_use_scheme", "has a scheme of its own, which is for application_type native");
        }
    }
}

fn scope(scope: &Scope, policy: &RegistrationPolicy, problems: &mut Problems) {
    let unknown = scope.difference(&policy.known_scope);
    if !unknown.is_empty() {
        problems.add("scope", "unknown", format!("holds what this server doesn't know (tokens.scopes): {unknown}"));
    }
}

/// Both are compared character by character: `aud` by those who get the token (RFC 7519 §4.1.3).
fn audiences(field: &str, audiences: &[String], problems: &mut Problems) {
    if !problems.list(field, audiences) {
        return;
    }
    for (index, audience) in audiences.iter().enumerate() {
        let printable = audience.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if audience.is_empty() || audience.len() > 255 || !printable {
            problems.add(format!("{field}[{index}]"), "character", "must be 1 to 255 printable ASCII characters without space");
        }
    }
}

fn algorithms(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    for (field, algorithm) in [
        ("access_token_signed_response_alg", Some(metadata.access_token_signed_response_alg)),
        ("id_token_signed_response_alg", Some(metadata.id_token_signed_response_alg)),
        ("authorization_signed_response_alg", Some(metadata.authorization_signed_response_alg)),
        ("introspection_signed_response_alg", Some(metadata.introspection_signed_response_alg)),
        ("userinfo_signed_response_alg", metadata.userinfo_signed_response_alg),
    ] {
        if algorithm.is_some_and(|algorithm| !policy.algorithms.contains(&algorithm)) {
            problems.add(field, "unsupported", "names an algorithm that there is no signing key for (keys.algorithms)");
        }
    }
}

fn times(metadata: &ClientMetadata, problems: &mut Problems) {
    if metadata.access_token_lifetime.is_some_and(|seconds| !(1..=MAX_ACCESS_TOKEN_LIFETIME).contains(&seconds)) {
        problems.add("access_token_lifetime", "range", format!("must be 1 to {MAX_ACCESS_TOKEN_LIFETIME} seconds"));
    }
    if metadata.default_max_age.is_some_and(|seconds| seconds < 0) {
        problems.add("default_max_age", "range", "must not be negative");
    }
}

/// As browsers send them in `Origin` (RFC 6454 §6.2), for they are compared character by character.
fn allowed_origins(origins: &[String], problems: &mut Problems) {
    if !problems.list("allowed_origins", origins) {
        return;
    }
    for (index, text) in origins.iter().enumerate() {
        let field = format!("allowed_origins[{index}]");
        let written = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
        // Whatever has no host has an opaque origin, which is written `null` and is never the same text.
        match written {
            Some(origin) if origin == *text && !text.contains('*') => match RedirectUri::parse(text) {
                Ok(uri) if !uri.is_plain_http() && !uri.has_private_use_scheme() => {}
                _ => problems.add(field, "insecure", "must be https; http is for localhost, 127.0.0.1 and [::1]"),
            },
            _ => problems.add(field, "origin", "must be an origin and no more, such as https://app.example"),
        }
    }
}

fn pages(metadata: &ClientMetadata, problems: &mut Problems) {
    for (field, uri) in [
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("policy_uri", &metadata.policy_uri),
        ("tos_uri", &metadata.tos_uri),
        ("initiate_login_uri", &metadata.initiate_login_uri),
    ] {
        let usable = |text: &String| {
            RedirectUri::parse(text)
                .is_ok_and(|uri| !uri.is_plain_http() && !uri.has_private_use_scheme() && !uri.has_private_address())
        };
        if uri.as_ref().is_some_and(|text| !usable(text)) {
            problems.add(field, "url", "must be an https URL without fragment, at no private address");
        }
    }
}

#[cfg(test)]
mod tests;
