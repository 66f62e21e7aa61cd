//! The certificate of a request's client: of the connection's other end, or as a trusted proxy tells it (RFC 9440).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName};
use http::{Extensions, HeaderValue};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::keys::certificate::ClientCertificate;

const CERTIFICATE: HeaderName = HeaderName::from_static("client-cert");
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// The longest chain that is looked at, beside the client's own.
const MAX_CHAIN: usize = 8;

/// Put into a request's extensions by the server, where the connection's other end has one.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Arc<ClientCertificate>);

/// Of the other end.
pub fn of_peer(extensions: &Extensions) -> Option<Arc<ClientCertificate>> {
    extensions.get::<PeerCertificate>().map(|PeerCertificate(certificate)| Arc::clone(certificate))
}

/// As the fields of a proxy say that must be trusted (RFC 9440 §2.2, §2.3). What can't be read is no certificate.
pub fn of_fields(headers: &HeaderMap) -> Option<Arc<ClientCertificate>> {
    let mut fields = headers.get_all(CERTIFICATE).iter();
    let own = fields.next().filter(|_| fields.next().is_none()).and_then(|field| field.to_str().ok()).and_then(bytes)?;
    let lines: Result<Vec<&str>, _> = headers.get_all(CHAIN).iter().map(HeaderValue::to_str).collect();
    let others = lines.ok()?.into_iter().flat_map(|line| line.split(',')).take(MAX_CHAIN).map(bytes);
    let chain: Option<Vec<_>> = std::iter::once(Some(own)).chain(others).collect();
    ClientCertificate::new(chain?).map(Arc::new)
}

/// A byte sequence (RFC 8941 §3.3.5).
fn bytes(item: &str) -> Option<CertificateDer<'static>> {
    let base64 = item.trim_matches([' ', '\t']).strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(base64).ok().map(CertificateDer::from)
}
