//! Proofs of work on the pages: what the form carries, and new ones for forms that stood open for long.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;

use super::view::{Challenge, field};
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::guard::proof_of_work::WAIT;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::{Error, Problem};

/// What a form is made for, as [`renew`] is asked for it.
const ACTIONS: [(&str, Action); 3] = [("login", Action::Login), ("register", Action::Register), ("recover", Action::Recover)];

/// The proof that a form asks for.
pub fn of_form(state: &AppState, context: &RequestContext, action: Action) -> Challenge {
    let word = ACTIONS.into_iter().find(|(_, of)| *of == action).map_or("", |(word, _)| word);
    Challenge {
        text: state.guard.challenge(action, context.address, context.now),
        renew: state.path(&format!("/challenge/{word}")),
        wait: WAIT.0,
        quiet: false,
    }
}

/// What a form brought back.
pub fn answered(params: &Params) -> Option<(&str, &str)> {
    Some((params.get(field::CHALLENGE)?, params.get(field::SOLUTION).unwrap_or_default()))
}

/// `GET /challenge/{action}`: a challenge is good for a minute, and a form may be open for longer.
pub async fn renew(
    State(state): State<AppState>,
    context: RequestContext,
    Path(action): Path<String>,
) -> Result<Response, Error> {
    let (_, action) = ACTIONS.into_iter().find(|(word, _)| *word == action).ok_or(Problem::not_found())?;
    let text = state.guard.challenge(action, context.address, context.now);
    let body = Json(serde_json::json!({ "challenge": text }));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// What is known of the browser.
pub fn device_of(state: &AppState, headers: &http::HeaderMap) -> Option<Device> {
    state.cookies.read(headers, Cookie::Device).and_then(|cookie| state.guard.device(cookie))
}

/// `Set-Cookie` by which the browser is known for whoever logged in there.
pub fn remember(state: &AppState, headers: &http::HeaderMap, session: &crate::storage::sessions::Session) -> http::HeaderValue {
    let device = device_of(state, headers);
    let (cookie, lifetime) = state.guard.remember(device, &session.user_id, session.created_at);
    state.cookies.set(Cookie::Device, &cookie, Some(lifetime))
}
