//! The caller of one request: a person or a service, and the scopes that count for them now.

use std::sync::Arc;

use http::header::{self, HeaderMap};
use secrecy::SecretString;

use super::freshness::Proved;
use super::limits::scopes_of;
use crate::api::error::ApiError;
use crate::authn::session;
use crate::grants::resource;
use crate::protocol::authentication::Acr;
use crate::protocol::client::Client;
use crate::protocol::id::{ClientId, GrantId, SessionId, UserId};
use crate::protocol::scope::{self, Scope};
use crate::state::AppState;
use crate::storage::sessions::Session;
use crate::storage::users::{self, User};
use crate::storage::{grants, sessions};
use crate::web::bearer::{self, Presented};
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;

/// What the CSRF token of requests with a session cookie is bound to.
pub const CSRF_PURPOSE: &str = "api";

/// Carries that token.
const CSRF_HEADER: &str = "x-csrf-token";

/// Whoever sent the request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub identity: Identity,
    /// The scopes that count for this request. Nobody can give away more than these.
    pub holds: Scope,
}

#[derive(Clone, Debug)]
pub enum Identity {
    Person {
        user: Box<User>,
        credential: Credential,
        /// How and when they proved who they are.
        proved: Proved,
    },
    Service(ClientId),
}

/// What a person's request came with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The cookie of a browser session.
    Browser { session: Box<Session>, secret: SecretString },
    /// An access token of this client, which came of this grant; with the session that stands for the grant, where there is one.
    Token { client: Arc<Client>, grant: Option<GrantId>, session: Option<SessionId> },
}

impl Caller {
    /// Finds out who sent a request with these headers. With an Authorization header the cookie does not count.
    pub(super) async fn of(
        state: &AppState,
        context: &RequestContext,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Self, ApiError> {
        match bearer::presented(headers, query, None).map_err(|_| ApiError::malformed_authorization())? {
            Some(presented) => Self::of_token(state, context, presented).await,
            None if headers.contains_key(header::AUTHORIZATION) => Err(ApiError::unauthenticated()),
            None => Self::of_session(state, context, headers).await,
        }
    }

    async fn of_token(state: &AppState, context: &RequestContext, presented: Presented<'_>) -> Result<Self, ApiError> {
        let way = presented.way;
        let token = resource::open(state, context, presented).await.map_err(|refused| ApiError::refused(refused, way))?;
        if !token.claims.aud.contains(&state.api_audience()) {
            return Err(ApiError::invalid_token("token_audience"));
        }
        // What the client was registered for when the token was issued may have been taken from it since.
        let granted = token.claims.scope.intersection(&token.client.metadata.scope);
        let Some(user_id) = token.user_id else {
            let holds = granted.intersection(&scope::management());
            return Ok(Self { identity: Identity::Service(token.client.id.clone()), holds });
        };
        let user = {
            let mut conn = state.db.read().await?;
            users::by_id(&mut conn, &user_id).await?.ok_or(ApiError::invalid_token("user_unknown"))?
        };
        let session = match &token.grant_id {
            Some(grant) if token.client.metadata.first_party => Self::own_session(state, grant).await?,
            _ => None,
        };
        let proved = Proved::of_token(&token.claims, session.as_ref());
        let holds = granted.intersection(&Self::of_person(state, &user, |acr| proved.reaches(acr)));
        let session = session.map(|session| session.id);
        let credential = Credential::Token { client: token.client, grant: token.grant_id, session };
        Ok(Self { identity: Identity::Person { user: Box::new(user), credential, proved }, holds })
    }

    /// The session that stands for this grant and nothing else.
    async fn own_session(state: &AppState, grant: &GrantId) -> Result<Option<Session>, ApiError> {
        let mut conn = state.db.read().await?;
        match grants::load(&mut conn, grant).await?.filter(|grant| grant.own_session) {
            Some(grant) => Ok(sessions::by_id(&mut conn, &grant.session_id).await?),
            None => Ok(None),
        }
    }

    async fn of_session(state: &AppState, context: &RequestContext, headers: &HeaderMap) -> Result<Self, ApiError> {
        let secret = state.cookies.read(headers, Cookie::Session).ok_or_else(ApiError::unauthenticated)?;
        let token = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        state.csrf.check(headers, Some(secret), CSRF_PURPOSE, token).map_err(|_| ApiError::csrf())?;
        let secret = SecretString::from(secret);
        let found = session::resume(&state.db, &state.tokens, &secret, context.now, &state.config.session).await?;
        let (session, user) = found.ok_or_else(ApiError::unauthenticated)?;
        let proved = Proved::of_session(&session);
        let holds = Self::of_person(state, &user, |acr| proved.reaches(acr));
        let credential = Credential::Browser { session: Box::new(session), secret };
        Ok(Self { identity: Identity::Person { user: Box::new(user), credential, proved }, holds })
    }

    /// All that a person may do here: their own account, and what their roles give to a login as strong as these roles ask for.
    fn of_person(state: &AppState, user: &User, reaches: impl Fn(Acr) -> bool) -> Scope {
        if !state.config.authentication.required_of(&user.roles).all(reaches) {
            return scope::account();
        }
        scopes_of(&user.roles, &state.config.admin).union(&scope::account())
    }

    /// The person, for routes about one's own account.
    pub fn person(&self) -> Result<&User, ApiError> {
        match &self.identity {
            Identity::Person { user, .. } => Ok(user),
            Identity::Service(_) => Err(ApiError::not_a_person()),
        }
    }

    pub fn user_id(&self) -> Option<&UserId> {
        match &self.identity {
            Identity::Person { user, .. } => Some(&user.id),
            Identity::Service(_) => None,
        }
    }

    /// The browser session that the request was sent with, or the one that stands for the grant of the token.
    pub fn session(&self) -> Option<&SessionId> {
        match &self.identity {
            Identity::Person { credential: Credential::Browser { session, .. }, .. } => Some(&session.id),
            Identity::Person { credential: Credential::Token { session, .. }, .. } => session.as_ref(),
            Identity::Service(_) => None,
        }
    }

    pub fn client_id(&self) -> Option<&ClientId> {
        match &self.identity {
            Identity::Person { credential: Credential::Browser { .. }, .. } => None,
            Identity::Person { credential: Credential::Token { client, .. }, .. } => Some(&client.id),
            Identity::Service(client) => Some(client),
        }
    }
}
