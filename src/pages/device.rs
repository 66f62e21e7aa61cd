//! Connecting a device: the page on which a person types the code that it shows (RFC 8628 §3.3).
//!
//! Whatever the link says, nothing is allowed here: from the code it goes on like any login, to the consent page.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use secrecy::ExposeSecret;

use super::flow::{Place, frame, to_page};
use super::form::{self, Purpose};
use super::site;
use super::view::{self, field};
use crate::audit::{self, Kind};
use crate::flow::device;
use crate::flow::visitor::Visitor;
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::protocol::device::UserCode;
use crate::state::AppState;
use crate::telemetry::findings;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};

pub const PATH: &str = "/device";
pub const ALLOWED: &str = "/device/allowed";
pub const DENIED: &str = "/device/denied";

const PURPOSE: Purpose = Purpose::of_browser("device");

/// `GET /device`, with the code filled in that a link brings (§3.3.1).
pub async fn get(
    State(state): State<AppState>,
    mut visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let code = params.get(field::USER_CODE).and_then(|typed| UserCode::parse(typed).ok());
    let shown = code.map(|code| code.shown()).unwrap_or_default();
    Ok(show(&state, &mut visitor, shown, false)?)
}

/// `POST /device`: from here it goes on as a login. An unknown code, an expired one and one that was decided about are all the
/// same (behaviours: D5).
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    mut visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    admit(&state, &context, &visitor).await?;
    let typed = params.get(field::USER_CODE).unwrap_or_default();
    let refused = |reason| audit::refused(Kind::DeviceRefused, &context, reason);
    let begun = match UserCode::parse(typed) {
        Ok(code) => device::begin(&state, &context, &code).await?.ok_or_else(|| refused("user_code_unknown")),
        Err(_) => Err(refused("user_code_malformed")),
    };
    match begun {
        Ok(flow) => Ok(to_page(&state, &visitor, &flow, Place::Resume)?),
        Err(event) => {
            findings::answered(event.reason.unwrap_or_default(), false);
            state.refusals.refused(event);
            // Whether it may go on is asked next time.
            let _ = state.guard.admit(Action::FailUserCode, &Subject::new(context.address), context.now).await;
            let mut response = show(&state, &mut visitor, typed.to_owned(), true)?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

/// A code is short: every attempt counts, in the browser and from its address, and wrong ones from there much more.
async fn admit(state: &AppState, context: &RequestContext, visitor: &Visitor) -> Result<(), Problem> {
    let browser = visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let subject = Subject::new(context.address).session(browser);
    let missed = state.guard.look(Action::FailUserCode, &subject, context.now);
    let verdict = if missed.is_allowed() { state.guard.admit(Action::UserCode, &subject, context.now).await } else { missed };
    match verdict {
        Verdict::Refused { retry_after } => {
            let problem = Problem::too_many(retry_after);
            state.refusals.refused(audit::refused(Kind::DeviceRefused, context, problem.reason));
            Err(problem)
        }
        Verdict::Allowed | Verdict::Challenge => Ok(()),
    }
}

fn show(state: &AppState, visitor: &mut Visitor, user_code: String, refused: bool) -> Result<Response, Problem> {
    let cookie = form::ensure_own_cookie(state, visitor);
    let nonce = Nonce::random();
    let view = view::Device {
        frame: frame(state, visitor, None, &nonce),
        action: state.path(PATH),
        csrf: form::token(state, visitor, PURPOSE),
        user_code,
        refused,
    };
    let mut response = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /device/allowed`.
pub async fn get_allowed(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(ended(&state, &visitor, true)?)
}

/// `GET /device/denied`.
pub async fn get_denied(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(ended(&state, &visitor, false)?)
}

fn ended(state: &AppState, visitor: &Visitor, allowed: bool) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let view = view::DeviceEnded { frame: frame(state, visitor, None, &nonce), allowed };
    site::answer(Csp::Page { nonce: Some(&nonce) }, &view)
}
