//! `/api/v1/users/me/password` and `…/email`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::oneself::{Oneself, hand_over};
use super::passkeys;
use super::settle;
use crate::account;
use crate::account::passkeys::Removal;
use crate::account::password::{self, Outcome, Owner};
use crate::account::{CODE_LIFETIME, email};
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::body::{ApiJson, SecretText};
use crate::api::complaint::refused;
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::time::Time;
use crate::audit::Kind;
use crate::authn::passkey::Refusal;
use crate::guard::Subject;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::email_addresses;
use crate::storage::email_codes::Purpose;
use crate::web::context::RequestContext;

/// Somebody who proved just now that it is them, on a device that may be known: what strangers try as the password shuts nobody out
/// there.
fn owner<'a>(oneself: &Oneself<'a>, device: Option<&'a Device>) -> Owner<'a> {
    Owner { user: oneself.user, seat: oneself.seat, is_fresh: true, device }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// Of whoever has one.
    current_password: Option<SecretText>,
    password: SecretText,
    /// Of an earlier login of this person from this device. A browser's cookie says the same.
    device_token: Option<SecretText>,
}

/// Change one's password, or set one. It ends one's other sessions and what other applications were given; one is told by mail.
///
/// Needs a proof of the last five minutes that it is still the person, and the current password of whoever has one.
#[utoipa::path(put, path = "/users/me/password", tag = "account", request_body = PasswordChange,
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn change_password(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiJson(change): ApiJson<PasswordChange>,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let device = oneself.device(&state, &headers, change.device_token.as_ref());
    let current = change.current_password.map(|current| current.0).unwrap_or_default();
    match password::change(&state, &context, owner(&oneself, device.as_ref()), (&current, &change.password.0)).await? {
        Outcome::Done(begun) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            hand_over(&state, &mut response, begun.as_deref());
            Ok(response)
        }
        Outcome::Refused { complaints, .. } => {
            Err(refused(&complaints, || oneself.wait(&state, &context, Action::Reauthenticate)))
        }
        Outcome::Ended => Err(ApiError::unauthenticated()),
    }
}

/// Do without a password: log in with passkeys only. It ends one's other sessions and what other applications were given, and one
/// is told by mail.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me/password", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 204), Errors))]
pub(super) async fn remove_password(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<StatusCode, ApiError> {
    let Oneself { user, seat, .. } = Oneself::fresh(&caller.0, &state, &context).await?;
    let removal = account::passkeys::remove_password(&state, &context, user, seat).await?;
    if removal == Removal::MustStay {
        passkeys::refused(&state, &context, &user.id, Kind::UserPasswordRemoved, Refusal::LAST_FACTOR);
    }
    settle(removal)
}

/// One's e-mail address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmailView {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// When it was proved; absent while it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Time>,
}

/// Show one's e-mail address, and whether it was proved.
#[utoipa::path(get, path = "/users/me/email", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = EmailView), Errors))]
pub(super) async fn show_email(
    caller: Authorized<AccountRead>,
    State(state): State<AppState>,
) -> Result<Json<EmailView>, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    let found = email_addresses::load(&mut state.db.read().await?, &user.id).await?;
    let verified_at = found.as_ref().and_then(|found| found.verified_at).map(Time);
    Ok(Json(EmailView { email: found.map(|found| found.address.as_str().to_owned()), verified_at }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailChange {
    email: String,
    /// Of whoever has one.
    current_password: Option<SecretText>,
    /// Of an earlier login of this person from this device. A browser's cookie says the same.
    device_token: Option<SecretText>,
}

/// A code is on its way, or a notice: to whom is not told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmailCodeSent {
    /// Comes back with the code.
    id: String,
    /// Seconds.
    expires_in: i64,
}

impl EmailCodeSent {
    fn answer(id: String) -> Response {
        (StatusCode::ACCEPTED, Json(Self { id, expires_in: CODE_LIFETIME.0 })).into_response()
    }
}

/// Ask for a code to another e-mail address. The present one stays until the code has come back.
///
/// Needs a proof of the last five minutes that it is still the person, and the current password of whoever has one.
#[utoipa::path(put, path = "/users/me/email", tag = "account", request_body = EmailChange,
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 202, body = EmailCodeSent), Errors))]
pub(super) async fn change_email(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiJson(change): ApiJson<EmailChange>,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let device = oneself.device(&state, &headers, change.device_token.as_ref());
    let who = (owner(&oneself, device.as_ref()), oneself.holder(&state));
    let current = change.current_password.as_ref().map(SecretText::expose).unwrap_or_default();
    let begun = email::begin_change(&state, &context, who, (current, &change.email)).await?;
    let wait = |action| oneself.wait(&state, &context, action);
    begun.map(EmailCodeSent::answer).map_err(|complaints| {
        let waits = [Action::Reauthenticate, Action::RequestMail, Action::ChangeAddress].map(wait);
        refused(&complaints, || waits.into_iter().fold(Seconds(1), Seconds::max))
    })
}

/// Ask for a code to the e-mail address that one has and that was not proved.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/email/verification", tag = "account",
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 202, body = EmailCodeSent), Errors))]
pub(super) async fn verify_email(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let sent = email::begin_verification(&state, &context, (oneself.user, oneself.holder(&state))).await?;
    match sent.ok_or_else(ApiError::nothing_to_verify)? {
        Ok(id) => Ok(EmailCodeSent::answer(id)),
        Err(complaints) => {
            let wait = |action| oneself.wait(&state, &context, action);
            Err(refused(&complaints, || wait(Action::RequestMail).max(wait(Action::ChangeAddress))))
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailedCode {
    /// Of the answer to the request for the code.
    id: String,
    code: SecretText,
    /// What the code was asked for.
    #[serde(default)]
    purpose: CodeFor,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CodeFor {
    /// Another address.
    #[default]
    Change,
    /// The address that one has.
    Verification,
}

/// Prove an e-mail address with the code that was mailed to it. The address at which one was reached before is told.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/email/confirm", tag = "account", request_body = MailedCode,
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn confirm_email(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(mailed): ApiJson<MailedCode>,
) -> Result<StatusCode, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let purpose = match mailed.purpose {
        CodeFor::Change => Purpose::ChangeEmail,
        CodeFor::Verification => Purpose::VerifyEmail,
    };
    let shown = (mailed.id.as_str(), mailed.code.expose(), purpose);
    match email::finish(&state, &context, (oneself.user, oneself.holder(&state)), shown).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(complaint) => {
            let id = mailed.id.as_str();
            let subject = Subject::new(context.address).account(id).session(id);
            Err(refused(&[complaint], || state.guard.wait(Action::Code, &subject, context.now)))
        }
    }
}
