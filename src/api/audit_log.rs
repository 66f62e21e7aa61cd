//! `/api/v1/admin/audit-log`: what happened.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{AuditRead, Authorized};
use super::error::ApiError;
use super::openapi::Errors;
use super::paging::{self, List, ListQuery, Paging};
use super::route::{ApiRouter, routes};
use super::stream;
use super::time::Time;
use crate::audit::Kind;
use crate::audit::export::{Export, Format};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{self, AuditFilter, Entry, Outcome};
use crate::web::context::RequestContext;

/// The routes about the audit log.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list)).routes(routes!(export))
}

/// One security event.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// In the order of time.
    id: String,
    /// Its place in the chain; absent for the second or so until it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
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
            sequence: entry.sequence,
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
    /// `wrong_password`
    reason: Option<String>,
    /// Who did it: the id of a person or a client.
    actor_id: Option<String>,
    /// The person that it was done to.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[param(value_type = Option<String>)]
    client_id: Option<ClientId>,
    /// Where it came from.
    address: Option<String>,
    trace_id: Option<String>,
    /// Not before this time (RFC 3339).
    from: Option<String>,
    /// Before this time (RFC 3339).
    until: Option<String>,
}

impl Filter {
    fn read(self) -> Result<AuditFilter, ApiError> {
        Ok(AuditFilter {
            from: instant("from", self.from.as_deref())?,
            until: instant("until", self.until.as_deref())?,
            kind: self.kind,
            outcome: self.outcome,
            reason: self.reason,
            actor_id: self.actor_id,
            user_id: self.user_id,
            client_id: self.client_id,
            address: self.address,
            trace_id: self.trace_id,
        })
    }
}

/// List security events, the newest first.
#[utoipa::path(get, path = "/admin/audit-log", tag = "audit", params(Paging, Filter), security(("oauth2" = ["audit:read"]), ("session" = [])),
    responses((status = 200, body = List<AuditEntry>), Errors))]
async fn list(
    _: Authorized<AuditRead>,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let mut conn = state.db.read().await?;
    let found = audit::list(&mut conn, &filter.read()?, &page).await?;
    Ok(Json(List::of(found, AuditEntry::from)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FormatQuery {
    /// `jsonl` if not given: a line of JSON for each entry, as `ostiary audit export` writes them. Or `csv`.
    #[param(value_type = Option<String>, example = "csv")]
    format: Option<Format>,
}

/// Take a copy of security events, the oldest first, as JSON lines or as CSV. It is recorded that you did.
#[utoipa::path(get, path = "/admin/audit-log/export", tag = "audit", params(FormatQuery, Filter),
    security(("oauth2" = ["audit:read"]), ("session" = [])),
    responses((status = 200, content((String = "application/x-ndjson"), (String = "text/csv"))), Errors))]
async fn export(
    caller: Authorized<AuditRead>,
    State(state): State<AppState>,
    context: RequestContext,
    FormattedQuery { format, filter }: FormattedQuery,
) -> Result<Response, ApiError> {
    let filter = filter.read()?;
    let mut event = caller.event(Kind::AuditExported, &context);
    event.details.insert("format".to_owned(), format.as_str().into());
    state.db.write(async |tx| audit::insert(tx, &event).await).await?;
    // Not the key, though it is sealed: whoever is to verify the copy has the installation.
    let mut export = Export::open(&state.db, filter, format, None, context.now).await?;
    let (pieces, body) = stream::body();
    tokio::spawn(async move {
        let ended = loop {
            match export.next().await {
                Ok(Some(lines)) => {
                    if !pieces.send(lines).await {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "an export of the audit log was broken off");
            pieces.fail(error).await;
        }
    });
    let named = HeaderValue::from_static(match format {
        Format::Jsonl => "attachment; filename=\"audit-log.jsonl\"",
        Format::Csv => "attachment; filename=\"audit-log.csv\"",
    });
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_DISPOSITION, named),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((fields, body).into_response())
}

/// A filter and the format of what it lets through.
#[derive(Debug)]
struct FormattedQuery {
    format: Format,
    filter: Filter,
}

impl<S: Send + Sync> FromRequestParts<S> for FormattedQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let (FormatQuery { format }, filter) = paging::split(parts, &["format"])?;
        Ok(Self { format: format.unwrap_or_default(), filter })
    }
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    text.map(|text| Timestamp::parse_rfc3339(text).ok_or_else(|| ApiError::invalid_parameter(field, "not_a_time"))).transpose()
}
