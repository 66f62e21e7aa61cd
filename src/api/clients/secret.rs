//! A client's secrets: random, shown once, two valid while one replaces the other.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::load;
use crate::api::authorization::{Authorized, ClientsWrite};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::paging::ApiQuery;
use crate::api::path::ApiPath;
use crate::api::time::Time;
use crate::audit::Kind;
use crate::protocol::client::{Client, ClientSecret};
use crate::protocol::id::ClientId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::{self, clients};
use crate::web::context::RequestContext;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Overlap {
    /// Seconds that the present secret works on; the server's default, which is also the most, if not given. 0 when it may
    /// have been stolen.
    #[param(value_type = Option<i64>, minimum = 0)]
    overlap: Option<String>,
}

/// The new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewSecret {
    /// Shown once.
    client_secret: String,
    /// Until when the one before works too.
    previous_expires_at: Time,
}

/// Give a client a new secret. The present one works on for a while, so that the client can be changed over; one that was
/// replaced before is gone.
#[utoipa::path(post, path = "/admin/clients/{client_id}/secret", tag = "clients", params(("client_id" = String, Path), Overlap),
    security(("oauth2" = ["clients:write"]), ("session" = [])), responses((status = 200, body = NewSecret), Errors))]
pub(super) async fn reset(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ClientId>,
    ApiQuery(overlap): ApiQuery<Overlap>,
) -> Result<Json<NewSecret>, ApiError> {
    let longest = Seconds::hours(state.config.tokens.client_secret_overlap_hours);
    let overlap = match overlap.overlap {
        None => longest,
        Some(text) => match text.parse() {
            Ok(seconds) if (0..=longest.0).contains(&seconds) => Seconds(seconds),
            _ => return Err(ApiError::invalid_parameter("overlap", "out_of_range")),
        },
    };
    let client = load(&state, &id).await?;
    caller.0.reaches_client(&client.metadata)?;
    if client.is_public() {
        return Err(ApiError::public_client());
    }
    if !client.has_secret() {
        return Err(ApiError::client_without_secret());
    }
    let (secret, stored) = generate(&state, &client, context.now);
    let previous_expires_at = context.now + overlap;
    let mut event = Event { client_id: Some(id.clone()), ..caller.event(Kind::ClientSecretReset, &context) };
    event.details.insert("overlap".to_owned(), overlap.0.into());
    let written = state
        .db
        .write(async |tx| {
            // Only while it is as it was when it was decided that the caller may do this.
            if !clients::update(tx, &client, client.version).await? {
                return Ok(false);
            }
            clients::add_secret(tx, &id, &stored, previous_expires_at).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if !written {
        return Err(ApiError::overtaken());
    }
    Ok(Json(NewSecret { client_secret: secret, previous_expires_at: Time(previous_expires_at) }))
}

/// A new secret, and what is stored of it.
pub(super) fn generate(state: &AppState, client: &Client, now: Timestamp) -> (String, ClientSecret) {
    let secret = random::secret();
    let stored = state.client_secrets.stored(client, random::uuid(), &secret, now);
    (secret, stored)
}
