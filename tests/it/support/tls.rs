//! Somebody who speaks TLS in some way.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ostiary::config::TlsConfig;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ProtocolVersion, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion};
use x509_cert::der::asn1::Ia5String;
use x509_cert::ext::pkix::name::GeneralName;

use super::certificate::{Authority, Held};

/// A certificate for `id.example`.
pub fn of_server(authority: &Authority) -> Held {
    of_host(authority, "id.example")
}

pub fn of_host(authority: &Authority, host: &str) -> Held {
    authority.issue("CN=server", Some(GeneralName::DnsName(Ia5String::new(host).unwrap())))
}

/// Writes what the server shows into the folder.
pub fn write(files: &TempDir, held: &Held) {
    let (cert, key) = held.pem();
    std::fs::write(files.path().join("cert.pem"), cert).unwrap();
    std::fs::write(files.path().join("key.pem"), key).unwrap();
    allow(files, 0o640);
}

pub fn allow(files: &TempDir, mode: u32) {
    std::fs::set_permissions(files.path().join("key.pem"), Permissions::from_mode(mode)).unwrap();
}

/// TLS with what lies in the folder.
pub fn config(files: &TempDir) -> TlsConfig {
    TlsConfig { cert: files.path().join("cert.pem"), key: files.path().join("key.pem"), ..TlsConfig::default() }
}

/// Who asks, and how.
#[derive(Clone, Copy)]
pub struct Peer<'a> {
    pub address: SocketAddr,
    pub authority: &'a Authority,
    pub held: Option<&'a Held>,
    pub suites: Option<&'a [SupportedCipherSuite]>,
    pub versions: &'static [&'static SupportedProtocolVersion],
}

/// What the server showed, and said.
#[derive(Debug)]
pub struct Seen {
    pub version: ProtocolVersion,
    pub certificate: Vec<u8>,
    pub answer: String,
}

impl Seen {
    pub fn status(&self) -> u16 {
        self.answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }

    pub fn json(&self) -> serde_json::Value {
        let body = self.answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.answer))
    }
}

impl<'a> Peer<'a> {
    /// Like any client of today.
    pub fn new(address: SocketAddr, authority: &'a Authority) -> Self {
        Self { address, authority, held: None, suites: None, versions: rustls::ALL_VERSIONS }
    }

    pub async fn get(self, path: &str) -> std::io::Result<Seen> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: id.example\r\nconnection: close\r\n\r\n")).await
    }

    /// A form, with these header fields.
    pub async fn post(self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> std::io::Result<Seen> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
        let length = body.len();
        let kind = "content-type: application/x-www-form-urlencoded";
        let head = format!("POST {path} HTTP/1.1\r\nhost: id.example\r\nconnection: close\r\n{kind}\r\ncontent-length: {length}");
        self.send(&format!("{head}\r\n{headers}\r\n{body}")).await
    }

    pub async fn send(self, request: &str) -> std::io::Result<Seen> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.certificate().to_vec())).unwrap();
        let mut provider = aws_lc_rs::default_provider();
        if let Some(suites) = self.suites {
            provider.cipher_suites = suites.to_vec();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(self.versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match self.held {
            None => builder.with_no_client_auth(),
            Some(held) => {
                let chain = vec![CertificateDer::from(held.certificate.clone())];
                builder.with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(held.key.clone().into())).unwrap()
            }
        };
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("id.example").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let connection = stream.get_ref().1;
        let certificate = connection.peer_certificates().unwrap()[0].to_vec();
        Ok(Seen { version: connection.protocol_version().unwrap(), certificate, answer })
    }
}
