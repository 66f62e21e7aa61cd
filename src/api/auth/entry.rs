//! What every login without a browser comes to: tokens, or the question for the next factor.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::FirstParty;
use crate::api::body::SecretText;
use crate::api::error::ApiError;
use crate::audit::{self, Kind};
use crate::authn::pending::{LIFETIME, Pending};
use crate::authn::session::Begun;
use crate::flow::first_party;
use crate::flow::login::{Entrance, FirstFactor, Standing, Step};
use crate::flow::passkey::{Counterpart, Question};
use crate::grants::TokenResponse;
use crate::guard::device::Device;
use crate::protocol::authentication::{Factors, Method, Missing, Offer};
use crate::protocol::client::Client;
use crate::protocol::id::UserId;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::sessions;
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What a login gives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    #[serde(flatten)]
    tokens: TokenResponse,
    /// Keep it beside the device's other data, logged in or not, and send it with the next login.
    device_token: String,
}

/// What a passkey answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyAnswer {
    /// As it came with the options.
    pub(super) challenge: String,
    /// What `navigator.credentials.get` gave, as its `toJSON` makes it.
    #[schema(value_type = Object)]
    pub(super) credential: Value,
}

/// Where a login is being made.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) state: &'a AppState,
    pub(super) context: &'a RequestContext,
    pub(super) client: &'a FirstParty,
}

impl<'a> At<'a> {
    pub(super) fn client(self) -> &'a Client {
        &self.client.client
    }

    pub(super) fn entrance<'b>(self, device: Option<&'b Device>) -> Entrance<'b>
    where
        'a: 'b,
    {
        Entrance { state: self.state, context: self.context, former: None, client_id: Some(&self.client().id), device }
    }

    pub(super) fn device(self, token: Option<&SecretText>) -> Option<Device> {
        token.and_then(|token| self.state.guard.device(token.expose()))
    }

    /// Records that a login came to nothing.
    pub(super) fn refused(self, user: Option<&UserId>, reason: &'static str) {
        self.refused_as(Kind::UserLogin, user, reason);
    }

    pub(super) fn refused_as(self, kind: Kind, user: Option<&UserId>, reason: &'static str) {
        self.state.refusals.refused(Event {
            client_id: Some(self.client().id.clone()),
            user_id: user.cloned(),
            ..audit::refused(kind, self.context, reason)
        });
    }

    /// After a right first factor: in, or on to the next. No token is given out before the login is all that it has to be.
    pub(super) async fn proved(self, first: FirstFactor, scope: Scope, device: Option<Device>) -> Result<Response, ApiError> {
        let standing = self.standing(&first.user).await?;
        let user_id = first.user.id.clone();
        match standing.missing(&first.carried.clone().and(first.method, self.context.now)) {
            Missing::Nothing => match self.entrance(device.as_ref()).first(first).await? {
                Step::Done(begun) => self.enter(&begun, scope, device).await,
                Step::Next { pending, offer } => self.ask(&pending, offer, &scope).await,
                Step::Spent | Step::Ended => Err(ApiError::invalid_credentials()),
            },
            Missing::Proof(offer) => {
                let pending = self.entrance(device.as_ref()).pending(first).await?;
                self.ask(&pending, offer, &scope).await
            }
            Missing::Enrolment(_) => Err(self.needs_browser(&user_id)),
        }
    }

    /// After a registration, which has logged its person in. Where a login has to be more, there is none yet.
    pub(super) async fn registered(self, begun: &Begun, scope: Scope, device: Option<Device>) -> Result<Response, ApiError> {
        let Self { state, .. } = self;
        let session = &begun.session;
        let user =
            users::by_id(&mut state.db.read().await?, &session.user_id).await?.ok_or_else(ApiError::invalid_credentials)?;
        if self.standing(&user).await?.missing(&session.factors) == Missing::Nothing {
            return self.enter(begun, scope, device).await;
        }
        state.db.write(async |tx| sessions::end(tx, &session.id, state.ending(self.context.now)).await).await?;
        Err(self.needs_browser(&user.id))
    }

    /// What the person could prove, and what a login for the sake of this client has to reach.
    pub(super) async fn standing(self, user: &User) -> Result<Standing, Problem> {
        let mut standing = Standing::of(self.state, user).await?;
        standing.required.extend(self.client().metadata.required_acr);
        Ok(standing)
    }

    pub(super) fn needs_browser(self, user: &UserId) -> ApiError {
        self.refused(Some(user), "browser_required");
        ApiError::browser_required()
    }

    async fn ask(self, pending: &Pending, offer: Offer, scope: &Scope) -> Result<Response, ApiError> {
        let passkey = self.question(pending, offer, scope).await?;
        let offered = [("totp", offer.totp), ("recovery_code", offer.recovery_code), ("passkey", passkey.is_some())];
        let factors: Vec<&str> = offered.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        if factors.is_empty() {
            return Err(self.needs_browser(&pending.user_id));
        }
        let facts: [(&str, Value); 3] =
            [("mfa_token", self.seal(pending, scope)?.into()), ("factors", json!(factors)), ("expires_in", LIFETIME.0.into())];
        let passkey = passkey.map(|question| ("passkey", json!(question)));
        Err(ApiError::mfa_required().with_facts(facts.into_iter().chain(passkey)))
    }

    /// What to ask a passkey, where one will do.
    pub(super) async fn question(self, pending: &Pending, offer: Offer, scope: &Scope) -> Result<Option<Question>, Problem> {
        if !offer.passkey {
            return Ok(None);
        }
        let Self { state, context, .. } = self;
        Counterpart { state, context, holder: &self.passkey_holder(pending, scope) }.ask(&pending.user_id).await
    }

    pub(super) async fn enter(self, begun: &Begun, scope: Scope, device: Option<Device>) -> Result<Response, ApiError> {
        let Self { state, context, .. } = self;
        let given = first_party::begin(state, context, self.client(), &begun.session, (scope, self.client.confirmation)).await?;
        let tokens = given.ok_or_else(ApiError::invalid_credentials)?;
        let (device_token, _) = state.guard.remember(device, &begun.session.user_id, context.now);
        Ok(Json(LoggedIn { tokens, device_token }).into_response())
    }

    /// For this client alone, with what it asked for.
    fn seal(self, pending: &Pending, scope: &Scope) -> Result<String, Problem> {
        let scope = scope.to_string();
        let sealed = pending.seal(&self.state.flows, &self.holder(&scope)).map_err(Problem::internal)?;
        Ok(format!("{sealed}.{}", URL_SAFE_NO_PAD.encode(scope)))
    }

    pub(super) fn open(self, token: &str) -> Option<(Pending, Scope)> {
        let (sealed, scope) = token.split_once('.')?;
        let scope = String::from_utf8(URL_SAFE_NO_PAD.decode(scope).ok()?).ok()?;
        let pending = Pending::open(&self.state.flows, sealed, &self.holder(&scope), self.context.now).ok()?;
        Some((pending, Scope::parse(&scope).ok()?))
    }

    /// What is sealed for this client and `what`. No browser's cookie holds a space.
    pub(super) fn holder(self, what: &str) -> String {
        format!("client {} {what}", self.client().id)
    }

    /// A passkey that is asked for in one login is good for no other.
    pub(super) fn passkey_holder(self, pending: &Pending, scope: &Scope) -> String {
        self.holder(&format!("{scope} {}", pending.id))
    }
}

/// Nothing was proved before in a login without a browser, and the app decides by itself how long it keeps its tokens.
pub(super) fn first_factor(user: User, method: Method) -> FirstFactor {
    FirstFactor { user, method, rehashed: None, carried: Factors::default(), remember: false }
}
