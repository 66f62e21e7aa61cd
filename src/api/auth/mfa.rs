//! The second step of a login.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::admission::Admitted;
use super::entry::{At, LoggedIn, PasskeyAnswer};
use super::{FirstParty, Named};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::flow::admission::SecondFactor as Second;
use crate::flow::login::{Checked, PartOf, Step};
use crate::flow::passkey::Answer;
use crate::protocol::authentication::Missing;
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::users;
use crate::web::context::RequestContext;

/// Exactly one of `code` and `passkey`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondFactor {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Of the error `mfa_required`.
    mfa_token: SecretText,
    /// Of the authenticator app, or a recovery code.
    code: Option<SecretText>,
    /// What a passkey answered to the options of the error `mfa_required`.
    passkey: Option<PasskeyAnswer>,
    device_token: Option<SecretText>,
}

/// Complete a login with a code of the authenticator app, a recovery code, or a passkey.
///
/// A passkey that was refused gets new options in the error's `details`.
#[utoipa::path(post, path = "/auth/mfa", tag = "auth", security(()), request_body = SecondFactor,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn mfa(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Second>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<SecondFactor>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.second(&body).await))
}

impl At<'_> {
    async fn second(self, body: &SecondFactor) -> Result<Response, ApiError> {
        let Self { state, context, .. } = self;
        let Some((pending, scope)) = self.open(body.mfa_token.expose()) else { return Err(self.invalid_mfa_token(None)) };
        let user = users::by_id(&mut state.db.read().await?, &pending.user_id).await?;
        let Some(user) = user.filter(|user| pending.still_holds_for(user)) else {
            return Err(self.invalid_mfa_token(Some(&pending.user_id)));
        };
        let device = self.device(body.device_token.as_ref());
        let entrance = self.entrance(device.as_ref());
        let standing = self.standing(&user).await?;
        let Missing::Proof(offer) = standing.missing(&pending.factors) else {
            return Err(self.invalid_mfa_token(Some(&user.id)));
        };
        let checked = match (&body.code, &body.passkey) {
            (Some(code), None) => entrance.check(&user, PartOf::Login(&pending.id), code.expose(), offer).await?,
            (None, Some(passkey)) if offer.passkey => {
                let credential = passkey.credential.to_string();
                let answer = Answer { challenge: &passkey.challenge, credential: &credential };
                entrance.check_passkey(&user.id, &self.passkey_holder(&pending, &scope), answer).await?
            }
            (None, Some(_)) => Checked::Wrong,
            (None, None) => return Err(ApiError::invalid(vec![Detail::new("code", "missing")])),
            (Some(_), Some(_)) => return Err(ApiError::invalid(vec![Detail::new("passkey", "one_factor_only")])),
        };
        let proof = match checked {
            Checked::Right(proof) => proof,
            Checked::Wrong if body.passkey.is_some() => {
                let question = self.question(&pending, offer, &scope).await?;
                let facts = question.map(|question| ("passkey", json!(question)));
                return Err(ApiError::invalid_passkey().with_facts(facts));
            }
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

    fn invalid_mfa_token(self, user: Option<&UserId>) -> ApiError {
        let error = ApiError::invalid_mfa_token();
        self.refused(user, error.reason());
        error
    }
}
