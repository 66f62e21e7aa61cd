//! Certificates by which clients prove who they are, and who vouches for them (RFC 8705; RFC 5280).

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::signer::{p256_material, rsa_material};
use crate::protocol::client::CertificateSubject;
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::jwk::Material;
use crate::protocol::time::Timestamp;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a connection's peer proved to hold the key of. Whether it is good for anything is not said.
pub struct ClientCertificate {
    /// The client's own first.
    chain: Vec<CertificateDer<'static>>,
    parsed: Certificate,
    thumbprint: Thumbprint,
}

impl ClientCertificate {
    /// Of a chain, the client's own first. `None`: it is empty, or no certificate.
    pub fn new(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let first = chain.first()?;
        let parsed = Certificate::from_der(first).ok()?;
        let thumbprint = Thumbprint::new(Sha256::digest(first).into());
        Some(Self { chain, parsed, thumbprint })
    }

    /// `x5t#S256` (RFC 8705 §3.1).
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The thumbprint of its key as a JWK; `None` for kinds of keys that no client can register.
    pub fn key(&self) -> Option<Thumbprint> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        let key = info.subject_public_key.as_bytes()?;
        let material = match info.algorithm.oid {
            EC if info.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok()? == P256 => p256_material(key).ok()?,
            RSA => rsa_material(key).ok()?,
            ED25519 => Material::ed25519(key.try_into().ok()?),
            _ => return None,
        };
        Some(material.thumbprint())
    }

    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let Some(now) = since_epoch(now) else { return false };
        let validity = self.parsed.tbs_certificate().validity();
        (validity.not_before.to_unix_duration()..=validity.not_after.to_unix_duration()).contains(&now)
    }

    /// The first in this file (PEM): from when until when it is valid.
    pub fn validity_in(file: &Path) -> Option<(Timestamp, Timestamp)> {
        let first = Self::new(vec![CertificateDer::from_pem_file(file).ok()?])?;
        let validity = first.parsed.tbs_certificate().validity();
        let time = |duration: Duration| i64::try_from(duration.as_secs()).ok().map(Timestamp::from_seconds);
        Some((time(validity.not_before.to_unix_duration())?, time(validity.not_after.to_unix_duration())?))
    }

    /// Whether it names this subject (RFC 8705 §2.1.2).
    pub fn names(&self, subject: &CertificateSubject<'_>) -> bool {
        if let CertificateSubject::Dn(name) = subject {
            return name.parse::<Name>().is_ok_and(|name| words(&name) == words(self.parsed.tbs_certificate().subject()));
        }
        let alternatives = self.parsed.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
        alternatives.is_some_and(|(_, SubjectAltName(names))| names.iter().any(|name| is_named(name, subject)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientCertificate({})", self.thumbprint)
    }
}

fn is_named(name: &GeneralName, subject: &CertificateSubject<'_>) -> bool {
    match (name, subject) {
        (GeneralName::DnsName(name), CertificateSubject::Dns(wanted)) => name.as_str().eq_ignore_ascii_case(wanted),
        (GeneralName::UniformResourceIdentifier(name), CertificateSubject::Uri(wanted))
        | (GeneralName::Rfc822Name(name), CertificateSubject::Email(wanted)) => name.as_str() == *wanted,
        (GeneralName::IpAddress(name), CertificateSubject::Ip(IpAddr::V4(wanted))) => name.as_bytes() == wanted.octets(),
        (GeneralName::IpAddress(name), CertificateSubject::Ip(IpAddr::V6(wanted))) => name.as_bytes() == wanted.octets(),
        _ => false,
    }
}

/// What a name consists of, whichever of the types of text it is written in: not a string that a value could pretend to be.
fn words(name: &Name) -> Vec<Vec<(ObjectIdentifier, Vec<u8>)>> {
    let parts = name.iter_rdn().map(|part| {
        let mut values: Vec<_> = part.iter().map(|word| (word.oid, word.value.value().to_vec())).collect();
        values.sort_unstable();
        values
    });
    parts.collect()
}

fn since_epoch(now: Timestamp) -> Option<Duration> {
    u64::try_from(now.as_seconds()).ok().map(Duration::from_secs)
}

/// The file of certificate authorities can't be used.
#[derive(Debug, thiserror::Error)]
#[error("'tls.client_ca_file' {0} can't be read, or holds no certificates in PEM form")]
pub struct UnusableAuthorities(PathBuf);

/// Who is trusted to say whose a client's certificate is.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<dyn ClientCertVerifier>);

impl Authorities {
    /// Those of the file; `None` when its name is empty.
    pub fn load(file: &Path) -> Result<Option<Self>, UnusableAuthorities> {
        if file.as_os_str().is_empty() {
            return Ok(None);
        }
        let unusable = || UnusableAuthorities(file.to_owned());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|_| unusable())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|_| unusable())?;
        Ok(Some(Self(verifier)))
    }

    /// Whether one of them says that the certificate is genuine, for clients, and good now.
    pub fn vouch_for(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        let (Some((own, others)), Some(now)) = (certificate.chain.split_first(), since_epoch(now)) else { return false };
        self.0.verify_client_cert(own, others, UnixTime::since_unix_epoch(now)).is_ok()
    }
}
