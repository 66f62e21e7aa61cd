//! A login: name and password, and then a second factor where one is due.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FirstParty, Named};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::audit::{self, Kind};
use crate::authn::pending::{LIFETIME, Pending};
use crate::authn::session::Begun;
use crate::flow::admission::{Login as LoginForm, admit};
use crate::flow::login::{Checked, Entrance, FirstFactor, Standing, Step};
use crate::flow::password::{self, Typed};
use crate::grants::{TokenResponse, first_party};
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::guard::proof_of_work::WAIT;
use crate::protocol::authentication::{Factors, Method, Missing, Offer};
use crate::protocol::client::Client;
use crate::protocol::id::UserId;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// The sign-in name, or a verified e-mail address.
    username: String,
    password: SecretText,
    /// Values separated by spaces; all that the client is registered for when absent. `offline_access` gives a refresh token,
    /// `openid` an ID token.
    scope: Option<String>,
    /// Of an earlier login of this person from this device. Whoever brings it is not kept out by what strangers try.
    device_token: Option<SecretText>,
    /// Of the error `proof_of_work_required`.
    challenge: Option<String>,
    solution: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondFactor {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Of the error `mfa_required`.
    mfa_token: SecretText,
    /// Of the authenticator app, or a recovery code.
    code: SecretText,
    device_token: Option<SecretText>,
}

/// What a login gives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    #[serde(flatten)]
    tokens: TokenResponse,
    /// Keep it beside the device's other data, logged in or not, and send it with the next login.
    device_token: String,
}

/// The sender may try; the cheap limit before the body is read.
#[derive(Debug)]
pub(super) struct Admitted {
    needs_proof: bool,
}

impl FromRequestParts<AppState> for Admitted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        Ok(Self { needs_proof: admit::<LoginForm>(state, &context).await? })
    }
}

/// Log a person in with a name and a password.
///
/// Where a second factor is due the answer is the error `mfa_required`: `details` has an `mfa_token`, good for ten minutes, and
/// the `factors` one of which is to be sent with it.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn login(
    State(state): State<AppState>,
    context: RequestContext,
    admitted: Admitted,
    headers: HeaderMap,
    ApiJson(body): ApiJson<LoginRequest>,
) -> Response {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    match FirstParty::enter(&state, &context, &headers, named).await {
        Ok(client) => client.answer(At { state: &state, context: &context, client: &client }.login(&body, admitted).await),
        Err(refused) => refused,
    }
}

/// Complete a login with a code of the authenticator app, or a recovery code.
#[utoipa::path(post, path = "/auth/mfa", tag = "auth", security(()), request_body = SecondFactor,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn mfa(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    ApiJson(body): ApiJson<SecondFactor>,
) -> Response {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    match FirstParty::enter(&state, &context, &headers, named).await {
        Ok(client) => client.answer(At { state: &state, context: &context, client: &client }.second(&body).await),
        Err(refused) => refused,
    }
}

/// Where a login is being made.
#[derive(Clone, Copy)]
struct At<'a> {
    state: &'a AppState,
    context: &'a RequestContext,
    client: &'a FirstParty,
}

impl<'a> At<'a> {
    fn client(self) -> &'a Client {
        &self.client.0
    }

    fn entrance<'b>(self, device: Option<&'b Device>) -> Entrance<'b>
    where
        'a: 'b,
    {
        Entrance { state: self.state, context: self.context, former: None, client_id: Some(&self.client().id), device }
    }

    fn device(self, token: Option<&SecretText>) -> Option<Device> {
        token.and_then(|token| self.state.guard.device(token.expose()))
    }

    /// Records that a login came to nothing.
    fn refused(self, user: Option<&UserId>, reason: &'static str) {
        self.state.refusals.refused(Event {
            client_id: Some(self.client().id.clone()),
            user_id: user.cloned(),
            ..audit::refused(Kind::UserLogin, self.context, reason)
        });
    }

    async fn login(self, body: &LoginRequest, Admitted { needs_proof }: Admitted) -> Result<Response, ApiError> {
        let Self { state, context, client } = self;
        let scope = client.scope(state, context, body.scope.as_deref()).await?;
        let device = self.device(body.device_token.as_ref());
        let typed = Typed {
            name: &body.username,
            password: body.password.expose(),
            device: device.as_ref(),
            needs_proof,
            proof: body.challenge.as_deref().map(|challenge| (challenge, body.solution.as_deref().unwrap_or_default())),
        };
        let (error, reason, user) = match password::check(state, context, &typed).await? {
            password::Checked::Right { user, rehashed } => {
                let first =
                    FirstFactor { user: *user, method: Method::Password, rehashed, carried: Factors::default(), remember: false };
                return self.proved(first, scope, device).await;
            }
            password::Checked::Wrong { reason, user } => (self.challenging(ApiError::invalid_credentials()), reason, user),
            password::Checked::Challenge => (self.challenging(ApiError::proof_of_work_required()), "proof_of_work_missing", None),
            password::Checked::Overloaded => (Problem::overloaded().into(), "overloaded", None),
            password::Checked::TooMany { retry_after } => (ApiError::too_many(retry_after), "rate_limited", None),
        };
        self.refused(user.as_ref().map(|user| &user.id), reason);
        Err(error)
    }

    /// With a challenge for the next attempt: it may be that it is looked at for its sake alone.
    fn challenging(self, error: ApiError) -> ApiError {
        let challenge = self.state.guard.challenge(Action::Login, self.context.address, self.context.now);
        error.with_facts([("challenge", challenge.into()), ("wait", WAIT.0.into())])
    }

    /// After a right password: in, or on to the next factor. No token is given out before the login is all that it has to be.
    async fn proved(self, first: FirstFactor, scope: Scope, device: Option<Device>) -> Result<Response, ApiError> {
        let standing = self.standing(&first.user).await?;
        let user_id = first.user.id.clone();
        match standing.missing(&first.carried.clone().and(first.method, self.context.now)) {
            Missing::Nothing => match self.entrance(device.as_ref()).first(first).await? {
                Step::Done(begun) => self.enter(&begun, scope, device).await,
                Step::Next { pending, offer } => self.ask(&pending, offer, &scope),
                Step::Spent | Step::Ended => Err(ApiError::invalid_credentials()),
            },
            Missing::Proof(offer) => {
                let pending = self.entrance(device.as_ref()).pending(first).await?;
                self.ask(&pending, offer, &scope)
            }
            Missing::Enrolment(_) => Err(self.needs_browser(&user_id)),
        }
    }

    /// What the person could prove, and what a login for the sake of this client has to reach.
    async fn standing(self, user: &User) -> Result<Standing, Problem> {
        let mut standing = Standing::of(self.state, user).await?;
        standing.required.extend(self.client().metadata.required_acr);
        Ok(standing)
    }

    fn needs_browser(self, user: &UserId) -> ApiError {
        self.refused(Some(user), "browser_required");
        ApiError::browser_required()
    }

    fn ask(self, pending: &Pending, offer: Offer, scope: &Scope) -> Result<Response, ApiError> {
        let offered = [("totp", offer.totp), ("recovery_code", offer.recovery_code)];
        let factors: Vec<&str> = offered.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        if factors.is_empty() {
            return Err(self.needs_browser(&pending.user_id));
        }
        let facts: [(&str, Value); 3] =
            [("mfa_token", self.seal(pending, scope)?.into()), ("factors", json!(factors)), ("expires_in", LIFETIME.0.into())];
        Err(ApiError::mfa_required().with_facts(facts))
    }

    async fn second(self, body: &SecondFactor) -> Result<Response, ApiError> {
        let Self { state, context, .. } = self;
        let Some((pending, scope)) = self.open(body.mfa_token.expose()) else { return Err(ApiError::invalid_mfa_token()) };
        let user = users::by_id(&mut state.db.read().await?, &pending.user_id).await?;
        let Some(user) = user.filter(|user| pending.still_holds_for(user)) else { return Err(ApiError::invalid_mfa_token()) };
        let device = self.device(body.device_token.as_ref());
        let entrance = self.entrance(device.as_ref());
        let standing = self.standing(&user).await?;
        let Missing::Proof(offer) = standing.missing(&pending.factors) else { return Err(ApiError::invalid_mfa_token()) };
        let proof = match entrance.check(&user, &pending.id, body.code.expose(), offer).await? {
            Checked::Right(proof) => proof,
            Checked::Wrong => return Err(ApiError::invalid_code()),
            Checked::TooMany => return Err(ApiError::too_many_codes()),
        };
        let factors = pending.factors.clone().and(proof.method, context.now);
        if standing.missing(&factors) != Missing::Nothing {
            return Err(self.needs_browser(&user.id));
        }
        match entrance.second(&user, &pending, &proof).await? {
            Step::Done(begun) => self.enter(&begun, scope, device).await,
            Step::Spent => Err(ApiError::invalid_code()),
            Step::Next { .. } | Step::Ended => Err(ApiError::invalid_mfa_token()),
        }
    }

    async fn enter(self, begun: &Begun, scope: Scope, device: Option<Device>) -> Result<Response, ApiError> {
        let Self { state, context, .. } = self;
        let given = first_party::begin(state, context, self.client(), &begun.session, scope).await?;
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

    fn open(self, token: &str) -> Option<(Pending, Scope)> {
        let (sealed, scope) = token.split_once('.')?;
        let scope = String::from_utf8(URL_SAFE_NO_PAD.decode(scope).ok()?).ok()?;
        let pending = Pending::open(&self.state.flows, sealed, &self.holder(&scope), self.context.now).ok()?;
        Some((pending, Scope::parse(&scope).ok()?))
    }

    /// No browser's cookie holds a space.
    fn holder(self, scope: &str) -> String {
        format!("client {} {scope}", self.client().id)
    }
}
