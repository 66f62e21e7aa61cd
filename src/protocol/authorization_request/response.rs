//! What an authorization request asks to be answered with (`response_type`), how, and what such a request needs then.

use super::{ServerPolicy, invalid};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::response_mode::ResponseMode;
use crate::protocol::response_type::ResponseType;
use crate::protocol::scope::Scope;

const RESPONSE_TYPE_MISSING: OAuthError = invalid("response_type_missing", "response_type is required");
const RESPONSE_TYPE_UNSUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type_unsupported", "This response_type is not supported");
const GRANT_NOT_ALLOWED: OAuthError = OAuthError::new(
    ErrorCode::UnauthorizedClient,
    "grant_type_not_registered",
    "The client is not registered for the authorization code grant",
);
const RESPONSE_TYPE_NOT_REGISTERED: OAuthError = OAuthError::new(
    ErrorCode::UnauthorizedClient,
    "response_type_not_registered",
    "The client is not registered for this response_type",
);
const SCOPE_OPENID_MISSING: OAuthError =
    OAuthError::new(ErrorCode::InvalidScope, "openid_not_asked_for", "This response_type needs the scope openid");
const NONCE_MISSING: OAuthError = invalid("nonce_missing", "nonce is required for this response_type");
const TOKEN_UNBOUND: OAuthError =
    invalid("front_channel_token_unbound", "An access token that comes through the browser can not be bound to a key");
const RESPONSE_MODE_INVALID: OAuthError =
    invalid("response_mode_invalid", "response_mode must be query, fragment or form_post, each with or without .jwt, or jwt");
const RESPONSE_MODE_UNSIGNED: OAuthError =
    invalid("response_mode_unsigned", "The client's responses have to be signed: response_mode must end with jwt");
const RESPONSE_MODE_QUERY: OAuthError = invalid("response_mode_query", "response_mode query is not for tokens");

/// What it asks for, if that is supported, and for the client.
pub(super) fn kind(params: &Params, client: &Client, policy: &ServerPolicy) -> Result<ResponseType, OAuthError> {
    let asked = ResponseType::parse(params.get("response_type").ok_or(RESPONSE_TYPE_MISSING)?);
    let is_on = |asked: &ResponseType| policy.legacy_response_types || !asked.is_legacy();
    let asked = asked.filter(is_on).ok_or(RESPONSE_TYPE_UNSUPPORTED)?;
    if client.may_ask_for(asked) {
        Ok(asked)
    } else if asked == ResponseType::Code && !client.may_use(GrantType::AuthorizationCode) {
        Err(GRANT_NOT_ALLOWED)
    } else {
        Err(RESPONSE_TYPE_NOT_REGISTERED)
    }
}

/// A query is no place for tokens: servers and proxies write it down (Multiple Response Types §3, §5; JARM §2.3.1).
pub(super) fn mode(params: &Params, response_type: ResponseType, client: &Client) -> Result<ResponseMode, OAuthError> {
    let mode = params.get("response_mode");
    let asked = mode.map_or(Some(ResponseMode::Query), ResponseMode::parse).ok_or(RESPONSE_MODE_INVALID)?;
    // FAPI 2.0 Message Signing §5.4.1.
    if client.metadata.demands().signed_responses && !asked.is_signed() {
        return Err(RESPONSE_MODE_UNSIGNED);
    }
    if !response_type.is_legacy() {
        return Ok(asked);
    }
    // By its name: `jwt` is what is the default of the response type, signed (JARM §2.3.4).
    if matches!(mode, Some("query" | "query.jwt")) { Err(RESPONSE_MODE_QUERY) } else { Ok(asked.without_query()) }
}

/// PKCE, of every client with `response_type=code`. Of the others those need none whose ID token, which comes with the code, holds
/// its hash and the nonce, if they can also authenticate (RFC 9700 §2.1.1): libraries of that time don't know it.
pub(super) fn code_challenge(
    params: &Params,
    response_type: ResponseType,
    client: &Client,
) -> Result<Option<CodeChallenge>, OAuthError> {
    let (challenge, method) = (params.get("code_challenge"), params.get("code_challenge_method"));
    let dispensable = !response_type.has_code() || response_type.has_id_token() && !client.is_public();
    if dispensable && challenge.is_none() && method.is_none() {
        return Ok(None);
    }
    CodeChallenge::parse(challenge, method).map(Some)
}

/// What it gets of the scope that it may have. Whatever brings tokens through the browser is OpenID Connect, with a `nonce`
/// (OpenID Connect Core §3.2.2.1, §3.3.2.11), and without a code there is nothing to refresh (§11).
pub(super) fn scope(response_type: ResponseType, scope: Scope, nonce: Option<&str>) -> Result<Scope, OAuthError> {
    if !response_type.is_legacy() {
        return Ok(scope);
    }
    if !scope.contains("openid") {
        return Err(SCOPE_OPENID_MISSING);
    }
    if nonce.is_none_or(str::is_empty) {
        return Err(NONCE_MISSING);
    }
    Ok(scope.filter(|value| value != "offline_access" || response_type.has_code()))
}

/// There is no proof in a browser's request that an access token could be bound to.
pub(super) fn binding(response_type: ResponseType, dpop_jkt: Option<&Thumbprint>, client: &Client) -> Result<(), OAuthError> {
    let unbound = response_type.has_token() && (dpop_jkt.is_some() || client.metadata.binds_tokens());
    if unbound { Err(TOKEN_UNBOUND) } else { Ok(()) }
}
