//! `/api/v1/admin/keys`: the server's own keys, without what is secret of them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authorization::{Authorized, KeysRead, KeysWrite};
use super::body::ApiJson;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::List;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind;
use crate::keys::store::{KeyError, Rotation, When};
use crate::protocol::id::KeyId;
use crate::protocol::jwk::KeyAlgorithm;
use crate::state::AppState;
use crate::storage::signing_keys::{self, KeyState, SigningKey};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The routes about keys.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list)).routes(routes!(rotate))
}

/// A key that signs, or that others encrypt with.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    #[schema(value_type = String)]
    kid: KeyId,
    alg: KeyAlgorithm,
    /// `published`, `signing` or `retired`. All that sign are in the JWKS. Of those that others encrypt with, which decrypt whatever
    /// their state, it is the one whose state is `signing`.
    #[schema(value_type = String)]
    state: KeyState,
    created_at: Time,
    /// When it began to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_at: Option<Time>,
    /// When it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Time>,
    /// The public half (RFC 7517).
    public_jwk: serde_json::Value,
}

impl From<SigningKey> for KeyView {
    fn from(key: SigningKey) -> Self {
        Self {
            kid: key.id,
            alg: key.algorithm,
            state: key.state,
            created_at: Time(key.created_at),
            signing_at: key.signing_at.map(Time),
            retired_at: key.retired_at.map(Time),
            public_jwk: key.public_jwk,
        }
    }
}

/// List the keys, the oldest first.
#[utoipa::path(get, path = "/admin/keys", tag = "keys", security(("oauth2" = ["keys:read"]), ("session" = [])),
    responses((status = 200, body = List<KeyView>), Errors))]
async fn list(_: Authorized<KeysRead>, State(state): State<AppState>) -> Result<Json<List<KeyView>>, ApiError> {
    let mut conn = state.db.read().await?;
    let keys = signing_keys::list(&mut conn).await?;
    Ok(Json(List { items: keys.into_iter().map(KeyView::from).collect(), next: None }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateKey {
    alg: KeyAlgorithm,
    #[serde(default)]
    when: Moment,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Moment {
    /// The next key is published now and signs when everybody who keeps the JWKS has had time to learn of it.
    #[default]
    Published,
    /// The next key signs now, because the present one may have been stolen. Who keeps the JWKS refuses the new tokens until
    /// they ask again.
    Now,
}

/// What the rotation came to.
#[derive(Debug, Serialize, ToSchema)]
struct Rotated {
    #[schema(value_type = String)]
    kid: KeyId,
    #[schema(value_type = String)]
    state: KeyState,
    /// When it will sign, if it does not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_at: Option<Time>,
}

/// Bring the next key of an algorithm into use.
#[utoipa::path(post, path = "/admin/keys/rotate", tag = "keys", request_body = RotateKey,
    security(("oauth2" = ["keys:write"]), ("session" = [])), responses((status = 200, body = Rotated), Errors))]
async fn rotate(
    caller: Authorized<KeysWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<RotateKey>,
) -> Result<Json<Rotated>, ApiError> {
    if !state.keys.kept().contains(&request.alg) {
        return Err(ApiError::invalid(vec![Detail::new("alg", "not_configured")]));
    }
    let when = match request.when {
        Moment::Published => When::Known,
        Moment::Now => When::Now,
    };
    let event = caller.event(Kind::KeyRotated, &context);
    match state.keys.rotate(&state.db, request.alg, when, &event).await.map_err(failed)? {
        Rotation::Published { kid, signs_at } => {
            Ok(Json(Rotated { kid, state: KeyState::Published, signs_at: Some(Time(signs_at)) }))
        }
        Rotation::Signing { kid } => Ok(Json(Rotated { kid, state: KeyState::Signing, signs_at: None })),
        Rotation::Overtaken => Err(ApiError::overtaken()),
    }
}

fn failed(error: KeyError) -> ApiError {
    match error {
        KeyError::Storage(error) => error.into(),
        error => Problem::internal(error).into(),
    }
}
