//! The cheap limits that come before a body is read: by the sender's address alone.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::api::authorization::limit;
use crate::api::error::ApiError;
use crate::audit::{self, Kind};
use crate::flow::admission::{Limited, admit};
use crate::state::AppState;
use crate::web::context::RequestContext;

/// The sender may try.
#[derive(Debug)]
pub(super) struct Admitted<L> {
    pub(super) needs_proof: bool,
    limited: PhantomData<L>,
}

impl<L: Limited> FromRequestParts<AppState> for Admitted<L> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        Ok(Self { needs_proof: admit::<L>(state, &context).await?, limited: PhantomData })
    }
}

/// Not too much of what the sender sent lately counted for nothing. Nothing is counted here: what comes with a token of ours comes
/// from a back end's one address for all its people.
#[derive(Debug)]
pub(super) struct Unsuspected;

impl FromRequestParts<AppState> for Unsuspected {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        limit::look(state, &context).inspect_err(|error| {
            state.refusals.refused(audit::refused(Kind::ApiRefused, &context, error.reason()));
        })?;
        Ok(Self)
    }
}
