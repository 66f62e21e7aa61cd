//! Checks the certificate by which a client authenticates: `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 §2).

use super::client::ClientRegistry;
use super::context::RequestContext;
use crate::protocol::client::{Client, ClientAuthMethod};
use crate::protocol::client_assertion::KEYS_UNAVAILABLE;
use crate::protocol::client_auth::{
    CERTIFICATE_EXPIRED, CERTIFICATE_MISSING, CERTIFICATE_OF_ANOTHER_SUBJECT, CERTIFICATE_UNKNOWN, CERTIFICATE_UNTRUSTED,
    DISABLED_CLIENT,
};
use crate::protocol::error::OAuthError;
use crate::telemetry::findings::note;

/// Whether the request came with the client's certificate.
pub(super) async fn check(registry: &impl ClientRegistry, client: &Client, context: &RequestContext) -> Result<(), OAuthError> {
    let certificate = context.certificate.as_deref().ok_or(CERTIFICATE_MISSING)?;
    note("certificate", "x5t#S256", certificate.thumbprint());
    if client.metadata.token_endpoint_auth_method == ClientAuthMethod::TlsClientAuth {
        // Who it is of is worth nothing unless somebody who is trusted says so.
        if !registry.certificate_authorities().is_some_and(|authorities| authorities.vouch_for(certificate, context.now)) {
            return Err(CERTIFICATE_UNTRUSTED);
        }
        if !client.metadata.certificate_subject().is_some_and(|subject| certificate.names(&subject)) {
            return Err(CERTIFICATE_OF_ANOTHER_SUBJECT);
        }
    } else {
        if !certificate.is_valid_at(context.now) {
            return Err(CERTIFICATE_EXPIRED);
        }
        let key = certificate.key().ok_or(CERTIFICATE_UNKNOWN)?;
        let keys = registry.client_keys().holding(client, key, context.now).await.map_err(|cause| {
            note("client_keys", "failure", cause);
            KEYS_UNAVAILABLE
        })?;
        if !keys.hold(key) {
            return Err(CERTIFICATE_UNKNOWN);
        }
    }
    if client.is_active() { Ok(()) } else { Err(DISABLED_CLIENT) }
}
