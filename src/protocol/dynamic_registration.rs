//! What clients may register themselves as, and what they are answered (RFC 7591 §2, §3; RFC 7592 §2).
//!
//! What decides over other people's data or over this server's trust is no choice of the client's: it is ignored, like every
//! member that isn't known here (RFC 7591 §2).

use serde_json::{Map, Value, json};
use url::Url;

use super::client::{ApplicationType, Client, ClientAuthMethod, ClientMetadata, GrantType, SubjectType};
use super::client_registration::{Problem, response_types_fit};
use super::error::{ErrorCode, OAuthError};
use super::redirect_uri::RedirectUri;
use super::response_type::ResponseType;
use super::scope::Scope;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, reason, description)
}

const NOT_AN_OBJECT: OAuthError = invalid("client_metadata_form", "The body is not an object of client metadata");
const MALFORMED: OAuthError = invalid("client_metadata_malformed", "A member has a type or a value that it may not have");
const RESPONSE_TYPES: OAuthError = invalid("response_types_mismatch", "response_types and grant_types do not go together");
const GRANT_TYPES: OAuthError =
    invalid("grant_types_refused", "grant_types holds one that is not for clients that register themselves");
const REFUSED: OAuthError = invalid("client_metadata_refused", "The client metadata is not acceptable");
const REDIRECT_URI: OAuthError = OAuthError::new(
    ErrorCode::InvalidRedirectUri,
    "redirect_uri_refused",
    "A redirection URI is not acceptable: https, the loopback interface or, for native clients, a scheme of their own, without fragment",
);
/// RFC 7592 §2.2: what comes along has to be what the client has.
const DIFFERS: OAuthError = invalid("client_id_or_secret_differs", "client_id or client_secret is not that of the client");

/// What a client chooses. Everything else is decided here.
const CHOSEN: &[&str] = &[
    "application_type",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "authorization_signed_response_alg",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "client_name",
    "client_uri",
    "default_max_age",
    "dpop_bound_access_tokens",
    "frontchannel_logout_session_required",
    "frontchannel_logout_uri",
    "grant_types",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "id_token_signed_response_alg",
    "initiate_login_uri",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
    "introspection_signed_response_alg",
    "jwks",
    "jwks_uri",
    "logo_uri",
    "policy_uri",
    "post_logout_redirect_uris",
    "redirect_uris",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_object_signing_alg",
    "request_uris",
    "response_types",
    "require_auth_time",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "scope",
    "sector_identifier_uri",
    "subject_type",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "tos_uri",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "userinfo_signed_response_alg",
];

/// Grants that end with a person who agreed. What brings tokens through the browser is for old applications that an administrator
/// knows (RFC 9700 §2.1.2), and one that registers itself is new.
const GRANTS: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];

/// The metadata that a request comes to, for [`super::client_registration::validate`]. `allowed` is all the scope that such a
/// client may have.
pub fn requested(body: &Value, allowed: &Scope) -> Result<ClientMetadata, OAuthError> {
    let body = body.as_object().ok_or(NOT_AN_OBJECT)?;
    let mut members: Map<String, Value> = body
        .iter()
        .filter(|(name, value)| CHOSEN.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let name = members.get("client_name").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
    members.insert("client_name".to_owned(), name.unwrap_or_else(|| nameless(&members)).into());
    let types = members.remove("response_types");
    let mut metadata: ClientMetadata = serde_json::from_value(Value::Object(members)).map_err(|_| MALFORMED)?;
    if !metadata.grant_types.iter().all(|grant| GRANTS.contains(grant)) {
        return Err(GRANT_TYPES);
    }
    metadata.response_types = response_types(types, &metadata)?;
    metadata.scope = if metadata.scope.is_empty() { allowed.clone() } else { metadata.scope.intersection(allowed) };
    if !metadata.grant_types.contains(&GrantType::RefreshToken) {
        metadata.scope = metadata.scope.filter(|value| value != "offline_access");
    }
    metadata.allowed_origins = origins(&metadata);
    metadata.self_registered = true;
    Ok(metadata)
}

/// What a change by the client itself comes to. What it chooses takes the place of what it had; the rest stays, for an administrator
/// put it there. So does what was taken from its scope, and what makes it safer: nobody can tell any more who wanted that.
pub fn instead_of(before: &ClientMetadata, wish: &ClientMetadata) -> Result<ClientMetadata, OAuthError> {
    let members = |metadata| match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(MALFORMED),
    };
    let is_chosen = |name: &str| CHOSEN.contains(&name);
    let mut both: Map<String, Value> = members(before)?.into_iter().filter(|(name, _)| !is_chosen(name)).collect();
    both.extend(members(wish)?.into_iter().filter(|(name, _)| is_chosen(name)));
    let mut after: ClientMetadata = serde_json::from_value(Value::Object(both)).map_err(|_| MALFORMED)?;
    after.scope = wish.scope.intersection(&before.scope);
    if before.subject_type == SubjectType::Pairwise && wish.subject_type != SubjectType::Pairwise {
        after.subject_type = before.subject_type;
        after.sector_identifier_uri.clone_from(&before.sector_identifier_uri);
    }
    if !wish.binds_tokens() {
        after.dpop_bound_access_tokens = before.dpop_bound_access_tokens;
        after.tls_client_certificate_bound_access_tokens = before.tls_client_certificate_bound_access_tokens;
    }
    after.require_pushed_authorization_requests |= before.require_pushed_authorization_requests;
    after.require_signed_request_object |= before.require_signed_request_object;
    if before.allowed_origins == origins(before) {
        after.allowed_origins.clone_from(&wish.allowed_origins);
    }
    Ok(after)
}

/// The error for what is wrong with it (RFC 7591 §3.2.2).
pub fn refused(problems: &[Problem]) -> OAuthError {
    // One of the URIs, not the list of them.
    let of_redirect_uris = |problem: &Problem| problem.field.starts_with("redirect_uris[");
    if problems.iter().any(of_redirect_uris) { REDIRECT_URI } else { REFUSED }
}

/// RFC 7592 §2.2: an update names the client, and may name its secret.
pub fn check_update(body: &Value, client: &Client, is_secret: impl Fn(&str) -> bool) -> Result<(), OAuthError> {
    let named = body.get("client_id").and_then(Value::as_str) == Some(client.id.as_str());
    let secret = match body.get("client_secret") {
        None | Some(Value::Null) => true,
        Some(secret) => secret.as_str().is_some_and(is_secret),
    };
    if named && secret { Ok(()) } else { Err(DIFFERS) }
}

/// The registration as the client is told it (RFC 7591 §3.2.1), without its credentials.
pub fn shown(client: &Client) -> Map<String, Value> {
    let Ok(Value::Object(all)) = serde_json::to_value(&client.metadata) else { return Map::new() };
    let mut members: Map<String, Value> = all.into_iter().filter(|(name, _)| CHOSEN.contains(&name.as_str())).collect();
    members.insert("client_id".to_owned(), client.id.as_str().into());
    members.insert("client_id_issued_at".to_owned(), client.created_at.as_seconds().into());
    let types: Vec<_> = ResponseType::ALL.into_iter().filter(|kind| client.may_ask_for(*kind)).collect();
    members.insert("response_types".to_owned(), json!(types));
    members
}

/// They go with their grants (RFC 7591 §2.1). One that is not known here is for nobody, rather than ignored: the client would ask
/// for it.
fn response_types(types: Option<Value>, metadata: &ClientMetadata) -> Result<Vec<ResponseType>, OAuthError> {
    let Some(types) = types else {
        return if response_types_fit(metadata) { Ok(Vec::new()) } else { Err(RESPONSE_TYPES) };
    };
    let types: Vec<String> = serde_json::from_value(types).map_err(|_| MALFORMED)?;
    let known: Option<Vec<_>> = types.iter().map(|kind| ResponseType::parse(kind)).collect();
    let response_types = known.ok_or(RESPONSE_TYPES)?;
    let logs_in = metadata.grant_types.contains(&GrantType::AuthorizationCode);
    let with_types = ClientMetadata { response_types, ..metadata.clone() };
    let says_enough = !with_types.response_types.is_empty() || !logs_in;
    if says_enough && response_types_fit(&with_types) { Ok(with_types.response_types) } else { Err(RESPONSE_TYPES) }
}

/// What to call a client that has no name: where it sends people back to.
fn nameless(members: &Map<String, Value>) -> String {
    let first = members.get("redirect_uris").and_then(|uris| uris.get(0)).and_then(Value::as_str);
    let place = first.and_then(|uri| RedirectUri::parse(uri).ok()).map(|uri| uri.destination());
    place.unwrap_or_else(|| "?".to_owned())
}

/// A browser's scripts have to reach the token endpoint from where they are.
fn origins(metadata: &ClientMetadata) -> Vec<String> {
    if metadata.token_endpoint_auth_method != ClientAuthMethod::None || metadata.application_type != ApplicationType::Web {
        return Vec::new();
    }
    let parsed = metadata.redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok());
    let mut origins: Vec<String> =
        parsed.map(|url| url.origin()).filter(url::Origin::is_tuple).map(|origin| origin.ascii_serialization()).collect();
    origins.sort_unstable();
    origins.dedup();
    origins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::authentication::Acr;

    fn allowed() -> Scope {
        Scope::parse("openid profile email offline_access").unwrap()
    }

    #[test]
    fn n4_what_a_client_may_not_choose_is_ignored() {
        let body = json!({
            "redirect_uris": ["https://app.ex/cb"], "client_id": "mine", "client_secret": "s", "first_party": true,
            "self_registered": false, "audiences": ["https://id.example/api/v1"], "access_token_lifetime": 86_400,
            "allowed_origins": ["https://evil.ex"], "required_acr": "1", "legacy_assertion_audience": true, "is_admin": true,
            "scope": "openid users:write", "skip_consent": true,
        });
        let metadata = requested(&body, &allowed()).unwrap();
        assert!(!metadata.first_party && metadata.self_registered && !metadata.legacy_assertion_audience);
        assert!(metadata.audiences.is_empty() && metadata.allowed_origins.is_empty() && metadata.access_token_lifetime.is_none());
        assert_eq!((metadata.scope.to_string(), metadata.client_name), ("openid".to_owned(), "app.ex".to_owned()));
    }

    #[test]
    fn n3_n11_what_is_no_metadata_is_refused() {
        for (body, error) in [
            (json!(null), NOT_AN_OBJECT),
            (json!([]), NOT_AN_OBJECT),
            (json!("a"), NOT_AN_OBJECT),
            (json!({ "redirect_uris": "https://app.ex/cb" }), MALFORMED),
            (json!({ "id_token_signed_response_alg": "none" }), MALFORMED),
            (json!({ "grant_types": ["password"] }), MALFORMED),
            (json!({ "grant_types": ["implicit"] }), GRANT_TYPES),
            (json!({ "grant_types": ["authorization_code", "implicit"], "response_types": ["code id_token"] }), GRANT_TYPES),
            (json!({ "response_types": ["code id_token"] }), RESPONSE_TYPES),
            (json!({ "response_types": "code" }), MALFORMED),
            (json!({ "grant_types": ["client_credentials"] }), GRANT_TYPES),
            (json!({ "response_types": ["token"] }), RESPONSE_TYPES),
            (json!({ "response_types": [] }), RESPONSE_TYPES),
        ] {
            assert_eq!(requested(&body, &allowed()), Err(error), "{body}");
        }
        let nothing = json!({ "redirect_uris": null, "response_types": null, "client_name#fr": "x" });
        assert!(requested(&nothing, &allowed()).is_ok(), "null is nothing");
    }

    #[test]
    fn a_script_in_a_browser_may_call_from_where_it_is_and_others_from_nowhere() {
        let body = |kind: &str| {
            json!({
                "token_endpoint_auth_method": "none", "application_type": kind, "redirect_uris": ["https://app.ex:8443/a", "https://app.ex:8443/b"],
            })
        };
        assert_eq!(requested(&body("web"), &allowed()).unwrap().allowed_origins, ["https://app.ex:8443"]);
        assert!(requested(&body("native"), &allowed()).unwrap().allowed_origins.is_empty());
    }

    #[test]
    fn a_change_takes_nothing_away_that_an_administrator_put_there() {
        let body = json!({ "redirect_uris": ["https://app.ex/cb"], "token_endpoint_auth_method": "none", "tos_uri": "https://app.ex/tos" });
        let mut before = requested(&body, &allowed()).unwrap();
        before.scope = Scope::parse("openid email").unwrap();
        before.required_acr = Some(Acr::Multi);
        before.access_token_lifetime = Some(60);
        before.subject_type = SubjectType::Pairwise;
        before.dpop_bound_access_tokens = true;
        before.require_pushed_authorization_requests = true;
        let wish = json!({ "redirect_uris": ["https://app.ex:444/new"], "token_endpoint_auth_method": "none", "scope": "openid profile" });
        let after = instead_of(&before, &requested(&wish, &allowed()).unwrap()).unwrap();
        let expected = ClientMetadata {
            redirect_uris: vec!["https://app.ex:444/new".to_owned()],
            client_name: "app.ex:444".to_owned(),
            allowed_origins: vec!["https://app.ex:444".to_owned()],
            scope: Scope::parse("openid").unwrap(),
            tos_uri: None,
            ..before.clone()
        };
        assert_eq!(after, expected);
        // What an administrator says of origins counts, too.
        before.allowed_origins.clear();
        let after = instead_of(&before, &requested(&wish, &allowed()).unwrap()).unwrap();
        assert!(after.allowed_origins.is_empty());
    }
}
