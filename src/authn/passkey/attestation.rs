//! Which authenticators new passkeys may come from (WebAuthn Level 3 §7.1: the trust anchors of attestation).
//!
//! The library verifies that an attestation statement is true of itself. Here it is asked who stands behind it: a chain of
//! certificates that ends at one of the authorities that the operator trusts. No attestation, one that the new key made of
//! itself, and a chain that leads elsewhere count for nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;
use webauthn_rs_core::attestation::verify_attestation_ca_chain;
use webauthn_rs_core::proto::{AttestationCaList, AttestationMetadata, ParsedAttestation};

use super::Refusal;
use crate::config::PasskeysConfig;
use crate::protocol::time::Timestamp;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The file of authorities can't be used.
#[derive(Debug, thiserror::Error)]
#[error("'passkeys.attestation_ca_file' {0} can't be read, or holds something else than certificates in PEM form")]
pub struct UnusableAuthorities(PathBuf);

/// Who vouches for authenticators.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// One each: the library takes the first of a name, and several may have the same.
    roots: Vec<AttestationCaList>,
    /// AAGUIDs. Empty: all that the authorities vouch for.
    models: Vec<Uuid>,
}

impl Authorities {
    /// `None`: any authenticator will do.
    pub fn load(config: &PasskeysConfig) -> Result<Option<Self>, UnusableAuthorities> {
        let file = &config.attestation_ca_file;
        if file.as_os_str().is_empty() {
            return Ok(None);
        }
        let roots = roots(file).ok_or_else(|| UnusableAuthorities(file.clone()))?;
        Ok(Some(Self { roots, models: config.attestation_models.clone() }))
    }

    /// Whether one of them vouches for the authenticator, and it is of a model that may be used.
    pub fn vouch(&self, attestation: &ParsedAttestation, now: Timestamp) -> Result<(), Refusal> {
        let now = UNIX_EPOCH + Duration::from_secs(now.as_seconds().unsigned_abs());
        let leads_to =
            |root: &AttestationCaList| matches!(verify_attestation_ca_chain(&attestation.data, root, now), Ok(Some(_)));
        let is_welcome = self.models.is_empty() || model(&attestation.metadata).is_some_and(|model| self.models.contains(&model));
        if is_welcome && self.roots.iter().any(leads_to) { Ok(()) } else { Err(Refusal::UNTRUSTED) }
    }
}

/// Only some statements say it in what is signed.
fn model(metadata: &AttestationMetadata) -> Option<Uuid> {
    match metadata {
        AttestationMetadata::Packed { aaguid } | AttestationMetadata::Tpm { aaguid, .. } => Some(*aaguid),
        _ => None,
    }
}

fn roots(file: &Path) -> Option<Vec<AttestationCaList>> {
    let text = std::fs::read_to_string(file).ok()?;
    let certificates: Vec<&str> = text.split_inclusive(END).filter_map(|part| part.find(BEGIN).map(|at| &part[at..])).collect();
    let roots = certificates.iter().map(|pem| AttestationCaList::try_from(pem.as_bytes()).ok()).collect::<Option<Vec<_>>>()?;
    (!roots.is_empty()).then_some(roots)
}
