//! Certificates of clients and servers, and who vouches for them.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ostiary::keys::signer::{Signer, generate};
use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwt::encode;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use serde_json::Value;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder, Result};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::Encode;
use x509_cert::der::asn1::UtcTime;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

/// 2020 and 2049.
const ALWAYS: (u64, u64) = (1_577_836_800, 2_493_072_000);

/// A key and its certificate.
pub struct Held {
    /// PKCS #8.
    pub key: Vec<u8>,
    pub certificate: Vec<u8>,
}

impl Held {
    /// `x5t#S256`.
    pub fn thumbprint(&self) -> String {
        encode(&Sha256::digest(&self.certificate))
    }

    /// As a proxy tells it (RFC 9440).
    pub fn field(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.certificate))
    }

    /// Its key, to be registered.
    pub fn jwk(&self) -> Value {
        serde_json::to_value(Signer::from_pkcs8(Algorithm::ES256, &self.key).unwrap().public()).unwrap()
    }

    /// Certificate and key as files have them.
    pub fn pem(&self) -> (String, String) {
        (pem("CERTIFICATE", &self.certificate), pem("PRIVATE KEY", &self.key))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Vouches for others.
pub struct Authority {
    name: Name,
    held: Held,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let name = Name::from_str(&format!("CN={name}")).unwrap();
        let key = new_key();
        let held = certify(&key, Profile::new(&name, &name, None, true), &key, ALWAYS);
        Self { name, held }
    }

    pub fn pem(&self) -> String {
        self.held.pem().0
    }

    pub fn certificate(&self) -> &[u8] {
        &self.held.certificate
    }

    /// For this subject, and this other name of it.
    pub fn issue(&self, subject: &str, alternative: Option<GeneralName>) -> Held {
        self.issue_until(subject, alternative, ALWAYS.1)
    }

    pub fn issue_until(&self, subject: &str, alternative: Option<GeneralName>, not_after: u64) -> Held {
        let profile = Profile::new(&Name::from_str(subject).unwrap(), &self.name, alternative, false);
        certify(&new_key(), profile, &self.held.key, (ALWAYS.0, not_after))
    }
}

/// A certificate for which nobody vouches.
pub fn self_signed_until(subject: &str, not_after: u64) -> Held {
    let (name, key) = (Name::from_str(subject).unwrap(), new_key());
    certify(&key, Profile::new(&name, &name, None, false), &key, (ALWAYS.0, not_after))
}

pub fn self_signed(subject: &str) -> Held {
    self_signed_until(subject, ALWAYS.1)
}

fn new_key() -> Vec<u8> {
    generate(Algorithm::ES256).unwrap().to_vec()
}

fn certify(key: &[u8], profile: Profile, issuer: &[u8], (from, until): (u64, u64)) -> Held {
    let own = SigningKey::from_pkcs8_der(key).unwrap();
    let issuer = SigningKey::from_pkcs8_der(issuer).unwrap();
    let moment = |seconds| Time::from(UtcTime::from_unix_duration(Duration::from_secs(seconds)).unwrap());
    let certificate = sign(&own, profile, &issuer, Validity::new(moment(from), moment(until)));
    Held { key: key.to_vec(), certificate: certificate.to_der().unwrap() }
}

/// The certificate of a key, by its issuer's.
pub fn sign(key: &SigningKey, profile: Profile, issuer: &SigningKey, validity: Validity) -> Certificate {
    let public = SubjectPublicKeyInfo::from_key(key.verifying_key()).unwrap();
    let builder = CertificateBuilder::new(profile, SerialNumber::from(7u32), validity, public).unwrap();
    builder.build::<_, DerSignature>(issuer).unwrap()
}

/// What a certificate says.
pub struct Profile {
    subject: Name,
    issuer: Name,
    alternative: Option<GeneralName>,
    is_authority: bool,
}

impl Profile {
    pub fn new(subject: &Name, issuer: &Name, alternative: Option<GeneralName>, is_authority: bool) -> Self {
        Self { subject: subject.clone(), issuer: issuer.clone(), alternative, is_authority }
    }
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> Result<Vec<Extension>> {
        let usage = if self.is_authority { KeyUsages::KeyCertSign } else { KeyUsages::DigitalSignature };
        let constraints = BasicConstraints { ca: self.is_authority, path_len_constraint: None };
        let mut extensions =
            vec![constraints.to_extension(tbs.subject(), &[])?, KeyUsage(usage.into()).to_extension(tbs.subject(), &[])?];
        if let Some(name) = &self.alternative {
            extensions.push(SubjectAltName(vec![name.clone()]).to_extension(tbs.subject(), &[])?);
        }
        Ok(extensions)
    }
}
