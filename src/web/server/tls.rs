//! TLS on the server's own sockets: TLS 1.3, and of TLS 1.2 what FAPI 2.0 Security Profile §5.2.1 leaves.
//!
//! Any certificate of a client is taken that its holder has the key of. Whether it is good for anything is decided by whoever asks
//! for it: a client that is known by its key alone shows one that nobody vouches for (RFC 8705 §2.2).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, CipherSuite, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use crate::config::{ClientCertificates, TlsConfig};

/// How often the files are looked at.
const PACE: Duration = Duration::from_secs(10);

/// TLS 1.2 with these alone; all of TLS 1.3's are good.
const TLS12: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCertificate {
    #[error("'tls.cert' {} can't be read, or holds no certificates in PEM form", .0.display())]
    Certificate(PathBuf),
    #[error("'tls.key' {} can't be read, or holds no private key in PEM form", .0.display())]
    Key(PathBuf),
    #[error("'tls.key' {} may be read by everybody: run `chmod 640` on it", .0.display())]
    Exposed(PathBuf),
    #[error("'tls.key' is not the key of 'tls.cert', or of a kind that is not supported: {0}")]
    Mismatch(rustls::Error),
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What connections are accepted with.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl Tls {
    /// `None`: connections are plain.
    pub fn new(config: &TlsConfig) -> Result<Option<Self>, UnusableCertificate> {
        if config.cert.as_os_str().is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(provider());
        let content = Content::read(&config.cert, &config.key)?;
        let current = Arc::new(Current {
            certified: ArcSwap::from_pointee(content.certified(&provider)?),
            content: Mutex::new(content),
            files: (config.cert.clone(), config.key.clone()),
            provider,
        });
        Ok(Some(Self { acceptor: acceptor(&current, config.client_auth)?, current }))
    }

    /// The same, where everybody is asked for a certificate.
    pub fn asking(&self) -> Result<Self, UnusableCertificate> {
        let current = Arc::clone(&self.current);
        Ok(Self { acceptor: acceptor(&current, ClientCertificates::Optional)?, current })
    }

    pub(super) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Takes what the files hold now: `true` if it is something else. What can't be used changes nothing.
    pub fn reload(&self) -> Result<bool, UnusableCertificate> {
        let current = &self.current;
        let content = Content::read(&current.files.0, &current.files.1)?;
        let mut known = current.content.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == content {
            return Ok(false);
        }
        current.certified.store(Arc::new(content.certified(&current.provider)?));
        *known = content;
        Ok(true)
    }

    /// Follows the files: connections that begin after a change get the new certificate.
    pub async fn follow(self) {
        // Said once.
        let mut failed = false;
        loop {
            tokio::time::sleep(PACE).await;
            let tls = self.clone();
            match spawn_blocking(move || tls.reload()).await {
                Ok(Ok(changed)) => {
                    if changed {
                        tracing::info!("the TLS certificate was replaced");
                    }
                    failed = false;
                }
                Ok(Err(error)) if !failed => {
                    tracing::error!(%error, "the TLS certificate can't be replaced: the one before it stays");
                    failed = true;
                }
                _ => {}
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls")
    }
}

fn acceptor(current: &Arc<Current>, client_auth: ClientCertificates) -> Result<TlsAcceptor, UnusableCertificate> {
    let provider = || Arc::clone(&current.provider);
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&versions)?;
    let builder = match client_auth {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Optional => builder.with_client_cert_verifier(Arc::new(Anybodys(provider()))),
    };
    let mut server = builder.with_cert_resolver(Arc::clone(current) as Arc<dyn ResolvesServerCert>);
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some() || TLS12.contains(&suite.suite()));
    provider
}

/// The certificate that is shown, and where it comes from.
struct Current {
    certified: ArcSwap<CertifiedKey>,
    content: Mutex<Content>,
    files: (PathBuf, PathBuf),
    provider: Arc<CryptoProvider>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Current")
    }
}

/// Of both files.
#[derive(PartialEq)]
struct Content {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Content {
    fn read(cert: &Path, key: &Path) -> Result<Self, UnusableCertificate> {
        let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| UnusableCertificate::Certificate(cert.to_owned()))?;
        if is_exposed(key) {
            return Err(UnusableCertificate::Exposed(key.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|_| UnusableCertificate::Key(key.to_owned()))?;
        Ok(Self { chain, key })
    }

    fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, UnusableCertificate> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), provider).map_err(UnusableCertificate::Mismatch)
    }
}

/// Whether others than its owner and its group may read it: a group shares keys with what renews them.
#[cfg(unix)]
fn is_exposed(key: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(key).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &Path) -> bool {
    false
}

/// Takes every certificate whose key the peer has.
#[derive(Debug)]
struct Anybodys(Arc<CryptoProvider>);

impl ClientCertVerifier for Anybodys {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
