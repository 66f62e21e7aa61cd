//! A connection to one of the addresses that were looked at, with TLS where the URL says so.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Host;

use super::Failure;

/// The file of certificate authorities can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableAuthorities {
    #[error("'outbound.ca_file' {0} can't be read, or holds no certificates in PEM form")]
    File(PathBuf),
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Who is trusted to say which key is a host's.
pub(super) struct Authorities(RootCertStore);

impl Authorities {
    /// The public ones, and those of the file unless its name is empty.
    pub(super) fn load(file: &Path) -> Result<Self, UnusableAuthorities> {
        let mut store: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        if !file.as_os_str().is_empty() {
            let unusable = || UnusableAuthorities::File(file.to_owned());
            let certificates: Vec<_> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|_| unusable())?;
            let (added, _) = store.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(unusable());
            }
        }
        Ok(Self(store))
    }

    pub(super) fn connector(self) -> Result<TlsConnector, UnusableAuthorities> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.0)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Connects to the first address that answers.
pub(super) async fn open(
    addresses: &[SocketAddr],
    host: &Host<&str>,
    tls: Option<&TlsConnector>,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let socket = TcpStream::connect(addresses).await.map_err(|_| Failure::Unreachable)?;
    let Some(tls) = tls else { return handshake(socket).await };
    let name = match host {
        Host::Domain(name) => ServerName::try_from((*name).to_owned()).map_err(|_| Failure::Forbidden)?,
        Host::Ipv4(address) => ServerName::IpAddress((*address).into()),
        Host::Ipv6(address) => ServerName::IpAddress((*address).into()),
    };
    handshake(tls.connect(name, socket).await.map_err(|_| Failure::Unreachable)?).await
}

async fn handshake(socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(super::MAX_BODY).handshake(TokioIo::new(socket)).await.map_err(|_| Failure::Broken)?;
    // Ends with the answer: nobody keeps the sender.
    tokio::spawn(connection);
    Ok(sender)
}
