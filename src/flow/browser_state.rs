//! What applications watch of a session from the browser (OpenID Connect Session Management 1.0 §3): a cookie that stays the
//! same for as long as the session does, and what is told of it with each authorization.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use url::Url;

use super::visitor::Visitor;
use crate::authn::session::Begun;
use crate::keys::hash::TokenKind;
use crate::protocol::id::{ClientId, SessionId};
use crate::protocol::redirect_uri::RedirectUri;
use crate::protocol::session_state;
use crate::protocol::time::Seconds;
use crate::random;
use crate::state::AppState;
use crate::web::cookie::Cookie;

/// Made of the `sid`, which applications know, with a key that they don't.
fn of(state: &AppState, session: &SessionId) -> String {
    URL_SAFE_NO_PAD.encode(state.tokens.hash(TokenKind::BrowserState, session.as_str()))
}

/// Gives the browser the cookie of the session that has begun.
pub fn hand_over(state: &AppState, headers: &mut HeaderMap, begun: &Begun) {
    set(state, headers, &begun.session.id, begun.cookie_lifetime());
}

/// Gives the browser the cookie of its session, if it has another one or none; and takes it back where the session has ended
/// elsewhere. A session's cookie that did not come along tells nothing: it stays at home when another site's page asks.
pub fn renew(state: &AppState, headers: &mut HeaderMap, visitor: &Visitor) {
    let read = |cookie| state.cookies.read(&visitor.headers, cookie);
    match visitor.session() {
        Some(session) if read(Cookie::State) != Some(&of(state, &session.id)) => {
            let left = session.expires_at.as_seconds() - state.clock.now().as_seconds();
            set(state, headers, &session.id, session.remembered.then_some(Seconds(left)));
        }
        None if read(Cookie::Session).is_some() && read(Cookie::State).is_some() => take_back(state, headers),
        _ => {}
    }
}

fn set(state: &AppState, headers: &mut HeaderMap, session: &SessionId, lifetime: Option<Seconds>) {
    if state.config.session.check_session_iframe {
        headers.append(header::SET_COOKIE, state.cookies.set_watched(Cookie::State, &of(state, session), lifetime));
    }
}

/// Takes it back when the session ends.
pub fn take_back(state: &AppState, headers: &mut HeaderMap) {
    if state.config.session.check_session_iframe {
        headers.append(header::SET_COOKIE, state.cookies.set_watched(Cookie::State, "", Some(Seconds(0))));
    }
}

/// `session_state`, for a client whose pages have an origin.
pub fn session_state(state: &AppState, client: &ClientId, redirect_uri: &RedirectUri, session: &SessionId) -> Option<String> {
    if !state.config.session.check_session_iframe || redirect_uri.has_private_use_scheme() {
        return None;
    }
    let origin = Url::parse(redirect_uri.as_str()).ok()?.origin().ascii_serialization();
    Some(session_state::session_state(client, &origin, &of(state, session), &random::identifier()))
}
