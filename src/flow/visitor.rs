//! Who sits at the browser: its session, if somebody is logged in, and its own random cookie.

use axum::extract::{FromRequestParts, OriginalUri};
use http::Method;
use http::header::HeaderMap;
use http::request::Parts;
use secrecy::{ExposeSecret, SecretString};

use crate::authn::session;
use crate::state::AppState;
use crate::storage::sessions::Session;
use crate::storage::users::User;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::PageError;

/// An extractor for pages and for the authorization endpoint.
#[derive(Debug)]
pub struct Visitor {
    /// The live session, of an active person.
    pub login: Option<Login>,
    /// The random cookie that every browser gets: logins under way and their forms are bound to it.
    pub browser: Option<SecretString>,
    pub headers: HeaderMap,
    /// Path and query of the page that was asked for; none when it was a form that was sent.
    pub here: Option<String>,
}

/// Somebody is logged in.
#[derive(Debug)]
pub struct Login {
    pub session: Session,
    pub user: User,
    /// The cookie's value.
    pub secret: SecretString,
}

impl Visitor {
    pub fn session(&self) -> Option<&Session> {
        self.login.as_ref().map(|login| &login.session)
    }

    /// What forms are bound to: the session's secret, or the browser's before there is a session.
    pub fn form_secret(&self) -> Option<&str> {
        let secret = self.login.as_ref().map(|login| &login.secret).or(self.browser.as_ref());
        secret.map(ExposeSecret::expose_secret)
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let context = RequestContext::from_request_parts(parts, state).await.map_err(|error| PageError(error.0))?;
        let read = |cookie| state.cookies.read(&parts.headers, cookie).map(SecretString::from);
        let browser = read(Cookie::Browser).filter(|secret| secret.expose_secret().len() == 43);
        let login = match read(Cookie::Session) {
            Some(secret) => session::resume(&state.db, &state.tokens, &secret, context.now, &state.config.session)
                .await?
                .map(|(session, user)| Login { session, user, secret }),
            None => None,
        };
        let here =
            parts.extensions.get::<OriginalUri>().filter(|_| parts.method == Method::GET).and_then(|uri| uri.path_and_query());
        Ok(Self { login, browser, headers: parts.headers.clone(), here: here.map(ToString::to_string) })
    }
}
