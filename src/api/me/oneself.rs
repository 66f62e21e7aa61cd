//! Somebody who changes their own account: by our own pages, or by an application of the operator's own. What applications of
//! others may do with an account ends where its keys begin.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;

use crate::account::{Holder, Seat};
use crate::api::authorization::{Authorized, CSRF_PURPOSE, Caller, Credential, Identity};
use crate::api::body::SecretText;
use crate::api::error::ApiError;
use crate::audit::Kind;
use crate::authn::session::Begun;
use crate::flow::browser_state;
use crate::guard::Subject;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::User;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;

const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

#[derive(Clone, Debug)]
pub struct Oneself<'a> {
    pub user: &'a User,
    pub seat: Seat<'a>,
    /// Challenges and codes belong to whoever knows this, or holds the grant of this name.
    pub secret: String,
}

impl<'a> Oneself<'a> {
    /// A third party's token is refused, whatever its scope.
    pub fn of(caller: &'a Caller) -> Result<Self, ApiError> {
        let Identity::Person { user, credential, .. } = &caller.identity else { return Err(ApiError::not_a_person()) };
        let (seat, secret) = match credential {
            Credential::Browser { session, secret } => (Seat::Browser(session), secret.expose_secret().to_owned()),
            Credential::Token { client, grant: Some(grant), session } if client.metadata.first_party => {
                // No browser's cookie holds a space.
                (Seat::Application { grant, session: session.as_ref() }, format!("grant {grant}"))
            }
            Credential::Token { .. } => return Err(ApiError::not_first_party()),
        };
        Ok(Self { user, seat, secret })
    }

    /// The same, of somebody who proved just now that it is them.
    pub async fn fresh(caller: &'a Caller, state: &AppState, context: &RequestContext) -> Result<Self, ApiError> {
        let oneself = Self::of(caller)?;
        caller.fresh(state, context).await?;
        Ok(oneself)
    }

    /// What is known of the device: by the cookie of a browser, or by the token that an application keeps.
    pub fn device(&self, state: &AppState, headers: &HeaderMap, token: Option<&SecretText>) -> Option<Device> {
        let cookie = matches!(self.seat, Seat::Browser(_)).then(|| state.cookies.read(headers, Cookie::Device)).flatten();
        state.guard.device(token.map(SecretText::expose).or(cookie)?)
    }

    /// How long to wait after too many tries.
    pub fn wait(&self, state: &AppState, context: &RequestContext, action: Action) -> Seconds {
        let subject = Subject::new(context.address).account(self.user.id.as_str()).session(self.seat.name());
        state.guard.wait(action, &subject, context.now)
    }

    /// Whose a code by mail is.
    pub fn holder(&self, state: &AppState) -> Holder {
        Holder::new(state, &self.secret)
    }
}

/// Gives a browser the session that took the place of its own, and the token that goes with it.
pub fn hand_over(state: &AppState, response: &mut Response, begun: Option<&Begun>) {
    let Some(begun) = begun else { return };
    let secret = begun.secret.expose_secret();
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, state.cookies.set(Cookie::Session, secret, begun.cookie_lifetime()));
    browser_state::hand_over(state, headers, begun);
    if let Ok(token) = HeaderValue::try_from(state.csrf.token(secret, CSRF_PURPOSE)) {
        headers.insert(CSRF_TOKEN, token);
    }
}

/// Something that the caller did to what is theirs.
pub fn about_oneself<S>(caller: &Authorized<S>, kind: Kind, context: &RequestContext) -> Result<Event, ApiError> {
    Ok(Event { user_id: Some(caller.0.person()?.id.clone()), ..caller.event(kind, context) })
}
