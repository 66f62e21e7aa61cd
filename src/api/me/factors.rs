//! `/api/v1/users/me/factors` and `…/recovery-codes`: what one proves with who one is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::oneself::{Oneself, hand_over};
use super::settle;
use crate::account::factors::{remove_totp, renew_recovery_codes};
use crate::account::totp::{self, Outcome, confirm};
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::api::users::factors::{FactorsView, factors_of};
use crate::authn::enrolment::LIFETIME;
use crate::authn::qr::QrCode;
use crate::authn::recovery_code::RecoveryCode;
use crate::authn::totp::Secret;
use crate::guard::limit::Action;
use crate::state::AppState;
use crate::storage::recovery_codes;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Show what one can prove who one is with.
#[utoipa::path(get, path = "/users/me/factors", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = FactorsView), Errors))]
pub(super) async fn list(caller: Authorized<AccountRead>, State(state): State<AppState>) -> Result<Json<FactorsView>, ApiError> {
    factors_of(&state, Oneself::of(&caller.0)?.user).await
}

/// An authenticator app that is being set up. Nothing is stored yet, and it is not shown again.
#[derive(Serialize, ToSchema)]
pub(super) struct TotpOffer {
    /// In base32 (RFC 4648 §6), for apps into which it is typed.
    secret: String,
    /// `otpauth://totp/…`, for apps on the same device.
    uri: String,
    /// The same as a QR code: an SVG image.
    qr_svg: String,
    /// Comes back with the first code.
    enrolment: String,
    /// Seconds.
    expires_in: i64,
}

/// Begin to set up an authenticator app. It takes the place of the one before when a code of it has come back.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/factors/totp", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 200, body = TotpOffer), Errors))]
pub(super) async fn offer(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<Json<TotpOffer>, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let secret = Secret::random();
    let uri = secret.uri(&state.host(), oneself.user.sign_in_name.as_str());
    Ok(Json(TotpOffer {
        enrolment: totp::offer(&state, &context, oneself.seat, &secret)?,
        qr_svg: QrCode::of(&uri).map_err(Problem::internal)?.svg(),
        uri: uri.to_string(),
        secret: secret.base32().to_string(),
        expires_in: LIFETIME.0,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstCode {
    /// Of the answer that the secret was in.
    enrolment: SecretText,
    /// What the app shows.
    code: SecretText,
}

/// Recovery codes, the only time that they are shown.
#[derive(Serialize, ToSchema)]
pub(super) struct NewRecoveryCodes {
    recovery_codes: Vec<String>,
}

impl NewRecoveryCodes {
    fn new(codes: &[RecoveryCode]) -> Json<Self> {
        Json(Self { recovery_codes: codes.iter().map(RecoveryCode::grouped).collect() })
    }
}

/// Set up the authenticator app with its first code, and get new recovery codes.
///
/// It ends one's other sessions. A browser's session goes on as one that proved the app; an application's tokens say what they said,
/// and the next sensitive request asks for a code. Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/factors/totp/confirm", tag = "account", request_body = FirstCode,
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 200, body = NewRecoveryCodes), Errors))]
pub(super) async fn enrol(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(first): ApiJson<FirstCode>,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let answer = (first.enrolment.expose(), first.code.expose());
    match confirm(&state, &context, (oneself.user, oneself.seat), answer).await? {
        Outcome::Done { codes, begun } => {
            let mut response = NewRecoveryCodes::new(&codes).into_response();
            hand_over(&state, &mut response, begun.as_deref());
            Ok(response)
        }
        Outcome::Wrong(_) => Err(ApiError::invalid(vec![Detail::new("code", "wrong")])),
        Outcome::Stale => Err(ApiError::invalid(vec![Detail::new("enrolment", "stale")])),
        Outcome::TooMany(_) => Err(ApiError::too_many(oneself.wait(&state, &context, Action::Code))),
        Outcome::Ended => Err(ApiError::unauthenticated()),
    }
}

/// Remove the authenticator app, and the recovery codes if nothing is left that they stand in for.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me/factors/totp", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 204), Errors))]
pub(super) async fn remove(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<StatusCode, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    settle(remove_totp(&state, &context, oneself.user).await?)
}

/// How many recovery codes there are that were not used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryCodesLeft {
    left: i64,
}

/// Tell how many recovery codes are left.
#[utoipa::path(get, path = "/users/me/recovery-codes", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = RecoveryCodesLeft), Errors))]
pub(super) async fn left(
    caller: Authorized<AccountRead>,
    State(state): State<AppState>,
) -> Result<Json<RecoveryCodesLeft>, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    Ok(Json(RecoveryCodesLeft { left: recovery_codes::left(&mut state.db.read().await?, &user.id).await? }))
}

/// Get new recovery codes. Those that there were count no longer.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/recovery-codes", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 200, body = NewRecoveryCodes), Errors))]
pub(super) async fn renew(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<Json<NewRecoveryCodes>, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let codes = renew_recovery_codes(&state, &context, (oneself.user, oneself.seat)).await?;
    codes.map(|codes| NewRecoveryCodes::new(&codes)).ok_or_else(ApiError::no_second_factor)
}
