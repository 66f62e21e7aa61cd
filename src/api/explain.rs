//! `/api/v1/admin/explain/{trace_id}`: why a request was refused.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::authorization::{AuditRead, Authorized};
use super::error::ApiError;
use super::openapi::Errors;
use super::path::ApiPath;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::explain::Explanation;
use crate::state::AppState;
use crate::telemetry::TraceId;

/// The route.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(explain))
}

/// A refused request.
#[derive(Debug, Serialize, ToSchema)]
struct Explained {
    occurred_at: Time,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Say why a request was refused: each check in order, what it saw, and what would have made it pass.
///
/// The trace id is the one that the error page, the error's `trace_id` or the X-Request-Id field showed. Refusals are kept for
/// `explain.days`, and not each one while very many come.
#[utoipa::path(get, path = "/admin/explain/{trace_id}", tag = "audit",
    params(("trace_id" = String, Path, description = "32 lower-case hexadecimal digits")),
    security(("oauth2" = ["audit:read"]), ("session" = [])), responses((status = 200, body = Explained), Errors))]
async fn explain(
    _: Authorized<AuditRead>,
    State(state): State<AppState>,
    ApiPath(trace_id): ApiPath<String>,
) -> Result<Json<Explained>, ApiError> {
    let trace_id = TraceId::parse(&trace_id).ok_or_else(|| ApiError::invalid_parameter("trace_id", "not_a_trace_id"))?;
    // Whoever asks at once has it still on its way.
    state.explanations.flush().await;
    let found = Explanation::load(&mut state.db.read().await?, trace_id).await?;
    let (at, explanation) = found.ok_or_else(ApiError::not_found)?;
    Ok(Json(Explained { occurred_at: Time(at), explanation }))
}
