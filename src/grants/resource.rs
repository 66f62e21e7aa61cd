//! Access tokens at the resources that are our own: userinfo and the API. One that is bound to a key opens nothing without it.

use std::sync::Arc;

use super::access_token::{self, ActiveToken};
use super::possession;
use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::dpop;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::state::AppState;
use crate::storage::error::Error as StorageError;
use crate::web::bearer::{Presented, Way};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, reason, description)
}

pub const INACTIVE: OAuthError = invalid("token_inactive", "The access token is wrong, expired or revoked");
const OF_ANOTHER_KEY: OAuthError = invalid("token_of_another_key", "The access token is bound to another key");
const WITHOUT_PROOF: OAuthError = invalid("token_without_proof", "The access token is bound to a key: use the scheme DPoP");
const NOT_BOUND: OAuthError = invalid("token_not_bound", "The access token is bound to no key: use the scheme Bearer");
/// The client was registered for bound tokens since (RFC 9449 §5.2).
const TO_BE_BOUND: OAuthError = invalid("token_to_be_bound", "The client's access tokens have to be bound to a key");
const OF_ANOTHER_CERTIFICATE: OAuthError =
    invalid("token_of_another_certificate", "The access token is bound to another certificate");
/// RFC 9449 §7.1: the Authorization field alone.
const IN_BODY: OAuthError = OAuthError::new(
    ErrorCode::InvalidRequest,
    "bound_token_in_body",
    "An access token that is bound to a key belongs into the Authorization field",
);

/// Why a token opens nothing.
#[derive(Debug)]
pub enum Refused {
    /// The client is that of a token that counts.
    Token(OAuthError, Option<Arc<Client>>),
    Failed(Problem),
}

impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self::Failed(problem.into())
    }
}

/// The token of a request, if it counts and whoever sent it may use it.
pub async fn open(state: &AppState, context: &RequestContext, presented: Presented<'_>) -> Result<ActiveToken, Refused> {
    let Presented { token, way } = presented;
    let active = access_token::active(state, token, context.now).await?.ok_or(Refused::Token(INACTIVE, None))?;
    if active.claims.cnf.is_none() && active.client.metadata.binds_tokens() {
        return Err(Refused::Token(TO_BE_BOUND, Some(active.client)));
    }
    if let Err(error) = possession::signed_as_asked(context, &active.client) {
        return Err(Refused::Token(error, Some(active.client)));
    }
    match held(state, context, presented, active.claims.cnf).await? {
        Ok(()) => Ok(active),
        Err(error) if error == WITHOUT_PROOF && way == Way::Body => Err(Refused::Token(IN_BODY, Some(active.client))),
        Err(error) => Err(Refused::Token(error, Some(active.client))),
    }
}

/// Whether the sender has what the token is bound to (RFC 9449 §7.1, §7.2; RFC 8705 §3).
async fn held(
    state: &AppState,
    context: &RequestContext,
    Presented { token, way }: Presented<'_>,
    bound_to: Option<Confirmation>,
) -> Result<Result<(), OAuthError>, StorageError> {
    let key = match (bound_to, way) {
        (None, Way::Bearer | Way::Body) => return Ok(Ok(())),
        (None | Some(Confirmation::Certificate(_)), Way::Dpop) => return Ok(Err(NOT_BOUND)),
        (Some(Confirmation::Dpop(_)), Way::Bearer | Way::Body) => return Ok(Err(WITHOUT_PROOF)),
        (Some(Confirmation::Certificate(bound_to)), Way::Bearer | Way::Body) => {
            let is_held = context.certificate.as_ref().is_some_and(|certificate| certificate.thumbprint() == bound_to);
            return Ok(if is_held { Ok(()) } else { Err(OF_ANOTHER_CERTIFICATE) });
        }
        (Some(Confirmation::Dpop(key)), Way::Dpop) => key,
    };
    Ok(match state.proofs.key(context, Some(token)).await? {
        Ok(Some(proved)) if proved == key => Ok(()),
        Ok(Some(_)) => Err(OF_ANOTHER_KEY),
        Ok(None) => Err(dpop::MISSING),
        Err(error) => Err(error),
    })
}
