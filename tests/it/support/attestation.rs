//! Makers of authenticators, and what their authenticators say of themselves.

use std::str::FromStr;

use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::random;
use p256::ecdsa::SigningKey;
use x509_cert::Certificate;
use x509_cert::der::asn1::UtcTime;
use x509_cert::der::{Encode, EncodePem};
use x509_cert::name::Name;
use x509_cert::time::Validity;

use super::certificate::{Profile, sign};
use super::server::START;

/// What a new passkey says of its authenticator (WebAuthn Level 3 §6.5.4).
#[derive(Clone, Debug, Default)]
pub enum Statement {
    #[default]
    Nothing,
    /// Signed by the new key.
    OfItself,
    /// Signed by the authenticator.
    Of(Authenticator),
}

/// The key of many devices of one model, and who vouches for it.
#[derive(Clone, Debug)]
pub struct Authenticator {
    pub key: SigningKey,
    /// In DER, its own first.
    pub chain: Vec<Vec<u8>>,
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Maker {
    key: SigningKey,
    certificate: Certificate,
}

impl Maker {
    pub fn new(name: &str) -> Self {
        let key = new_key();
        let subject = Name::from_str(&format!("CN={name},O=Acme,C=SE")).unwrap();
        let certificate = certify(&key, &subject, (&key, &subject), true, around(START));
        Self { key, certificate }
    }

    /// As a configuration has it.
    pub fn pem(&self) -> String {
        self.certificate.to_pem(x509_cert::der::pem::LineEnding::LF).unwrap()
    }

    /// A good one.
    pub fn authenticator(&self) -> Authenticator {
        self.authenticator_until(START + Seconds::days(365))
    }

    pub fn authenticator_until(&self, not_after: Timestamp) -> Authenticator {
        let key = new_key();
        let subject = Name::from_str("CN=Key,OU=Authenticator Attestation,O=Acme,C=SE").unwrap();
        let validity = Validity::new(moment(START - Seconds::days(365)), moment(not_after));
        let certificate = certify(&key, &subject, (&self.key, self.certificate.tbs_certificate().subject()), false, validity);
        Authenticator { key, chain: vec![certificate.to_der().unwrap()] }
    }

    /// One for which an authority below this one vouches.
    pub fn authenticator_below(&self) -> Authenticator {
        let below = Self::new("Below");
        let subject = below.certificate.tbs_certificate().subject();
        let above = (&self.key, self.certificate.tbs_certificate().subject());
        let certificate = certify(&below.key, subject, above, true, around(START));
        let mut authenticator = below.authenticator();
        authenticator.chain.push(certificate.to_der().unwrap());
        authenticator
    }
}

fn new_key() -> SigningKey {
    SigningKey::from_slice(&random::bytes::<32>()).unwrap()
}

fn around(now: Timestamp) -> Validity {
    Validity::new(moment(now - Seconds::days(365)), moment(now + Seconds::days(365)))
}

fn moment(at: Timestamp) -> x509_cert::time::Time {
    UtcTime::from_unix_duration(std::time::Duration::from_secs(at.as_seconds().unsigned_abs())).unwrap().into()
}

fn certify(
    key: &SigningKey,
    subject: &Name,
    (issuer_key, issuer): (&SigningKey, &Name),
    is_authority: bool,
    validity: Validity,
) -> Certificate {
    sign(key, Profile::new(subject, issuer, None, is_authority), issuer_key, validity)
}
