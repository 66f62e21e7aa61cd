//! Identifiers in the path of a URL.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, RawPathParams};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// One identifier, or a tuple of them. Text that can be none names nothing: 404. NUL is in none, and one of the databases can't even
/// look for it.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<S: Sync + Send, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())?;
        if raw.iter().any(|(_, text)| text.contains('\0')) {
            return Err(ApiError::not_found());
        }
        let found: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        found.map(|Path(ids)| Self(ids)).map_err(|_| ApiError::not_found())
    }
}
