//! How often a caller may call, and the fields that say so (draft-ietf-httpapi-ratelimit-headers).

use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::api::error::ApiError;
use crate::guard::gcra::{self, Decision};
use crate::guard::limit::Action;
use crate::guard::{Standing, Subject, Verdict};
use crate::protocol::dpop;
use crate::state::AppState;
use crate::web::bearer;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts a request by its access token or session, before anything is looked up. One without either is counted when it is
/// refused.
pub async fn admit(
    state: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Option<Standing>, (ApiError, Option<Standing>)> {
    look(state, context).map_err(|error| (error, None))?;
    let subject = Subject::new(context.address);
    // The token itself, however the field around it is spelled; what is no token is refused, and counted as that.
    let token = match bearer::presented(headers, None, None) {
        Ok(None) if !headers.contains_key(header::AUTHORIZATION) => state.cookies.read(headers, Cookie::Session),
        Ok(presented) => presented.map(|presented| presented.token),
        Err(_) => None,
    };
    let Some(token) = token else { return Ok(None) };
    let (verdict, standing) = state.guard.standing(Action::Api, &subject.token(token), context.now).await;
    match verdict {
        Verdict::Refused { retry_after } => Err((ApiError::too_many(retry_after), standing)),
        Verdict::Allowed | Verdict::Challenge => Ok(standing),
    }
}

/// Whether credentials that count for nothing came from the sender too often. Nothing is counted.
pub fn look(state: &AppState, context: &RequestContext) -> Result<(), ApiError> {
    match state.guard.look(Action::FailApi, &Subject::new(context.address), context.now) {
        Verdict::Refused { retry_after } => Err(ApiError::too_many(retry_after)),
        Verdict::Allowed | Verdict::Challenge => Ok(()),
    }
}

/// Counts a request whose credentials count for nothing. To ask for a nonce says nothing against them (RFC 9449 §9).
pub async fn failed(state: &AppState, context: &RequestContext, error: &ApiError) {
    if error.reason() == dpop::NONCE.reason {
        return;
    }
    // The next one learns of it.
    let _ = state.guard.admit(Action::FailApi, &Subject::new(context.address), context.now).await;
}

/// Tells the caller how the bucket stands.
pub fn with_fields(mut response: Response, standing: Option<Standing>, context: &RequestContext) -> Response {
    let Some(Standing { name, rate, decision }) = standing else { return response };
    let (left, micros) = match decision {
        Decision::Allowed { full_at, remaining } => (remaining, full_at.saturating_sub(context.now.as_micros())),
        Decision::Refused { retry_after } => (0, retry_after),
    };
    let seconds = |micros: i64| micros.max(0).saturating_add(999_999) / 1_000_000;
    let policy = format!("\"{name}\";q={};w={}", rate.burst(), seconds(gcra::capacity(rate)));
    let limit = format!("\"{name}\";r={left};t={}", seconds(micros));
    for (field, value) in [(POLICY, policy), (LIMIT, limit)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(field, value);
        }
    }
    response
}
