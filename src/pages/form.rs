//! What the forms of the pages have in common: the browser they are bound to, and the check that they were sent from here.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};

use super::refusal::refused;
use super::view::{Form, Frame, field};
use crate::account::Complaint;
use crate::audit::Kind;
use crate::authn::session::Begun;
use crate::flow::browser_state;
use crate::flow::visitor::Visitor;
use crate::protocol::params::Params;
use crate::random;
use crate::state::AppState;
use crate::telemetry::findings;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::Problem;

/// What a form's CSRF token is made for, and which cookie it is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    name: &'static str,
    /// Even where there is a session.
    of_browser: bool,
}

impl Purpose {
    /// A form that is bound to the session, or to the browser's own cookie while nobody is logged in.
    pub const fn of_session(name: &'static str) -> Self {
        Self { name, of_browser: false }
    }

    /// A form that is bound to the browser's own cookie, whoever is logged in: the login it belongs to begins without a
    /// session, or changes it.
    pub const fn of_browser(name: &'static str) -> Self {
        Self { name, of_browser: true }
    }

    fn secret(self, visitor: &Visitor) -> Option<&str> {
        if self.of_browser { visitor.browser.as_ref().map(ExposeSecret::expose_secret) } else { visitor.form_secret() }
    }
}

/// The CSRF token of a form.
pub fn token(state: &AppState, visitor: &Visitor, purpose: Purpose) -> String {
    purpose.secret(visitor).map(|secret| state.csrf.token(secret, purpose.name)).unwrap_or_default()
}

/// Refuses, and records, a form that another site sent or that was not made for this browser.
pub fn check(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    purpose: Purpose,
    params: &Params,
) -> Result<(), Problem> {
    let secret = purpose.secret(visitor);
    let checked = state.csrf.check(&visitor.headers, secret, purpose.name, params.get(field::CSRF));
    checked.map_err(|problem| forged(state, context, visitor, secret, problem))
}

/// Refuses, and records, a form that another site sent, where nobody is logged in and nothing is bound to the browser.
pub fn check_origin(state: &AppState, context: &RequestContext, visitor: &Visitor) -> Result<(), Problem> {
    if state.csrf.is_same_origin(&visitor.headers) {
        return Ok(());
    }
    Err(forged(state, context, visitor, None, Problem::forged()))
}

fn forged(state: &AppState, context: &RequestContext, visitor: &Visitor, secret: Option<&str>, problem: Problem) -> Problem {
    let field = |name| visitor.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    findings::note("csrf", "origin", field("origin"));
    findings::note("csrf", "sec-fetch-site", field("sec-fetch-site"));
    findings::note("csrf", "own_origin", &state.origin);
    findings::note("csrf", "cookie", if secret.is_some() { "there" } else { "none" });
    refused(state, context, Kind::RequestForged, visitor.login.as_ref(), problem)
}

/// Gives the browser a cookie of its own, if it has none yet and nobody is logged in: forms are bound to it. The value is
/// for `Set-Cookie`.
pub fn ensure_browser(state: &AppState, visitor: &mut Visitor) -> Option<HeaderValue> {
    if visitor.form_secret().is_some() {
        return None;
    }
    let secret = random::secret();
    let cookie = state.cookies.set(Cookie::Browser, &secret, None);
    visitor.browser = Some(SecretString::from(secret));
    Some(cookie)
}

/// Gives the browser a cookie of its own, if it has none yet, whoever is logged in: for forms that are
/// [bound to it](Purpose::of_browser).
pub fn ensure_own_cookie(state: &AppState, visitor: &mut Visitor) -> Option<HeaderValue> {
    if visitor.browser.is_some() {
        return None;
    }
    let secret = random::secret();
    let cookie = state.cookies.set(Cookie::Browser, &secret, None);
    visitor.browser = Some(SecretString::from(secret));
    Some(cookie)
}

/// A form that is sent to `path`, with nothing wrong with it yet.
pub fn of(state: &AppState, visitor: &Visitor, frame: &Frame, (path, purpose): (&str, Purpose)) -> Form {
    Form {
        text: frame.text,
        action: state.path(path),
        csrf: token(state, visitor, purpose),
        flow: None,
        min_length: state.password_policy.min_length(),
        problems: Vec::new(),
        strength: None,
    }
}

/// The status of a form that is shown again for these reasons.
pub fn refusal(problems: &[Complaint]) -> StatusCode {
    if let Some(problem) = problems.first() {
        findings::answered(problem.reason(), false);
    }
    if problems.contains(&Complaint::TooMany) {
        StatusCode::TOO_MANY_REQUESTS
    } else if problems.iter().any(|problem| problem.is_passing()) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if problems.contains(&Complaint::Code) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

/// The sealed flow that a form or link came with, if it may be put into a URL as it came: it is looked into where that leads.
pub fn sealed_flow(params: &Params) -> Option<&str> {
    let is_base64url = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    params.get(field::FLOW).filter(is_base64url)
}

/// A URL of our own that takes the same flow along.
pub fn with_flow(mut url: String, params: &Params) -> String {
    if let Some(flow) = sealed_flow(params) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.extend([field::FLOW, "=", flow]);
    }
    url
}

/// Gives the browser the session that has begun, for as long as its person wants.
pub fn hand_over(state: &AppState, response: &mut Response, begun: &Begun) {
    let cookie = state.cookies.set(Cookie::Session, begun.secret.expose_secret(), begun.cookie_lifetime());
    response.headers_mut().append(header::SET_COOKIE, cookie);
    browser_state::hand_over(state, response.headers_mut(), begun);
}
