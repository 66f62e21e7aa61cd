//! A login: name and password.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Admitted;
use super::entry::{At, LoggedIn, first_factor};
use super::{FirstParty, Named};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::flow::admission::Login as LoginForm;
use crate::flow::login::FirstFactor;
use crate::flow::password::{self, Typed};
use crate::guard::limit::Action;
use crate::protocol::authentication::Method;
use crate::state::AppState;
use crate::telemetry::metrics::LOGINS;
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

/// Log a person in with a name and a password.
///
/// Where a second factor is due the answer is the error `mfa_required`: `details` has an `mfa_token`, good for ten minutes, the
/// `factors` one of which is to be sent with it, and where a passkey is one of them, what to ask it (`passkey`).
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn login(
    State(state): State<AppState>,
    context: RequestContext,
    admitted: Admitted<LoginForm>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<LoginRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.login(&body, admitted.needs_proof).await))
}

impl At<'_> {
    async fn login(self, body: &LoginRequest, needs_proof: bool) -> Result<Response, ApiError> {
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
                let first = FirstFactor { rehashed, ..first_factor(*user, Method::Password) };
                return self.proved(first, scope, device).await;
            }
            // With a challenge for the next attempt: it may be that it is looked at for its sake alone.
            password::Checked::Wrong { reason, user } => {
                (ApiError::invalid_credentials().challenging(state, context, Action::Login), reason, user)
            }
            password::Checked::Challenge => {
                let error = ApiError::proof_of_work_required().challenging(state, context, Action::Login);
                (error, "proof_of_work_missing", None)
            }
            password::Checked::Overloaded => (Problem::overloaded().into(), "overloaded", None),
            password::Checked::TooMany { retry_after } => (ApiError::too_many(retry_after), "rate_limited", None),
        };
        LOGINS.count("password", reason);
        self.refused(user.as_ref().map(|user| &user.id), reason);
        Err(error)
    }
}
