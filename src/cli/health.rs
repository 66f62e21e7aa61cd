//! `ostiary health`: whether the server of this machine is ready, for what starts containers and has no other program to ask with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::failure::{Exit, Failure};
use super::output::Output;
use crate::config::Config;

pub const EXAMPLE: &str = "\
It asks /health/ready at server.listen and exits with 0 when the server is ready, else with 1. It takes three seconds at most.

Example:
  ostiary --config /etc/ostiary.toml health";

/// From the connection to the first line of the answer.
const PATIENCE: Duration = Duration::from_secs(3);

const REQUEST: &[u8] = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[derive(Serialize)]
struct Health {
    ready: bool,
}

pub async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let address = own(config.server.listen);
    let within_tls = !config.tls.cert.as_os_str().is_empty();
    let answer = tokio::time::timeout(PATIENCE, ask(address, within_tls)).await;
    let status = answer.map_err(|_| failed(address, "does not answer"))?.map_err(|error| failed(address, &error.to_string()))?;
    if status != "200" {
        return Err(failed(address, &format!("answers {status}")));
    }
    output.answer(&Health { ready: true }, |_| "The server is ready.".to_owned())
}

fn failed(address: SocketAddr, what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the server at {address} is not ready: {what}"))
}

/// Where a server that listens here can be reached from its own machine.
fn own(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of the answer.
async fn ask(address: SocketAddr, within_tls: bool) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    if !within_tls {
        return status(stream).await;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream).await?;
    status(stream).await
}

async fn status(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream.write_all(REQUEST).await?;
    // "HTTP/1.1 200"
    let mut line = [0; 12];
    stream.read_exact(&mut line).await?;
    let line = String::from_utf8_lossy(&line);
    let status = line.strip_prefix("HTTP/1.1 ").ok_or_else(|| std::io::Error::other("the answer is no HTTP"))?;
    Ok(status.to_owned())
}

/// Takes any certificate: it is one's own address that is asked, nothing is told to it, and a health check that fails since a
/// certificate has run out would stop a server that people could still be warned by.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_on_the_loopback() {
        for (listen, asked) in [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:80", "[::1]:80"), ("192.0.2.1:443", "192.0.2.1:443")] {
            assert_eq!(own(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
