//! `/api/v1/admin/lockouts`: accounts that strangers may not try to get into, and addresses that nobody logs in from; what an
//! administrator says about it.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{Authorized, UsersRead, UsersWrite};
use super::error::ApiError;
use super::openapi::Errors;
use super::paging::{List, ListQuery, Paging};
use super::path::ApiPath;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind as AuditKind;
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::login_failures::{self, Kind, LockoutFilter, LoginFailures, Review};
use crate::storage::{self, users};
use crate::web::context::RequestContext;

/// The routes about lockouts.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list)).routes(routes!(release)).routes(routes!(keep))
}

/// A lock, and why it is there.
#[derive(Debug, Serialize, ToSchema)]
pub struct LockoutView {
    id: String,
    kind: Locked,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in_name: Option<String>,
    /// An IPv4 address, or an IPv6 network of 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Failed logins without a success between them.
    failures: i64,
    first_failure_at: Time,
    last_failure_at: Time,
    /// Since when.
    locked_at: Time,
    /// When it ends by itself. An account's ends when its password is reset, a passkey is used, or it is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until: Option<Time>,
    /// When an administrator looked at it and left it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Locked {
    /// Its password opens nothing on devices that are not known.
    Account,
    /// Nobody logs in from there.
    Address,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// Too many failed logins in a row.
    PasswordGuessing,
    /// Failed logins at too many accounts.
    CredentialStuffing,
}

impl LockoutView {
    fn new(row: LoginFailures, sign_in_name: Option<String>) -> Self {
        let (kind, reason) = match row.kind {
            Kind::Address => (Locked::Address, Reason::CredentialStuffing),
            Kind::Account | Kind::Device => (Locked::Account, Reason::PasswordGuessing),
        };
        let kept = row.review == Some(Review::Kept);
        Self {
            id: login_failures::hex(&row.key),
            kind,
            reason,
            user_id: row.user_id,
            sign_in_name,
            address: row.address,
            failures: row.consecutive,
            first_failure_at: Time(row.first_at),
            last_failure_at: Time(row.last_at),
            locked_at: Time(row.locked_at.unwrap_or(row.last_at)),
            locked_until: row.locked_until.map(Time),
            kept_at: row.reviewed_at.filter(|_| kept).map(Time),
            kept_by: row.reviewed_by.filter(|_| kept),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[param(inline)]
    kind: Option<Locked>,
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Only those that nobody has looked at yet.
    #[serde(default)]
    unreviewed: bool,
}

/// List the accounts and addresses that are locked.
#[utoipa::path(get, path = "/admin/lockouts", tag = "users", params(Paging, Filter), security(("oauth2" = ["users:read"]), ("session" = [])),
    responses((status = 200, body = List<LockoutView>), Errors))]
async fn list(
    _: Authorized<UsersRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Json<List<LockoutView>>, ApiError> {
    let kind = filter.kind.map(|kind| match kind {
        Locked::Account => Kind::Account,
        Locked::Address => Kind::Address,
    });
    let filter = LockoutFilter { now: context.now, kind, user_id: filter.user_id, unreviewed: filter.unreviewed };
    let mut conn = state.db.read().await?;
    let found = login_failures::list(&mut conn, &filter, &page).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for row in found.items {
        let user = match &row.user_id {
            Some(id) => users::by_id(&mut conn, id).await?,
            None => None,
        };
        items.push(LockoutView::new(row, user.map(|user| user.sign_in_name.as_str().to_owned())));
    }
    Ok(Json(List { items, next: found.next }))
}

/// Let a locked account or a blocked address in again: its failures are forgotten.
#[utoipa::path(post, path = "/admin/lockouts/{lockout_id}/release", tag = "users", params(("lockout_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn release(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let row = review(&state, &caller, &context, &id, Review::Released).await?;
    if let Some(user_id) = &row.user_id {
        state.guard.forgive(user_id).await;
    }
    if let Some(name) = &row.address {
        state.guard.forgive_network(name).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Leave it locked, and take it from the list of those that nobody has looked at.
#[utoipa::path(post, path = "/admin/lockouts/{lockout_id}/keep", tag = "users", params(("lockout_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn keep(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    review(&state, &caller, &context, &id, Review::Kept).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes the decision down. Whoever may not change a person may not unlock them either.
async fn review(
    state: &AppState,
    caller: &Authorized<UsersWrite>,
    context: &RequestContext,
    id: &str,
    decision: Review,
) -> Result<LoginFailures, ApiError> {
    let key = login_failures::from_hex(id).ok_or_else(ApiError::not_found)?;
    let (row, user) = {
        let mut conn = state.db.read().await?;
        let row = login_failures::by_key(&mut conn, &key).await?.filter(|row| row.kind != Kind::Device);
        let row = row.ok_or_else(ApiError::not_found)?;
        let user = match &row.user_id {
            Some(id) => users::by_id(&mut conn, id).await?,
            None => None,
        };
        (row, user)
    };
    if let Some(user) = &user {
        caller.0.reaches(&user.roles, &state.config.admin)?;
    }
    let kind = if decision == Review::Released { AuditKind::LockoutReleased } else { AuditKind::LockoutKept };
    let mut event = Event { user_id: row.user_id.clone(), ..caller.event(kind, context) };
    if let Some(address) = &row.address {
        event.details.insert("address".to_owned(), address.as_str().into());
    }
    let actor = caller.0.actor();
    let written = state
        .db
        .write(async |tx| {
            if !login_failures::review(tx, &key, decision, actor.id(), context.now).await? {
                return Ok(false);
            }
            storage::audit::insert(tx, &event).await?;
            Ok::<_, storage::error::Error>(true)
        })
        .await?;
    if written { Ok(row) } else { Err(ApiError::not_found()) }
}
