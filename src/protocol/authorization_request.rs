//! The authorization request (RFC 6749 §4.1.1; OpenID Connect Core §3.1.2.1, §3.1.2.2), read in two phases.
//!
//! Phase one, [`client_id`] and [`redirect_uri`]: until both are settled an error is a page, for the redirection URI may be
//! an attacker's. Phase two, [`AuthorizationRequest::parse`]: an error goes to the client, to [`response_target`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::authorization_details;
use super::claims_request::ClaimsRequest;
use super::client::{Algorithm, Client, GrantType};
use super::confirmation::Thumbprint;
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::params::Params;
use super::pkce::CodeChallenge;
use super::prompt::Prompt;
use super::redirect_uri::RedirectUri;
use super::request_uri;
use super::resource::{Reach, Resources};
use super::response_mode::{ResponseMode, ResponseTarget, SignedFor};
use super::response_type::ResponseType;
use super::scope::{self, Scope};
use super::time::Seconds;

mod response;
mod values;

pub(super) use values::acr_values;
pub use values::{Display, IdTokenHint};
use values::{bounded, is_showable, max_age, ui_locales};

/// The most bytes of `state`. More is refused; it is never cut short.
pub const MAX_STATE: usize = 4096;
/// The most bytes of `nonce`. The conformance suite sends 384; it goes into every ID token.
pub const MAX_NONCE: usize = 2048;
/// The most bytes of `id_token_hint`.
pub const MAX_ID_TOKEN_HINT: usize = 8192;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

/// For the caller, who looks clients up: there is none of this name.
pub const UNKNOWN_CLIENT: OAuthError = invalid("client_unknown", "client_id is unknown");
const CLIENT_ID_MISSING: OAuthError = invalid("client_id_missing", "client_id is required");
const CLIENT_ID_DUPLICATED: OAuthError = invalid("client_id_duplicated", "client_id was given more than once");
/// Told like [`UNKNOWN_CLIENT`]; the audit log knows better.
const CLIENT_DISABLED: OAuthError = invalid("client_disabled", "client_id is unknown");
const REDIRECT_URI_MISSING: OAuthError = invalid("redirect_uri_missing", "redirect_uri is required");
const REDIRECT_URI_DUPLICATED: OAuthError = invalid("redirect_uri_duplicated", "redirect_uri was given more than once");
const REDIRECT_URI_MISMATCH: OAuthError =
    invalid("redirect_uri_mismatch", "redirect_uri is not one of those registered for this client");

const DUPLICATED: OAuthError = invalid("parameter_duplicated", "A parameter was given more than once");
const REGISTRATION_NOT_SUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::RegistrationNotSupported, "registration", "The registration parameter is not supported");
const SCOPE_INVALID: OAuthError = OAuthError::new(ErrorCode::InvalidScope, "scope_malformed", "scope is malformed or too long");
const SCOPE_NOT_ALLOWED: OAuthError =
    OAuthError::new(ErrorCode::InvalidScope, "scope_not_registered", "The client is not registered for a scope it asked for");
const SCOPE_EMPTY: OAuthError = OAuthError::new(ErrorCode::InvalidScope, "scope_empty", "scope names nothing that is known here");
const STATE_INVALID: OAuthError = invalid("state_invalid", "state is longer than 4096 bytes or cannot be returned unaltered");
const NONCE_INVALID: OAuthError = invalid("nonce_invalid", "nonce is longer than 2048 bytes");
const PROMPT_INVALID: OAuthError =
    invalid("prompt_invalid", "prompt must be none alone or any of login, consent, select_account and create");
const PROMPT_CREATE: OAuthError =
    invalid("prompt_create_unsupported", "prompt=create is not supported: nobody may register here");
const CLAIMS_INVALID: OAuthError = invalid("claims_invalid", "claims is not a valid claims request");
const DPOP_JKT_INVALID: OAuthError = invalid("dpop_jkt_invalid", "dpop_jkt is not a JWK thumbprint of 43 characters");
const ID_TOKEN_HINT_INVALID: OAuthError = invalid("id_token_hint_too_long", "id_token_hint is too long");

/// What the server knows beside the client.
#[derive(Clone, Debug)]
pub struct ServerPolicy {
    /// Scope values that mean something here: the standard ones, those of our own API, the configured ones.
    pub known_scope: Scope,
    /// Anybody may register.
    pub registration: bool,
    pub issuer: String,
    /// Tokens may come through the browser, to clients that are registered for it.
    pub legacy_response_types: bool,
    /// The registered resources, whose scope values mean something too.
    pub resources: Arc<Resources>,
}

impl ServerPolicy {
    /// Without resources.
    pub fn new(configured: &Scope, registration: bool, issuer: &str) -> Self {
        let known_scope = scope::standard().union(&scope::account()).union(&scope::management()).union(configured);
        Self { known_scope, registration, issuer: issuer.to_owned(), legacy_response_types: false, resources: Arc::default() }
    }

    /// Every scope value that clients may be registered for.
    pub fn every_scope(&self) -> Scope {
        let own = self.resources.sentences().map(|(value, _)| value.as_str());
        Scope::of(self.known_scope.iter().chain(own))
    }

    /// A scope value that means something: to the server, to a resource, or to this client.
    pub fn knows_scope(&self, value: &str, client: &Client) -> bool {
        self.known_scope.contains(value) || client.metadata.scope.contains(value) || self.resources.knows_scope(value)
    }
}

/// A request that may be decided on. It travels sealed through the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    pub redirect_uri: RedirectUri,
    #[serde(default)]
    pub response_type: ResponseType,
    pub response_mode: ResponseMode,
    /// What the response is signed with, if its mode asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_alg: Option<Algorithm>,
    /// The client registered itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// Known and registered values only; never empty. Without `openid` this is plain OAuth, and no ID token is issued.
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Always there with `response_type=code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<CodeChallenge>,
    /// The key that the code is for (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Thumbprint>,
    #[serde(default)]
    pub prompt: Prompt,
    /// The client's `default_max_age` where the request has none (OpenID Connect Registration §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// In order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// The resources that the tokens are to be for, empty for the client's usual ones; and details.
    #[serde(default, skip_serializing_if = "Reach::is_empty")]
    pub reach: Reach,
    /// To fill the login form with. Text from anybody: escape it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// Well-formed language tags, in order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales: Vec<String>,
    #[serde(default)]
    pub display: Display,
    /// As it came. The endpoint verifies it and sets [`Self::id_token_hint_sub`]; it does not travel.
    #[serde(skip)]
    pub id_token_hint: Option<IdTokenHint>,
    /// The person of the verified hint, who alone may be answered about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_hint_sub: Option<String>,
}

/// Who asks. An error is a page.
pub fn client_id(params: &Params) -> Result<ClientId, OAuthError> {
    if params.duplicated("client_id") {
        return Err(CLIENT_ID_DUPLICATED);
    }
    let text = params.get("client_id").ok_or(CLIENT_ID_MISSING)?;
    ClientId::parse(text).map_err(|_| UNKNOWN_CLIENT)
}

/// Whether it may ask at all. An error is a page.
pub fn enabled(client: &Client) -> Result<(), OAuthError> {
    if client.is_active() { Ok(()) } else { Err(CLIENT_DISABLED) }
}

/// Where the answer goes. An error is a page, whatever else is wrong with the request (RFC 6749 §4.1.2.1).
pub fn redirect_uri(params: &Params, client: &Client) -> Result<RedirectUri, OAuthError> {
    if params.duplicated("redirect_uri") {
        return Err(REDIRECT_URI_DUPLICATED);
    }
    let presented = params.get("redirect_uri").ok_or(REDIRECT_URI_MISSING)?;
    let metadata = &client.metadata;
    RedirectUri::registered(&metadata.redirect_uris, presented, metadata.application_type).ok_or(REDIRECT_URI_MISMATCH)
}

/// How an answer to this request goes, even if the request is bad: read as leniently as is safe.
///
/// A response mode that can't be used gives way to the response type's default: `fragment` for types that would have
/// put tokens into the URL, else `query`. A state that can't be returned unaltered is left out.
pub fn response_target(params: &Params, client: &Client, redirect_uri: RedirectUri) -> ResponseTarget {
    let asks_for_tokens =
        params.values("response_type").flat_map(|types| types.split(' ')).any(|word| word == "token" || word == "id_token");
    let asked = params.get("response_mode").and_then(ResponseMode::parse).unwrap_or(ResponseMode::Query);
    let response_mode = if asks_for_tokens { asked.without_query() } else { asked };
    let response_mode = if client.metadata.demands().signed_responses { response_mode.signed() } else { response_mode };
    let state = params.get("state").filter(|state| is_returnable(state, response_mode)).map(str::to_owned);
    let signed_for = response_alg(response_mode, client).map(|algorithm| SignedFor { client_id: client.id.clone(), algorithm });
    ResponseTarget { redirect_uri, response_mode, state, signed_for, by_hand: client.metadata.self_registered }
}

impl AuthorizationRequest {
    /// Reads the rest. An error goes to [`response_target`].
    pub fn parse(
        params: &Params,
        client: &Client,
        redirect_uri: &RedirectUri,
        policy: &ServerPolicy,
    ) -> Result<Self, OAuthError> {
        if params.first_duplicate().is_some() {
            return Err(DUPLICATED);
        }
        let response_type = response::kind(params, client, policy)?;
        let response_mode = response::mode(params, response_type, client)?;
        refuse_unsupported(params)?;
        let reach = requested_reach(params, client, policy)?;
        let code_challenge = response::code_challenge(params, response_type, client)?;
        let dpop_jkt = params.get("dpop_jkt").map(Thumbprint::parse).transpose().map_err(|_| DPOP_JKT_INVALID)?;
        let scope = requested_scope(params.get("scope"), client, &reach, policy)?;
        let nonce = bounded(params.get("nonce"), MAX_NONCE, NONCE_INVALID)?;
        let scope = response::scope(response_type, scope, nonce.as_deref())?;
        response::binding(response_type, dpop_jkt.as_ref(), client)?;
        Ok(Self {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.clone(),
            response_type,
            response_mode,
            response_alg: response_alg(response_mode, client),
            by_hand: client.metadata.self_registered,
            code_challenge,
            dpop_jkt,
            scope,
            reach,
            nonce,
            state: match params.get("state") {
                Some(state) if !is_returnable(state, response_mode) => return Err(STATE_INVALID),
                state => state.map(str::to_owned),
            },
            prompt: prompt(params.get("prompt").unwrap_or_default(), policy)?,
            max_age: max_age(params.get("max_age"))?.or(client.metadata.default_max_age.map(Seconds)),
            claims: match params.get("claims") {
                Some(json) => ClaimsRequest::parse(json).map_err(|_| CLAIMS_INVALID)?,
                None => ClaimsRequest::default(),
            },
            id_token_hint: bounded(params.get("id_token_hint"), MAX_ID_TOKEN_HINT, ID_TOKEN_HINT_INVALID)?.map(IdTokenHint::new),
            id_token_hint_sub: None,
            acr_values: acr_values(params.get("acr_values"))?,
            display: params.get("display").map_or(Display::Page, Display::parse),
            ui_locales: ui_locales(params.get("ui_locales").unwrap_or_default()),
            login_hint: params.get("login_hint").filter(|hint| is_showable(hint)).map(str::to_owned),
        })
    }

    /// Where the answer goes.
    pub fn target(&self) -> ResponseTarget {
        let signed_for = self.response_alg.map(|algorithm| SignedFor { client_id: self.client_id.clone(), algorithm });
        let (redirect_uri, state) = (self.redirect_uri.clone(), self.state.clone());
        ResponseTarget { redirect_uri, response_mode: self.response_mode, state, signed_for, by_hand: self.by_hand }
    }

    /// Is this OpenID Connect, rather than plain OAuth?
    pub fn is_openid(&self) -> bool {
        self.scope.contains("openid")
    }
}

fn response_alg(mode: ResponseMode, client: &Client) -> Option<Algorithm> {
    mode.is_signed().then_some(client.metadata.authorization_signed_response_alg)
}

/// What is not in `prompt_values_supported` is refused (Initiating User Registration via OpenID Connect 1.0 §4.1).
fn prompt(text: &str, policy: &ServerPolicy) -> Result<Prompt, OAuthError> {
    let prompt = Prompt::parse(text).map_err(|_| PROMPT_INVALID)?;
    if prompt.create && !policy.registration { Err(PROMPT_CREATE) } else { Ok(prompt) }
}

/// Never ignored in silence: they would change what is asked for (OpenID Connect Core §3.1.2.6, §6, §7.2.1).
fn refuse_unsupported(params: &Params) -> Result<(), OAuthError> {
    let unsupported = [("request_uri", request_uri::NOT_SUPPORTED), ("registration", REGISTRATION_NOT_SUPPORTED)];
    match unsupported.into_iter().find(|(name, _)| params.contains(name)) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// What is asked for where a person decides elsewhere: a request that comes without a browser names scope, resources and details as
/// an authorization request does (RFC 9396 §2).
pub fn requested_elsewhere(params: &Params, client: &Client, policy: &ServerPolicy) -> Result<(Scope, Reach), OAuthError> {
    let reach = requested_reach(params, client, policy)?;
    Ok((requested_scope(params.get("scope"), client, &reach, policy)?, reach))
}

/// The resources that a request names (RFC 8707 §2), and its details (RFC 9396 §2), all of which the client may have.
fn requested_reach(params: &Params, client: &Client, policy: &ServerPolicy) -> Result<Reach, OAuthError> {
    let resources = policy.resources.asked(params, client, &policy.issuer)?;
    let known = (policy.resources.as_ref(), &resources);
    let authorization_details = authorization_details::asked(params, client, known, &policy.issuer)?;
    Ok(Reach { resources, authorization_details })
}

/// Unknown values are ignored (OpenID Connect Core §3.1.2.1); known ones that the client isn't registered for are refused.
///
/// Absent, it means all the client is registered for but `openid` and `offline_access` (the default that RFC 6749 §3.3
/// asks for). `offline_access` is ignored where it can't lead to a refresh token, as OpenID Connect Core §11 says. Where it
/// can, its other conditions are met without `prompt=consent`: an administrator registered the client for it, and the
/// consent page names it.
pub fn requested_scope(text: Option<&str>, client: &Client, reach: &Reach, policy: &ServerPolicy) -> Result<Scope, OAuthError> {
    let registered = &client.metadata.scope;
    let scope = match text {
        Some(text) => {
            let asked = Scope::parse(text).map_err(|_| SCOPE_INVALID)?;
            let known = asked.filter(|value| policy.knows_scope(value, client));
            let allowed = |value| registered.contains(value) || policy.resources.open_scope(&reach.resources, value);
            if !known.iter().all(allowed) {
                return Err(SCOPE_NOT_ALLOWED);
            }
            known
        }
        None => registered.filter(|value| value != "openid" && value != "offline_access"),
    };
    let refreshable = client.may_use(GrantType::RefreshToken);
    let scope = scope.filter(|value| value != "offline_access" || refreshable);
    if scope.is_empty() { Err(SCOPE_EMPTY) } else { Ok(scope) }
}

/// Can the state be returned byte for byte? A form's submission rewrites line ends (HTML Standard, "constructing the entry list").
fn is_returnable(state: &str, mode: ResponseMode) -> bool {
    state.len() <= MAX_STATE && !(mode == ResponseMode::FormPost && state.contains(['\r', '\n']))
}

#[cfg(test)]
mod tests;
