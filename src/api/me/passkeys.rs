//! `/api/v1/users/me/passkeys`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::oneself::Oneself;
use super::settle;
use crate::account::name;
use crate::account::passkeys::{self, Removal};
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::body::{ApiJson, SecretText};
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::api::paging::List;
use crate::api::path::ApiPath;
use crate::api::users::factors::{PasskeyView, passkeys_of};
use crate::audit::{self, Kind};
use crate::authn::passkey::Refusal;
use crate::flow::passkey::{Answer, Counterpart, Question};
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::web::context::RequestContext;

/// List one's passkeys, the oldest first.
#[utoipa::path(get, path = "/users/me/passkeys", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<PasskeyView>), Errors))]
pub(super) async fn list(
    caller: Authorized<AccountRead>,
    State(state): State<AppState>,
) -> Result<Json<List<PasskeyView>>, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    Ok(Json(List { items: passkeys_of(&mut state.db.read().await?, &user.id).await?, next: None }))
}

/// Ask for a new passkey: the options for `navigator.credentials.create()`, and a challenge that comes back with what it gives,
/// within five minutes.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/passkeys/options", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 200, body = Question), Errors))]
pub(super) async fn options(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<Json<Question>, ApiError> {
    let Oneself { user, secret, .. } = Oneself::fresh(&caller.0, &state, &context).await?;
    let question = Counterpart { state: &state, context: &context, holder: &secret }.ask_for_new(user).await?;
    question.map(Json).ok_or_else(ApiError::not_found)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {
    /// Of the options.
    challenge: SecretText,
    /// `PublicKeyCredential.toJSON()` (WebAuthn Level 3 §5.1).
    #[schema(value_type = Object)]
    credential: Map<String, Value>,
    /// One line, 64 characters at most; called after the device when absent.
    #[schema(max_length = 64)]
    name: Option<String>,
}

/// Set up a passkey that was made with the options. An answer counts once, right or wrong.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(post, path = "/users/me/passkeys", tag = "account", request_body = NewPasskey,
    security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 201, body = PasskeyView, headers(("Location" = String))), Errors))]
pub(super) async fn create(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(new): ApiJson<NewPasskey>,
) -> Result<Response, ApiError> {
    let Oneself { user, secret, .. } = Oneself::fresh(&caller.0, &state, &context).await?;
    let counterpart = Counterpart { state: &state, context: &context, holder: &secret };
    let credential = Value::Object(new.credential).to_string();
    let answer = Answer { challenge: new.challenge.expose(), credential: &credential };
    let named = name(new.name.as_deref().unwrap_or_default()).or_else(|| name(&context.device_name()));
    match counterpart.enrol(user, answer, named.as_deref().unwrap_or("Passkey")).await? {
        Ok(passkey) => {
            let location = state.path(&format!("/api/v1/users/me/passkeys/{}", passkey.id));
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(PasskeyView::new(passkey))).into_response())
        }
        Err(refusal) => {
            refused(&state, &context, &user.id, Kind::PasskeyAdded, refusal);
            Err(match refusal {
                Refusal::TAKEN => ApiError::passkey_taken(),
                Refusal::UNTRUSTED => ApiError::passkey_untrusted(),
                Refusal::TOO_MANY => ApiError::too_many_passkeys(),
                Refusal::USER_DISABLED => ApiError::unauthenticated(),
                _ => ApiError::invalid_passkey(),
            })
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyName {
    /// One line, 64 characters at most.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// Call a passkey something else.
#[utoipa::path(patch, path = "/users/me/passkeys/{passkey_id}", tag = "account", params(("passkey_id" = String, Path)),
    request_body = PasskeyName, security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn rename(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(new): ApiJson<PasskeyName>,
) -> Result<StatusCode, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    let name = name(&new.name).ok_or_else(|| ApiError::invalid(vec![Detail::new("name", "empty")]))?;
    let renamed = passkeys::rename(&state, &context, user, (&id, &name)).await?;
    if renamed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

/// Remove a passkey, unless it is needed to log in.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me/passkeys/{passkey_id}", tag = "account", params(("passkey_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn remove(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let user = Oneself::fresh(&caller.0, &state, &context).await?.user;
    let removal = passkeys::remove(&state, &context, user, &id).await?;
    if removal == Removal::MustStay {
        refused(&state, &context, &user.id, Kind::PasskeyRemoved, Refusal::LAST_FACTOR);
    }
    settle(removal)
}

/// Records a refusal. The caller is told less.
pub(super) fn refused(state: &AppState, context: &RequestContext, user: &UserId, kind: Kind, refusal: Refusal) {
    let event = audit::refused(kind, context, refusal.0);
    state.refusals.refused(Event { actor: Actor::User(user.clone()), user_id: Some(user.clone()), ..event });
}
