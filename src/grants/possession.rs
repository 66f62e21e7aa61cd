//! What a client proves to hold when it asks for tokens: they are bound to it.

use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::dpop;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::state::AppState;
use crate::web::context::RequestContext;
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
    match state.proofs.key(context, None).await?? {
        None if client.metadata.dpop_bound_access_tokens => Err(dpop::MISSING.into()),
        key => Ok(key.map(Confirmation::Dpop)),
    }
}
