//! Whether the server lives and whether it can serve. A word, and nothing about the inside.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header;

use crate::state::AppState;

/// The process answers.
pub async fn live() -> Response {
    answer(StatusCode::OK, "live")
}

/// The database answers, and the server is not on its way out.
pub async fn ready(State(state): State<AppState>) -> Response {
    let ping = tokio::time::timeout(Duration::from_secs(1), state.db.ping());
    if state.is_shutting_down() || !matches!(ping.await, Ok(Ok(()))) {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    answer(StatusCode::OK, "ready")
}

fn answer(status: StatusCode, word: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], word).into_response()
}
