//! The key of the audit log: it marks and seals entries, and signs checkpoints.
//!
//! It is made once, at random, and kept sealed in the table `instance`: with another master key what it proved stays proved.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::root::Root;
use super::seal::Sealer;
use super::signer::{Signer, SignerError, generate};
use crate::protocol::client::Algorithm;
use crate::protocol::evidence::{CHECKPOINT_TYPE, Checkpoint};
use crate::protocol::jwk::PublicJwk;
use crate::protocol::jwt::{Compact, Header, encode};
use crate::random;
use crate::storage::audit::Marker;
use crate::storage::audit::chain::{self, Row};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::instance::{self, AUDIT_KEY};

/// With what it is bound to its place.
const PLACE: &[u8] = b"instance/audit_key";

/// Why there is no key. Each says what to do, where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error(transparent)]
    Storage(#[from] Error),
    #[error("the key of the audit log does not open with the root key, or was changed: restore the database from a backup")]
    Unopened,
    #[error(
        "the key of the audit log is gone (the row 'audit_key' of the table 'instance'), and entries that it sealed are there: \
         somebody took it away; restore the database from a backup"
    )]
    Gone,
    #[error("the key of the audit log could not be made: {0}")]
    Generation(#[from] SignerError),
}

/// The key, ready for use.
pub struct EvidenceKey {
    marker: Marker,
    chain: hmac::Key,
    signer: Signer,
    sealed: Vec<u8>,
}

impl EvidenceKey {
    /// Opens the installation's key, which is made at the first start, and has the database mark entries with it.
    pub async fn open(db: &Db, root: &Root) -> Result<Arc<Self>, EvidenceError> {
        let stored = instance::load(&mut db.read().await?, AUDIT_KEY).await?;
        let sealed = match stored {
            Some(sealed) => sealed,
            None if chain::head(&mut db.read().await?).await?.is_some() => return Err(EvidenceError::Gone),
            None => {
                let made = make(root)?;
                let key = Self::unseal(root, made.clone())?;
                // What was recorded before there was a key is taken over now, and never later.
                let before = chain::unmarked(&mut db.read().await?).await?;
                let marks: Vec<_> = before.iter().map(|row| (&row.id, key.marker.mark(&row.fields()))).collect();
                db.write(async |tx| {
                    let stored = instance::insert_if_absent(tx, AUDIT_KEY, &made).await?;
                    if stored == made {
                        for (id, mark) in &marks {
                            chain::mark(tx, id, mark).await?;
                        }
                    }
                    Ok(stored)
                })
                .await?
            }
        };
        let key = Self::unseal(root, sealed)?;
        db.mark_entries(key.marker.clone());
        Ok(Arc::new(key))
    }

    /// Opens a key that was exported, sealed as it is kept.
    pub fn unseal(root: &Root, sealed: Vec<u8>) -> Result<Self, EvidenceError> {
        let plain = sealer(root).open(&sealed, PLACE).map(Zeroizing::new).ok_or(EvidenceError::Unopened)?;
        let (secret, pkcs8) = plain.split_first_chunk::<32>().ok_or(EvidenceError::Unopened)?;
        Ok(Self {
            marker: Marker::new(&derived(secret, b"entries")),
            chain: hmac::Key::new(HMAC_SHA256, derived(secret, b"chain").as_slice()),
            signer: Signer::from_pkcs8(Algorithm::EdDSA, pkcs8)?,
            sealed,
        })
    }

    /// As it is kept.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// What checkpoints are verified with.
    pub const fn public(&self) -> &PublicJwk {
        self.signer.public()
    }

    /// Whether this installation wrote the row.
    pub fn is_ours(&self, row: &Row) -> bool {
        row.mac.as_ref().is_some_and(|mac| self.marker.marked(&row.fields(), mac))
    }

    /// The seal of the entry at `sequence`, after the one with the seal `previous`.
    pub fn seal(&self, previous: &[u8; 32], sequence: i64, row: &Row) -> [u8; 32] {
        let bytes = row.fields().to_seal(previous, sequence, row.mac.as_deref());
        let mut seal = [0; 32];
        seal.copy_from_slice(hmac::sign(&self.chain, &bytes).as_ref());
        seal
    }

    /// A checkpoint as a JWS.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, SignerError> {
        let payload = serde_json::to_vec(checkpoint).map_err(|_| SignerError::new("the checkpoint can't be written"))?;
        self.jws(CHECKPOINT_TYPE, &payload)
    }

    /// A JWS of this type in compact serialization.
    pub(super) fn jws(&self, typ: &str, payload: &[u8]) -> Result<String, SignerError> {
        let header = Header {
            typ: Some(typ.to_owned()),
            alg: Algorithm::EdDSA.as_str().to_owned(),
            kid: Some(self.public().kid().as_str().to_owned()),
        };
        let header = serde_json::to_vec(&header).map_err(|_| SignerError::new("the header can't be written"))?;
        let input = format!("{}.{}", encode(&header), encode(payload));
        let signature = encode(&self.signer.sign(input.as_bytes())?);
        Ok(format!("{input}.{signature}"))
    }

    /// What a checkpoint says that this key signed; `None` for everything else.
    pub fn checkpoint(&self, signed: &str) -> Option<Checkpoint> {
        let compact = Compact::split(signed).ok()?;
        let header = compact.header().ok()?;
        let expected = header.typ.as_deref() == Some(CHECKPOINT_TYPE) && header.alg == Algorithm::EdDSA.as_str();
        if !expected || !self.signer.verifies(compact.signing_input.as_bytes(), compact.signature) {
            return None;
        }
        compact.unverified_claims().ok()
    }
}

/// What the checkpoint after this one names it by.
pub fn digest(signed: &str) -> String {
    encode(&Sha256::digest(signed.as_bytes()))
}

fn sealer(root: &Root) -> Sealer {
    Sealer::new(&root.derive("seal/audit-key"))
}

/// A new key: 32 random bytes for what is marked and sealed, and a private key for what is signed; all of it sealed.
fn make(root: &Root) -> Result<Vec<u8>, SignerError> {
    let mut plain = Zeroizing::new(random::bytes::<32>().to_vec());
    plain.extend_from_slice(&generate(Algorithm::EdDSA)?);
    Ok(sealer(root).seal(&plain, PLACE))
}

fn derived(secret: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(hmac::sign(&hmac::Key::new(HMAC_SHA256, secret), purpose).as_ref());
    key
}

impl fmt::Debug for EvidenceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EvidenceKey").field("public", self.public()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) fn for_a_test(root: &Root) -> EvidenceKey {
    EvidenceKey::unseal(root, make(root).unwrap()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::evidence::Occasion;
    use crate::protocol::time::Timestamp;

    fn key() -> EvidenceKey {
        for_a_test(&Root::from_bytes([1; 32]))
    }

    fn row() -> Row {
        Row {
            id: "0197a5c0-0000-7000-8000-000000000000".to_owned(),
            occurred_at: Timestamp::from_seconds(1),
            kind: "user.login".to_owned(),
            outcome: "success".to_owned(),
            reason: None,
            actor_type: "anonymous".to_owned(),
            actor_id: None,
            client_id: None,
            user_id: None,
            address: None,
            trace_id: "t".to_owned(),
            count: 1,
            details: "{}".to_owned(),
            mac: None,
        }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { number: 1, sequence: 7, seal: encode(&[7; 32]), iat: 1, occasion: Occasion::Interval, previous: None }
    }

    #[test]
    fn a_checkpoint_reads_back_and_no_other_key_or_text_does() {
        let (key, other) = (key(), key());
        let signed = key.sign(&checkpoint()).unwrap();
        assert_eq!(key.checkpoint(&signed), Some(checkpoint()));
        assert_eq!(other.checkpoint(&signed), None);
        for forged in [signed.replacen('e', "f", 1), signed[..signed.len() - 1].to_owned(), String::new(), "a.b.c".to_owned()] {
            assert_eq!(key.checkpoint(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_seal_depends_on_the_one_before_the_place_and_the_row() {
        let key = key();
        let seal = key.seal(&[0; 32], 1, &row());
        assert_eq!(seal, key.seal(&[0; 32], 1, &row()));
        for other in [
            key.seal(&[1; 32], 1, &row()),
            key.seal(&[0; 32], 2, &row()),
            key.seal(&[0; 32], 1, &Row { count: 2, ..row() }),
            key.seal(&[0; 32], 1, &Row { mac: Some(Vec::new()), ..row() }),
            super::tests::key().seal(&[0; 32], 1, &row()),
        ] {
            assert_ne!(seal, other);
        }
    }

    #[test]
    fn a_row_is_ours_with_our_mark_only() {
        let key = key();
        let mac = key.marker.mark(&row().fields()).to_vec();
        assert!(key.is_ours(&Row { mac: Some(mac.clone()), ..row() }));
        assert!(!key.is_ours(&Row { mac: Some(mac), count: 2, ..row() }));
        assert!(!key.is_ours(&row()));
    }

    #[test]
    fn it_opens_with_its_root_alone_and_is_not_printed() {
        let sealed = make(&Root::from_bytes([1; 32])).unwrap();
        assert!(matches!(EvidenceKey::unseal(&Root::from_bytes([2; 32]), sealed), Err(EvidenceError::Unopened)));
        assert!(format!("{:?}", key()).starts_with("EvidenceKey { public:"));
    }
}
