//! The JSON management API, below `{issuer}/api/v1`.
//!
//! A handler is a function with a `utoipa::path` attribute, from which its route and its description are both made: there is
//! no route that the description does not know, and none the other way round.

pub mod audit_log;
pub mod auth;
pub mod authorization;
pub mod body;
pub mod client_registration_tokens;
pub mod clients;
mod complaint;
mod cross_origin;
pub mod error;
mod explain;
pub mod invitations;
pub mod keys;
pub mod lockouts;
pub mod me;
pub mod openapi;
pub mod paging;
pub mod path;
pub mod precondition;
pub mod profile;
pub mod resources;
mod route;
pub mod sessions;
mod stream;
pub mod time;
pub mod users;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};

use self::body::MaxBody;
use self::error::ApiError;
use self::route::ApiRouter;
use crate::state::AppState;

/// Where the API stands, below the issuer's path.
pub const PATH: &str = "/api/v1";

/// The API's routes, to be nested at [`PATH`].
pub fn router(state: &AppState) -> Router<AppState> {
    let (protected, protected_routes) = protected().into_parts();
    let (open, mut routes) = open().into_parts();
    routes.extend(protected_routes);
    let description = openapi::Description::new(routes);
    protected
        .route_layer(from_fn_with_state(state.clone(), authorization::authenticate))
        .merge(open.layer(Extension(description)))
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(state.clone(), cross_origin::allow))
        .layer(from_fn_with_state(state.clone(), error::render))
}

/// The routes that find out themselves who calls, or let anybody.
fn open() -> ApiRouter {
    openapi::routes().merge(auth::routes().route_layer(Extension(MaxBody::SMALL)))
}

/// The routes that need a caller who may use them.
fn protected() -> ApiRouter {
    ApiRouter::new()
        .merge(users::routes())
        .merge(invitations::routes())
        .merge(clients::routes())
        .merge(client_registration_tokens::routes())
        .merge(resources::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(lockouts::routes())
        .merge(audit_log::routes())
        .merge(explain::routes())
        .merge(me::routes().route_layer(Extension(MaxBody::SMALL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_schemas_have_one_name() {
        let (_, mut routes) = open().into_parts();
        routes.extend(protected().into_parts().1);
        assert_eq!(routes.clashes(), Vec::<String>::new());
    }
}
