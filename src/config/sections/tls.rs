//! TLS without a reverse proxy.

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use crate::config::section;

section! {
    /// TLS on `server.listen`, for a server without a reverse proxy in front: TLS 1.3, and 1.2 with ECDHE and AES-GCM. Without `cert` the
    /// server speaks plain HTTP.
    TlsConfig {
        /// A file with the server's certificate and those that vouch for it (PEM). A change of the file is taken up within ten seconds,
        /// without a restart.
        cert: PathBuf = PathBuf::new();
        /// A file with its private key (PEM).
        key: PathBuf = PathBuf::new();
        /// Whether clients are asked for a certificate: `none`, or `optional` for mutual TLS (RFC 8705). Browsers that have one may then
        /// ask their person which to show.
        client_auth: ClientCertificates = ClientCertificates::None;
        /// A file with the certificate authorities (PEM) that vouch for clients which authenticate with `tls_client_auth`, through this
        /// listener or through a proxy. Without it there are none.
        client_ca_file: PathBuf = PathBuf::new();
        /// An origin of its own for clients with certificates, such as `https://mtls.example.com`, so that no browser is ever asked for
        /// one. Discovery tells it as `mtls_endpoint_aliases` (RFC 8705 §5). `cert` has to be good for it too.
        mtls_origin: String = String::new();
        /// Address and port to listen on for it: everybody is asked for a certificate there, and only the endpoints that clients call
        /// and the API answer. Empty where a proxy stands there.
        mtls_listen: String = String::new();
    }
}

impl TlsConfig {
    /// Where connections come in that are asked for a certificate, apart from the others. `Err` for what is no address.
    pub fn second_listener(&self) -> Result<Option<SocketAddr>, AddrParseError> {
        if self.mtls_listen.is_empty() { Ok(None) } else { self.mtls_listen.parse().map(Some) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    None,
    Optional,
}
