//! What the forms of the pages have in common: the browser they are bound to, and the check that they were sent from here.

use http::HeaderValue;
use secrecy::SecretString;

use super::view::field;
use crate::audit::{self, Kind};
use crate::flow::visitor::Visitor;
use crate::protocol::params::Params;
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::Problem;

/// The CSRF token of a form: bound to the session, or to the browser's own cookie before there is one.
pub fn token(state: &AppState, visitor: &Visitor, purpose: &'static str) -> String {
    visitor.form_secret().map(|secret| state.csrf.token(secret, purpose)).unwrap_or_default()
}

/// Refuses, and records, a form that another site sent or that was not made for this browser.
pub fn check(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    purpose: &'static str,
    params: &Params,
) -> Result<(), Problem> {
    visitor.check_form(state, purpose, params.get(field::CSRF)).inspect_err(|problem| {
        let user_id = visitor.login.as_ref().map(|login| login.user.id.clone());
        state.refusals.refused(Event { user_id, ..audit::refused(Kind::RequestForged, context, problem.reason) });
    })
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
