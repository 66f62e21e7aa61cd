//! What the pages of a login under way have in common: taking the flow up, handing it on, and its end.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::header;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::account::requests;
use super::device;
use super::refusal::refused;
use super::site::{self, Site};
use super::view::{self, Frame, field};
use crate::audit::Kind;
use crate::flow::browser_state;
use crate::flow::device::Ended;
use crate::flow::visitor::Visitor;
use crate::flow::{Flow, Next, Unusable};
use crate::outbound::envelope::Envelope;
use crate::protocol::authentication::Acr;
use crate::protocol::authorize::LoginReason;
use crate::protocol::client::Client;
use crate::protocol::device::Waiting;
use crate::protocol::initiate_login;
use crate::protocol::jwt::TokenType;
use crate::protocol::params::Params;
use crate::protocol::response_mode::{AuthorizationResponse, Delivery, SignedFor};
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::Problem;
use crate::web::headers::{Csp, Nonce};
use crate::web::redirect::see_other;

/// The pages of a flow.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Login,
    /// The login page for somebody else than whoever is logged in.
    OtherLogin,
    Register,
    SelectAccount,
    /// The second factor of whoever is logged in.
    Factor,
    /// Where a factor is set up that reaches this.
    Enrol(Acr),
    Consent,
    /// Back to the authorization endpoint.
    Resume,
}

impl Place {
    pub const fn path(self) -> &'static str {
        match self {
            Self::Login | Self::OtherLogin => "/login",
            Self::Register => "/register",
            Self::SelectAccount => "/login/select",
            Self::Factor => "/login/factor",
            Self::Enrol(Acr::PhishingResistant) => "/account/security/passkeys",
            Self::Enrol(_) => "/account/security/totp",
            Self::Consent => "/consent",
            Self::Resume => "/authorize/resume",
        }
    }
}

const fn unusable(reason: &'static str) -> Problem {
    Problem::request(http::StatusCode::BAD_REQUEST, reason, "This login can not go on here, start again at the application")
}

/// Sends the browser to a page of the flow, with the flow sealed in the URL. A browser that has no cookie of its own yet
/// gets one: the seal is bound to it.
pub fn to_page(state: &AppState, visitor: &Visitor, flow: &Flow, place: Place) -> Result<Response, Problem> {
    let (secret, is_new) = match &visitor.browser {
        Some(secret) => (secret.expose_secret().to_owned(), false),
        None => (random::secret(), true),
    };
    let sealed = flow.seal(&state.flows, &secret).map_err(Problem::internal)?;
    if sealed.len() > MAX_SEALED {
        return Err(Problem::request(http::StatusCode::URI_TOO_LONG, "flow_too_large", "The authorization request is too long"));
    }
    let mut location = format!("{}?{}={sealed}", state.path(place.path()), field::FLOW);
    if matches!(place, Place::OtherLogin) {
        location = format!("{location}&{}=1", field::ANOTHER);
    }
    let mut response = see_other(&location)?;
    if is_new {
        response.headers_mut().append(header::SET_COOKIE, state.cookies.set(Cookie::Browser, &secret, None));
    }
    Ok(response)
}

/// Sends the browser where the flow goes next.
pub async fn lead(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    flow: &Flow,
    next: Next,
) -> Result<Response, Problem> {
    let place = match next {
        Next::Answer(response) => {
            let answered = answer(state, visitor, response).await;
            let login = visitor.login.as_ref();
            return answered.map_err(|problem| refused(state, context, Kind::AuthorizationRefused, login, problem));
        }
        Next::Decided(ended) => {
            let place = match (&flow.waiting, ended) {
                (Some(Waiting::Client { .. }), Ended::Allowed) => requests::ALLOWED,
                (Some(Waiting::Client { .. }), Ended::Denied) => requests::DENIED,
                (_, Ended::Allowed) => device::ALLOWED,
                (_, Ended::Denied) => device::DENIED,
            };
            return see_other(&state.path(place));
        }
        Next::LogIn(LoginReason::Create) => Place::Register,
        Next::LogIn(_) => Place::Login,
        Next::ProveFactor(_) => Place::Factor,
        Next::EnrolFactor(acr) => Place::Enrol(acr),
        Next::SelectAccount => Place::SelectAccount,
        Next::AskConsent(_) => Place::Consent,
    };
    let login = visitor.login.as_ref();
    to_page(state, visitor, flow, place).map_err(|problem| refused(state, context, Kind::AuthorizationRefused, login, problem))
}

/// A sealed flow has to fit into a URL of 8 KiB, beside the sealed login that it may wait for.
const MAX_SEALED: usize = 7_400;

/// Opens the flow that a page or its form brings back, and looks its client up again: it may have been disabled since. Records
/// why not.
pub async fn take_up(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
) -> Result<(Flow, Arc<Client>), Problem> {
    let opened = open(state, context, visitor, params).await;
    opened.map_err(|problem| refused(state, context, Kind::AuthorizationRefused, visitor.login.as_ref(), problem))
}

async fn open(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
) -> Result<(Flow, Arc<Client>), Problem> {
    let sealed = params.get(field::FLOW).ok_or(unusable("flow_foreign"))?;
    let browser = visitor.browser.as_ref().ok_or(unusable("flow_foreign"))?;
    let lifetime = Seconds(state.config.tokens.authorization_request);
    let flow = match Flow::open(&state.flows, sealed, browser.expose_secret(), context.now, lifetime) {
        Ok(flow) => flow,
        Err(Unusable::Foreign) => return Err(unusable("flow_foreign")),
        Err(Unusable::Expired(client_id)) => {
            let client = state.clients.load(&client_id).await?;
            let go_on = client.and_then(|client| initiate_login::url(&client, &state.config.server.issuer));
            return Err(Problem { go_on, ..unusable("flow_expired") });
        }
    };
    let client = state.client(&flow.request.client_id, context).await?.ok().filter(|client| client.is_active());
    let client = client.ok_or(unusable("client_disabled"))?;
    state.logos.prepare(&client, context.now).await;
    Ok((flow, client))
}

/// The texts and links of a page, in the language that the client and the browser ask for.
pub fn frame(state: &AppState, visitor: &Visitor, ui_locales: Option<&str>, nonce: &Nonce) -> Frame {
    let site = Site::of_issuer(&state.issuer, &state.config.server.default_locale);
    Frame { here: visitor.here.clone(), ..site.frame(site.text(ui_locales, &visitor.headers), Some(nonce)) }
}

/// A page inside a flow: its forms may lead to the client.
pub fn flow_page(page: &impl Template, flow: &Flow, nonce: &Nonce) -> Result<Response, Problem> {
    let form_action = flow.request.redirect_uri.form_action_source();
    site::answer(Csp::Flow { nonce: Some(nonce), form_action: &form_action }, page)
}

/// What the response goes in, if it is a JWT and the client is registered so (JARM §3).
async fn envelope(state: &AppState, response: &AuthorizationResponse, now: Timestamp) -> Result<Option<Envelope>, Problem> {
    let Some(SignedFor { client_id, .. }) = &response.signed_for else { return Ok(None) };
    // One that nobody let in yet is known by its document alone.
    let client = state.known_client(client_id, now).await?.ok_or_else(|| Problem::internal("the client is gone"))??;
    Ok(Envelope::of(&state.client_keys, &client, client.metadata.authorization_encryption(), now).await?)
}

/// The end of a flow: the client gets its answer by redirect, or by a form that the page posts. One that has to be encrypted and
/// can't be is not given: the person is told.
pub async fn answer(state: &AppState, visitor: &Visitor, response: AuthorizationResponse) -> Result<Response, Problem> {
    let by_hand = response.by_hand;
    let error = response.params.iter().find(|(name, _)| *name == "error").map(|(_, error)| error.clone());
    let place = response.redirect_uri.destination();
    let now = state.clock.now();
    let envelope = envelope(state, &response, now).await?;
    let sign = |algorithm, claims: &Map<String, Value>| {
        let signed = state.keys.sign(algorithm, TokenType::AuthorizationResponse, claims).map_err(Problem::internal)?;
        Envelope::around(envelope.as_ref(), signed).map_err(Problem::internal)
    };
    let mut answer = match response.signed(now, sign)?.deliver() {
        Delivery::Redirect(next) if by_hand => {
            let nonce = Nonce::random();
            let frame = frame(state, visitor, None, &nonce);
            let view = view::AnswerByHand { frame, place, error: error.unwrap_or_default(), next };
            let mut page = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
            *page.status_mut() = http::StatusCode::BAD_REQUEST;
            page
        }
        Delivery::Redirect(url) => see_other(&url)?,
        Delivery::Form { action, fields } => {
            let nonce = Nonce::random();
            let view = view::FormPost {
                // Without the script that would send it at once.
                frame: view::Frame {
                    nonce: Some(nonce.as_str().to_owned()).filter(|_| !by_hand),
                    ..frame(state, visitor, None, &nonce)
                },
                action: action.as_str().to_owned(),
                fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            };
            site::answer(Csp::FormPost { nonce: &nonce, action: &action.form_action_source() }, &view)?
        }
    };
    browser_state::renew(state, answer.headers_mut(), visitor);
    Ok(answer)
}
