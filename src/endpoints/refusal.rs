//! Records the refusals of the endpoints that clients call directly, and renders them.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::audit::{self, Kind};
use crate::protocol::client::Client;
use crate::protocol::client_auth::claimed_client;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::web::context::RequestContext;
use crate::web::error::{Error, Problem};

/// Whoever asks did not prove to be a client: recorded through the queue, which a flood can't fill the database by.
pub fn unauthenticated(state: &AppState, context: &RequestContext, params: &Params, problem: Problem) -> Response {
    record_unauthenticated(state, context, params, &problem);
    Error(problem).into_response()
}

/// The same, without the answer.
pub fn record_unauthenticated(state: &AppState, context: &RequestContext, params: &Params, problem: &Problem) {
    if !problem.status.is_server_error() {
        let client_id = claimed_client(params).filter(|id| state.clients.is_cached(id));
        state.refusals.refused(Event { client_id, ..audit::refused(Kind::ClientAuthentication, context, problem.reason) });
    }
}

/// A client is refused. One that proved who it is has its refusal on record before it is answered; a public client, who
/// may be anybody, goes through the queue; and so does whoever asks too often.
pub async fn of_client(state: &AppState, context: &RequestContext, client: &Client, kind: Kind, problem: Problem) -> Response {
    match record_of_client(state, context, client, kind, &problem).await {
        Ok(()) => Error(problem).into_response(),
        Err(error) => Error::from(error).into_response(),
    }
}

/// The same, without the answer.
pub async fn record_of_client(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    kind: Kind,
    problem: &Problem,
) -> Result<(), crate::storage::error::Error> {
    if problem.status.is_server_error() {
        return Ok(());
    }
    let event = Event { client_id: Some(client.id.clone()), ..audit::refused(kind, context, problem.reason) };
    if client.is_public() || problem.status == StatusCode::TOO_MANY_REQUESTS {
        state.refusals.refused(event);
        return Ok(());
    }
    let event = Event { actor: Actor::Client(client.id.clone()), ..event };
    state.db.write(async |tx| crate::storage::audit::insert(tx, &event).await).await
}
