//! `/api/v1/admin/audit-log`: what happened.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{AuditRead, Authorized};
use super::error::ApiError;
use super::openapi::Errors;
use super::paging::{List, ListQuery, Paging};
use super::route::{ApiRouter, routes};
use super::time::{self, Time};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{self, AuditFilter, Entry, Outcome};

/// The routes about the audit log.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list))
}

/// One security event.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// In the order of time.
    id: String,
    occurred_at: Time,
    /// A stable word such as `user.login`.
    #[serde(rename = "type")]
    kind: String,
    /// `success`, `refused` or `failed`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// Why it was refused or failed: a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    actor: ActorView,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    client_id: Option<ClientId>,
    /// The person that it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Of the request, as its answer and the log name it.
    trace_id: String,
    /// How often: more than once when repeats were folded into one.
    count: i64,
    details: Map<String, Value>,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
struct ActorView {
    /// `anonymous`, `user`, `client`, `system` or `command_line`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// Of a person or a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            occurred_at: Time(entry.at),
            kind: entry.kind,
            outcome: entry.outcome,
            reason: entry.reason,
            actor: ActorView { kind: entry.actor.kind(), id: entry.actor.id().map(str::to_owned) },
            client_id: entry.client_id,
            user_id: entry.user_id,
            address: entry.address,
            trace_id: entry.trace_id,
            count: entry.count,
            details: entry.details,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `user.login`
    #[serde(rename = "type")]
    kind: Option<String>,
    #[param(value_type = Option<String>, example = "refused")]
    outcome: Option<Outcome>,
    /// The person that it was done to.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[param(value_type = Option<String>)]
    client_id: Option<ClientId>,
    trace_id: Option<String>,
    /// Not before this time (RFC 3339).
    from: Option<String>,
    /// Before this time (RFC 3339).
    until: Option<String>,
}

/// List security events, the newest first.
#[utoipa::path(get, path = "/admin/audit-log", tag = "audit", params(Paging, Filter), security(("oauth2" = ["audit:read"]), ("session" = [])),
    responses((status = 200, body = List<AuditEntry>), Errors))]
async fn list(
    _: Authorized<AuditRead>,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let filter = AuditFilter {
        from: instant("from", filter.from.as_deref())?,
        until: instant("until", filter.until.as_deref())?,
        kind: filter.kind,
        outcome: filter.outcome,
        user_id: filter.user_id,
        client_id: filter.client_id,
        trace_id: filter.trace_id,
    };
    let mut conn = state.db.read().await?;
    let found = audit::list(&mut conn, &filter, &page).await?;
    Ok(Json(List::of(found, AuditEntry::from)))
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    text.map(|text| time::parse(text).ok_or_else(|| ApiError::invalid_parameter(field, "not_a_time"))).transpose()
}
