//! A login with a passkey, which says by itself whose it is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Admitted;
use super::entry::{At, LoggedIn, PasskeyAnswer, first_factor};
use super::{FirstParty, Named};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::flow::admission::{Passkey, PasskeyQuestion};
use crate::flow::passkey::{Answer, Counterpart, Question};
use crate::state::AppState;
use crate::telemetry::metrics::LOGINS;
use crate::web::context::RequestContext;

/// What the options are sealed for.
const HOLDER: &str = "passkey";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionsRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyLogin {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    passkey: PasskeyAnswer,
    /// As of a login with a password.
    scope: Option<String>,
    device_token: Option<SecretText>,
}

/// Ask for a passkey of anybody: the options for `navigator.credentials.get`, good for five minutes and one answer.
#[utoipa::path(post, path = "/auth/passkey/options", tag = "auth", security(()), request_body = OptionsRequest,
    responses((status = 200, body = Question), Errors))]
pub(super) async fn options(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<PasskeyQuestion>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<OptionsRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.passkey_options()))
}

/// Log a person in with a passkey alone. It has to verify its user.
#[utoipa::path(post, path = "/auth/passkey", tag = "auth", security(()), request_body = PasskeyLogin,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn login(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Passkey>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<PasskeyLogin>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.by_passkey(&body).await))
}

impl At<'_> {
    fn passkey_options(self) -> Result<Response, ApiError> {
        let Self { state, context, .. } = self;
        let question = Counterpart { state, context, holder: &self.holder(HOLDER) }.ask_anybody()?;
        Ok(Json(question.ok_or_else(ApiError::not_found)?).into_response())
    }

    async fn by_passkey(self, body: &PasskeyLogin) -> Result<Response, ApiError> {
        let Self { state, context, client } = self;
        let scope = client.scope(state, context, body.scope.as_deref()).await?;
        let credential = body.passkey.credential.to_string();
        let answer = Answer { challenge: &body.passkey.challenge, credential: &credential };
        match (Counterpart { state, context, holder: &self.holder(HOLDER) }).identify(answer).await? {
            Ok(accepted) => {
                let device = self.device(body.device_token.as_ref());
                self.proved(first_factor(accepted.owner, accepted.method), scope, device).await
            }
            Err(refused) => {
                LOGINS.count("passkey", refused.refusal.0);
                self.refused(refused.user_id.as_ref(), refused.refusal.0);
                Err(ApiError::invalid_passkey())
            }
        }
    }
}
