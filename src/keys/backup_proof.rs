//! What proves a backup: that it belongs to an installation and is as it was made, and who made it.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use serde::{Deserialize, Serialize};

use super::evidence::EvidenceKey;
use super::foreign::{Expected, ForeignKey};
use super::root::Root;
use super::signer::SignerError;
use crate::protocol::client::Algorithm;
use crate::protocol::jwt::{decode, encode};

/// The `typ` of a signed manifest.
const TYPE: &str = "ostiary-backup+jws";

/// What stands beside the manifest of a backup, which names the hashes of everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupProof {
    /// HMAC-SHA-256 with a key from the root, in base64url: whoever has a master key needs no other to know a backup of theirs.
    mac: String,
    /// Of the audit log's Ed25519 key: a JWS whose payload, the manifest, is left out (RFC 7515 appendix F).
    signature: String,
}

impl BackupProof {
    pub fn new(root: &Root, evidence: &EvidenceKey, manifest: &[u8]) -> Result<Self, SignerError> {
        const BROKEN: SignerError = SignerError::new("the signature has not three parts");
        let mac = encode(hmac::sign(&key(root), manifest).as_ref());
        let whole = evidence.jws(TYPE, manifest)?;
        let (header, rest) = whole.split_once('.').ok_or(BROKEN)?;
        let (_, signature) = rest.split_once('.').ok_or(BROKEN)?;
        Ok(Self { mac, signature: format!("{header}..{signature}") })
    }

    /// Whether the manifest was made where this root is.
    pub fn is_of(&self, root: &Root, manifest: &[u8]) -> bool {
        decode(&self.mac).is_ok_and(|mac| hmac::verify(&key(root), manifest, &mac).is_ok())
    }

    /// Whether whoever has the private half of this key made the manifest.
    pub fn is_signed_by(&self, key: &ForeignKey, manifest: &[u8]) -> bool {
        let Some((header, signature)) = self.signature.split_once("..") else { return false };
        let whole = format!("{header}.{}.{signature}", encode(manifest));
        key.verify(&whole, Expected { algorithms: &[Algorithm::EdDSA], types: &[Some(TYPE)] }).is_ok()
    }
}

fn key(root: &Root) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, root.derive("backup/manifest").as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::evidence;
    use crate::protocol::foreign_jwk::ForeignJwk;

    fn public(evidence: &EvidenceKey) -> ForeignKey {
        let jwk = serde_json::to_value(evidence.public()).unwrap();
        ForeignKey::new(ForeignJwk::parse(&jwk).unwrap()).unwrap()
    }

    #[test]
    fn only_its_keys_know_a_manifest_and_only_as_it_was_made() {
        let (root, other) = (Root::from_bytes([1; 32]), Root::from_bytes([2; 32]));
        let (signer, stranger) = (evidence::for_a_test(&root), evidence::for_a_test(&root));
        let manifest = b"{\n  \"format\": 2\n}";
        let proof = BackupProof::new(&root, &signer, manifest).unwrap();
        assert!(proof.is_of(&root, manifest) && proof.is_signed_by(&public(&signer), manifest));
        assert!(!proof.is_of(&other, manifest) && !proof.is_signed_by(&public(&stranger), manifest));
        let changed = b"{\n  \"format\": 3\n}";
        assert!(!proof.is_of(&root, changed) && !proof.is_signed_by(&public(&signer), changed));
        for broken in ["", "..", "a..b", "a.b.c"] {
            let proof = BackupProof { mac: broken.to_owned(), signature: broken.to_owned() };
            assert!(!proof.is_of(&root, manifest) && !proof.is_signed_by(&public(&signer), manifest), "{broken}");
        }
    }

    /// A checkpoint is signed with the same key, and is none.
    #[test]
    fn no_other_thing_that_the_key_signed_passes_for_a_manifest() {
        let root = Root::from_bytes([1; 32]);
        let signer = evidence::for_a_test(&root);
        let checkpoint = signer.jws(crate::protocol::evidence::CHECKPOINT_TYPE, b"{}").unwrap();
        let (header, rest) = checkpoint.split_once('.').unwrap();
        let detached = format!("{header}..{}", rest.split_once('.').unwrap().1);
        let proof = BackupProof { mac: String::new(), signature: detached };
        assert!(!proof.is_signed_by(&public(&signer), b"{}"));
    }
}
