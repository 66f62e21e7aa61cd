//! Who calls the API and what they may do. Every route but the description passes through [`authenticate`].
//!
//! The API is a protected resource like any other: it takes access tokens whose audience is `{issuer}/api/v1`, and asks the
//! database about each, so that one that was revoked, or whose client or person was disabled, is refused at once.

mod caller;
mod freshness;
pub(super) mod limit;
pub mod limits;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use std::marker::PhantomData;

pub use caller::{CSRF_PURPOSE, Caller, Credential, Identity};

use super::cross_origin::Asker;
use super::error::ApiError;
use crate::audit;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::telemetry::findings::note;
use crate::web::context::RequestContext;

/// The layer that lets nobody in without credentials, and records every refusal.
pub async fn authenticate(
    State(state): State<AppState>,
    context: RequestContext,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let standing = match limit::admit(&state, &context, request.headers()).await {
        Ok(standing) => standing,
        Err((error, standing)) => {
            state.refusals.refused(audit::refused(audit::Kind::ApiRefused, &context, error.reason()));
            return Ok(limit::with_fields(error.into_response(), standing, &context));
        }
    };
    let caller = match Caller::of(&state, &context, request.headers(), request.uri().query()).await {
        Ok(caller) => caller,
        Err(error) => {
            if error.status().is_client_error() {
                state.refusals.refused(audit::refused(audit::Kind::ApiRefused, &context, error.reason()));
                limit::failed(&state, &context, &error).await;
            }
            return Err(error);
        }
    };
    let actor = caller.actor();
    let (client_id, user_id) = (caller.client_id().cloned(), caller.user_id().cloned());
    let by_token = client_id.clone();
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(client_id) = by_token {
        response.extensions_mut().insert(Asker(client_id));
    }
    if let Some(error) = response.extensions().get::<ApiError>()
        && matches!(error.status(), StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED)
    {
        let refusal = audit::refused(audit::Kind::ApiRefused, &context, error.reason());
        state.refusals.refused(Event { actor, client_id, user_id, ..refusal });
    }
    Ok(limit::with_fields(response, standing, &context))
}

/// A scope value that a route needs.
pub trait Required {
    const SCOPE: &'static str;
}

macro_rules! required {
    ($($name:ident = $scope:literal;)*) => {$(
        #[derive(Debug)]
        pub struct $name;

        impl Required for $name {
            const SCOPE: &'static str = $scope;
        }
    )*};
}

required! {
    UsersRead = "users:read";
    UsersWrite = "users:write";
    ClientsRead = "clients:read";
    ClientsWrite = "clients:write";
    SessionsRead = "sessions:read";
    SessionsWrite = "sessions:write";
    KeysRead = "keys:read";
    KeysWrite = "keys:write";
    AuditRead = "audit:read";
    AccountRead = "account:read";
    AccountWrite = "account:write";
}

/// The caller of a route that needs the scope `S`. Handlers get their caller in this way only, so none forgets to ask.
#[derive(Debug)]
pub struct Authorized<S>(pub Caller, PhantomData<S>);

impl<S: Required> FromRequestParts<AppState> for Authorized<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let caller = parts.extensions.remove::<Caller>().ok_or_else(ApiError::unauthenticated)?;
        if caller.holds.contains(S::SCOPE) {
            return Ok(Self(caller, PhantomData));
        }
        note("scope", "needed", S::SCOPE);
        note("scope", "held", &caller.holds);
        Err(ApiError::insufficient_scope(S::SCOPE))
    }
}

impl<S> Authorized<S> {
    /// An event that this caller brought about.
    pub fn event(&self, kind: audit::Kind, context: &RequestContext) -> Event {
        Event { actor: self.0.actor(), ..audit::event(kind, context) }
    }
}

impl Caller {
    /// What the audit log calls this caller.
    pub fn actor(&self) -> Actor {
        match &self.identity {
            Identity::Person { user, .. } => Actor::User(user.id.clone()),
            Identity::Service(client) => Actor::Client(client.clone()),
        }
    }
}
