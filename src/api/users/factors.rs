//! A person's second factors: what they have, and taking it all away for somebody who lost it.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::load;
use crate::account::end_everything;
use crate::api::authorization::{Authorized, UsersRead, UsersWrite};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::path::ApiPath;
use crate::api::time::Time;
use crate::audit::Kind;
use crate::authn::passkey::Traits;
use crate::outbound::mail::{self, Factor, Message, Outbox};
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::db::{Conn, Tx};
use crate::storage::error::Error as StorageError;
use crate::storage::passkeys::Passkey;
use crate::storage::users::User;
use crate::storage::{self, factors, passkeys, recovery_codes, totp_factors, users};
use crate::web::context::RequestContext;

/// What a person can prove who they are with.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorsView {
    password: bool,
    /// The authenticator app.
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<TotpView>,
    /// How many are not used yet.
    recovery_codes_left: i64,
    passkeys: Vec<PasskeyView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TotpView {
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
}

/// A passkey: what is known of it, without its key.
#[derive(Debug, Serialize, ToSchema)]
pub struct PasskeyView {
    /// The credential's id, in base64url.
    id: String,
    /// As its owner named it.
    name: String,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
    /// It may be on several devices.
    synchronised: bool,
    /// It makes sure that it is its owner who uses it: one can log in with it alone.
    verifies_user: bool,
}

impl PasskeyView {
    pub(in crate::api) fn new(passkey: Passkey) -> Self {
        let traits = Traits::of(&passkey);
        Self {
            id: passkey.id,
            name: passkey.name,
            created_at: Time(passkey.created_at),
            last_used_at: passkey.last_used_at.map(Time),
            synchronised: traits.is_synchronised,
            verifies_user: traits.verifies_user,
        }
    }
}

/// Show a person's factors.
#[utoipa::path(get, path = "/admin/users/{user_id}/factors", tag = "users", params(("user_id" = String, Path)),
    security(("oauth2" = ["users:read"]), ("session" = [])), responses((status = 200, body = FactorsView), Errors))]
pub(super) async fn list(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Json<FactorsView>, ApiError> {
    factors_of(&state, &load(&state, &id).await?.0).await
}

/// For an administrator, and for the person themselves.
pub(in crate::api) async fn factors_of(state: &AppState, user: &User) -> Result<Json<FactorsView>, ApiError> {
    let mut conn = state.db.read().await?;
    let totp = totp_factors::load(&mut conn, &user.id).await?;
    Ok(Json(FactorsView {
        password: user.password_hash.is_some(),
        totp: totp.map(|totp| TotpView { created_at: Time(totp.created_at), last_used_at: totp.last_used_at.map(Time) }),
        passkeys: passkeys_of(&mut conn, &user.id).await?,
        recovery_codes_left: recovery_codes::left(&mut conn, &user.id).await?,
    }))
}

pub(in crate::api) async fn passkeys_of(conn: &mut Conn, user: &UserId) -> Result<Vec<PasskeyView>, StorageError> {
    Ok(passkeys::list(conn, user).await?.into_iter().map(PasskeyView::new).collect())
}

/// Take away all second factors of a person who lost them: the authenticator app, the recovery codes, the passkeys.
///
/// It ends their sessions and everything that applications were given on their behalf, and they are told by mail. One's own
/// can't be taken away here: `/users/me/factors` and the account's pages ask for a proof first.
#[utoipa::path(delete, path = "/admin/users/{user_id}/factors", tag = "users", params(("user_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn reset(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode, ApiError> {
    let (user, _) = load(&state, &id).await?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    if caller.0.user_id() == Some(&id) {
        return Err(ApiError::own_factors());
    }
    let mut event = caller.event(Kind::FactorsReset, &context);
    event.user_id = Some(id);
    let written = state
        .db
        .write(async |tx| {
            // Only while the person is as they were when it was decided that the caller may do this.
            if !users::update(tx, &user, user.version).await? {
                return Ok(false);
            }
            take_away(tx, &state.outbox, &user, &event).await?;
            Ok(true)
        })
        .await?;
    if written { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::precondition_failed()) }
}

/// Take away one passkey of a person, who lost it or from whom it was stolen. The others stay.
///
/// It ends their sessions and everything that applications were given on their behalf, and they are told by mail. It may have been
/// their last way in. One's own are removed at `/users/me/passkeys`, which asks for a proof first.
#[utoipa::path(delete, path = "/admin/users/{user_id}/passkeys/{passkey_id}", tag = "users",
    params(("user_id" = String, Path), ("passkey_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn remove_passkey(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath((id, passkey)): ApiPath<(UserId, String)>,
) -> Result<StatusCode, ApiError> {
    let (user, _) = load(&state, &id).await?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    if caller.0.user_id() == Some(&id) {
        return Err(ApiError::own_factors());
    }
    let mut event = caller.event(Kind::PasskeyRemoved, &context);
    event.user_id = Some(id);
    event.details.insert("passkey".to_owned(), passkey.as_str().into());
    if passkeys::list(&mut state.db.read().await?, &user.id).await?.iter().all(|found| found.id != passkey) {
        return Err(ApiError::not_found());
    }
    let removed = state.db.write(async |tx| {
        // Only while the person is as they were when it was decided that the caller may do this.
        if !users::update(tx, &user, user.version).await? {
            return Ok(Err(ApiError::precondition_failed()));
        }
        let Some(name) = passkeys::delete(tx, &user.id, &passkey).await? else { return Ok(Err(ApiError::not_found())) };
        end_everything(tx, &user.id, None, context.now).await?;
        storage::audit::insert(tx, &event).await?;
        let message = Message::FactorRemoved { what: Factor::Passkey { name } };
        mail::notify(tx, &state.outbox, &user.id, message, context.now).await?;
        Ok(Ok(StatusCode::NO_CONTENT))
    });
    removed.await?
}

/// What the interface and the command line do alike.
pub async fn take_away(tx: &mut Tx, outbox: &Outbox, user: &User, event: &Event) -> Result<(), StorageError> {
    let removed = factors::remove_all(tx, &user.id).await?;
    end_everything(tx, &user.id, None, event.at).await?;
    let mut event = event.clone();
    event.details.extend([
        ("totp".to_owned(), removed.totp.into()),
        ("recovery_codes".to_owned(), removed.recovery_codes.into()),
        ("passkeys".to_owned(), removed.passkeys.into()),
    ]);
    storage::audit::insert(tx, &event).await?;
    mail::notify(tx, outbox, &user.id, Message::FactorsReset, event.at).await
}
