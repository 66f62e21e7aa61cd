//! Logging out: asked first, because a link on another site may have led here; then done, told to the applications, and said so.

use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderValue};
use http::{HeaderName, StatusCode};
use url::Url;

use super::flow::frame;
use super::form::{self, Purpose};
use super::view::field;
use super::{refusal, site, view};
use crate::audit::{self, Kind};
use crate::flow::browser_state;
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::end_session::Destination;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::{session_clients, sessions};
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("logout");

/// `GET /logout`: the question to whoever is logged in, and the farewell to whoever is not.
pub async fn get(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    match &visitor.login {
        Some(login) => Ok(ask(&state, &visitor, login, None)?),
        None => Ok(signed_out(&state, &visitor, Vec::new(), None)?),
    }
}

/// Asks whoever is logged in. An application that wants the browser back gets it when the answer is yes.
pub fn ask(state: &AppState, visitor: &Visitor, login: &Login, destination: Option<&Destination>) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let destination_source = destination.map(Destination::form_action_source);
    let csp = match &destination_source {
        Some(form_action) => Csp::Flow { nonce: Some(&nonce), form_action },
        None => Csp::Page { nonce: Some(&nonce) },
    };
    let view = view::LogoutConfirm {
        frame: frame(state, visitor, None, &nonce),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        action: state.path("/logout"),
        csrf: form::token(state, visitor, PURPOSE),
        destination: destination.map(|destination| seal(state, visitor, destination)).transpose()?,
        place: destination.map(Destination::place),
    };
    site::answer(csp, &view)
}

/// `POST /logout`: ends the session here and in the browser, which is told to forget what it kept of this site.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let (mut told, mut destination) = (Vec::new(), None);
    match &visitor.login {
        Some(login) => {
            form::check(&state, &context, &visitor, PURPOSE, &params)?;
            let opened = params.get(field::DESTINATION).map(|sealed| open(&state, &visitor, sealed)).transpose();
            destination = opened.map_err(|problem| refusal::refused(&state, &context, Kind::UserLogout, Some(login), problem))?;
            told = log_out(&state, &context, login).await?;
        }
        // Also whose cookie stayed at home because another site's page sends this.
        None => form::check_origin(&state, &context, &visitor)?,
    }
    Ok(farewell(&state, &visitor, told, destination.as_ref())?)
}

/// Ends the session of whoever is logged in. What comes back is to be loaded in their browser, so that applications there hear
/// of it (OpenID Connect Front-Channel Logout 1.0 §2); the others are told by the server itself.
pub async fn log_out(state: &AppState, context: &RequestContext, login: &Login) -> Result<Vec<Url>, Problem> {
    let user_id = &login.user.id;
    let event =
        Event { actor: Actor::User(user_id.clone()), user_id: Some(user_id.clone()), ..audit::event(Kind::UserLogout, context) };
    let ended = state.db.write(async |tx| {
        let clients = session_clients::list(tx, &login.session.id).await?;
        if sessions::end(tx, &login.session.id, state.ending(context.now)).await? {
            crate::storage::audit::insert(tx, &event).await?;
        }
        Ok(clients)
    });
    let mut told = Vec::new();
    for id in ended.await? {
        // They are logged out: that one client can't be looked up keeps nothing of that from them.
        let client = state.clients.load(&id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, client_id = %id, "a client is not told of a logout in the browser");
            None
        });
        let client = client.filter(|client| client.is_active());
        let Some(client) = client else { continue };
        let uri = client.metadata.frontchannel_logout_uri.as_ref();
        if let Some(mut url) = uri.and_then(|uri| Url::parse(uri).ok()) {
            let (issuer, sid) = (&state.config.server.issuer, state.subjects.sid(&client, &login.session.id));
            url.query_pairs_mut().append_pair("iss", issuer).append_pair("sid", sid.as_str());
            told.push(url);
        }
    }
    Ok(told)
}

/// The answer to whoever is logged out now: on to the application, or a page that says so.
///
/// The browser keeps what it has of a session whose cookie did not come along: it stays at home on what another site's page sends
/// or loads, and no such page is to log anybody out.
pub fn farewell(
    state: &AppState,
    visitor: &Visitor,
    told: Vec<Url>,
    destination: Option<&Destination>,
) -> Result<Response, Problem> {
    let mut response = match destination {
        Some(destination) if told.is_empty() => see_other(&destination.url())?,
        None if told.is_empty() => see_other(&state.path("/logout"))?,
        destination => signed_out(state, visitor, told, destination)?,
    };
    if state.cookies.read(&visitor.headers, Cookie::Session).is_none() {
        return Ok(response);
    }
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, state.cookies.clear(Cookie::Session));
    browser_state::take_back(state, headers);
    headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

fn signed_out(
    state: &AppState,
    visitor: &Visitor,
    told: Vec<Url>,
    destination: Option<&Destination>,
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let origins: Vec<String> = told.iter().map(|url| url.origin().ascii_serialization()).collect();
    let view = view::SignedOut {
        frame: frame(state, visitor, None, &nonce),
        frames: told.into_iter().map(String::from).collect(),
        next: destination.map(Destination::url),
    };
    site::answer(Csp::Framing { nonce: &nonce, frames: &origins }, &view)
}

/// For this session alone.
fn seal(state: &AppState, visitor: &Visitor, destination: &Destination) -> Result<String, Problem> {
    let plain = serde_json::to_vec(destination).map_err(Problem::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(state.flows.seal(&plain, &associated_data(visitor))))
}

fn open(state: &AppState, visitor: &Visitor, sealed: &str) -> Result<Destination, Problem> {
    let opened = URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|sealed| state.flows.open(&sealed, &associated_data(visitor)));
    opened.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or(Problem::request(
        StatusCode::BAD_REQUEST,
        "logout_foreign",
        "This logout can not go on here, start again at the application",
    ))
}

fn associated_data(visitor: &Visitor) -> Vec<u8> {
    [b"ostiary logout 1\0".as_slice(), visitor.form_secret().unwrap_or_default().as_bytes()].concat()
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
