//! What a client proves to hold when it asks for tokens: they are bound to it.

use crate::protocol::client::Client;
use crate::protocol::confirmation::{Confirmation, Thumbprint};
use crate::protocol::dpop;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::dpop::algorithms;
use crate::web::error::Problem;

const CERTIFICATE_MISSING: OAuthError = OAuthError::new(
    ErrorCode::InvalidRequest,
    "certificate_missing",
    "The client's tokens are bound to a certificate, and there is none",
);

/// The certificate of a client whose tokens are bound to it (RFC 8705 §3); else the key of the request's DPoP proof, if it brings
/// one, which then has to be good (RFC 9449 §5). Some clients have to bring one.
pub async fn proved(state: &AppState, context: &RequestContext, client: &Client) -> Result<Option<Confirmation>, Problem> {
    if client.metadata.tls_client_certificate_bound_access_tokens {
        let certificate = context.certificate.as_deref().ok_or(CERTIFICATE_MISSING)?;
        return Ok(Some(Confirmation::Certificate(certificate.thumbprint())));
    }
    match key(state, context, client).await? {
        None if client.metadata.proves_keys() => Err(dpop::MISSING.into()),
        key => Ok(key.map(Confirmation::Dpop)),
    }
}

/// The key of the request's DPoP proof, if it brings one: a good proof, signed as the client's profile has it.
pub async fn key(state: &AppState, context: &RequestContext, client: &Client) -> Result<Option<Thumbprint>, Problem> {
    signed_as_asked(context, client)?;
    Ok(state.proofs.key(context, None).await??)
}

/// FAPI 2.0 Security Profile §5.4.1.
pub(super) fn signed_as_asked(context: &RequestContext, client: &Client) -> Result<(), OAuthError> {
    let allowed = client.metadata.demands().algorithms;
    let is_allowed = |name: String| allowed.iter().any(|algorithm| algorithm.as_str() == name);
    if algorithms(context).all(is_allowed) { Ok(()) } else { Err(dpop::WRONG_ALGORITHM) }
}
