//! The root: the secret that everything else is derived from (HKDF, RFC 5869).
//!
//! 32 random bytes, made at the first start and kept in the database, sealed with the master key. Passwords, pairwise subjects and
//! hashes hang on it and can't be made anew, so it never changes. The master key can: the table `master_keys` holds the root once for
//! each key that is accepted, and each of them opens it.
//!
//! A database of before there was that table has as its root the very bytes of the master key that it was made with.

mod sealed;

use std::fmt;

use aws_lc_rs::hkdf::Prk;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub use self::sealed::SealedRoot;
use super::master::{MasterKey, derived, extracted};
use crate::protocol::time::Timestamp;
use crate::random;
use crate::storage::audit::{Event, insert as record};
use crate::storage::db::{Db, Tx};
use crate::storage::error::Error;
use crate::storage::instance;
use crate::storage::master_keys::{self, Accepted};

/// The secret, ready for use.
#[derive(Clone)]
pub struct Root(Prk);

/// Why there is no root. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(
        "the master key is not the one that the database was made with: use that one (the file named by \
         keys.master_key_file, or the environment variable OSTIARY_MASTER_KEY)"
    )]
    Wrong,
    #[error(
        "the database does not accept the master key with the fingerprint {given}: it was dropped, or is of another installation. \
         Use one with the fingerprint {accepted} (the file named by keys.master_key_file, or the environment variable \
         OSTIARY_MASTER_KEY)"
    )]
    NotAccepted {
        given: String,
        /// One, or several with `or` between them.
        accepted: String,
    },
    #[error(
        "what the master key with the fingerprint {0} opens was changed (the table 'master_keys'): restore the database from a backup"
    )]
    Changed(String),
    #[error(
        "the database does not say any more which master keys it accepts (the table 'master_keys', and the row 'master_key_check' of \
         the table 'instance'): somebody took that away; restore the database from a backup"
    )]
    Gone,
}

/// What became of a key that was to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    Added,
    /// It was accepted before.
    Known,
}

/// What became of a key that was to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Dropped,
    Unknown,
    /// It is the one that asks.
    InUse,
}

/// Under which name the database keeps a value derived from its root, which tells nothing about any other.
pub const CHECK: &str = "master_key_check";

impl Root {
    /// Opens the database's root, which is made at the first start: the key that comes first is accepted.
    pub async fn open(db: &Db, master: &MasterKey, now: Timestamp) -> Result<Self, RootError> {
        let mut accepted = master_keys::list(&mut db.read().await?).await?;
        if accepted.is_empty() {
            accepted = begin(db, master, now).await?.ok_or(RootError::Gone)?;
        }
        let bytes = bytes(&SealedRoot::from(accepted.as_slice()), master)?;
        let root = Self::of(&bytes);
        let check = instance::load(&mut db.read().await?, CHECK).await?;
        match check {
            Some(check) if root.is_of(&check) => Ok(root),
            _ => Err(RootError::Changed(master.fingerprint())),
        }
    }

    /// The root of a database that was made with this key, and before there was another one.
    fn is_itself(master: &MasterKey) -> Self {
        Self::of(master.bytes())
    }

    /// Whether this key is the root, byte for byte: whoever has it needs no other to open the database, dropped or not.
    pub fn consists_of(&self, master: &MasterKey) -> bool {
        Self::is_itself(master).is_of(self.check().as_slice())
    }

    /// Whether a database with this value ([`CHECK`]) has this root.
    pub fn is_of(&self, check: &[u8]) -> bool {
        self.check().ct_eq(check).into()
    }

    /// For a throw-away installation.
    pub fn random() -> Self {
        Self::from_bytes(random::bytes())
    }

    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let root = Self::of(&bytes);
        bytes.zeroize();
        root
    }

    fn of(bytes: &[u8; 32]) -> Self {
        Self(extracted(bytes))
    }

    /// The key for one purpose: knowing it tells nothing about the root or the key for another purpose.
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        derived(&self.0, ["ostiary/1/", purpose])
    }

    /// What is mixed into every password's hash: here, because the server and the command line must agree on it.
    pub fn password_pepper(&self) -> Zeroizing<[u8; 32]> {
        self.derive("password/pepper")
    }

    fn check(&self) -> Zeroizing<[u8; 32]> {
        self.derive("check")
    }
}

/// Has the database accept `new` beside `master`. Whoever is stopped in the middle does it again.
pub async fn accept(db: &Db, master: &MasterKey, new: &MasterKey, event: &Event) -> Result<Addition, RootError> {
    let sealed = SealedRoot::from(master_keys::list(&mut db.read().await?).await?.as_slice());
    let root = bytes(&sealed, master)?;
    let key = Accepted { fingerprint: new.fingerprint(), sealed_root: new.seal(&root), created_at: event.at };
    let own = master.fingerprint();
    let inserted = db.write(async |tx| {
        master_keys::lock(tx).await?;
        // It may have been dropped meanwhile: then who asks may ask for nothing any more.
        if !holds(tx, &own).await? {
            return Ok(None);
        }
        let inserted = master_keys::insert_if_absent(tx, &key).await?;
        if inserted {
            record(tx, event).await?;
        }
        Ok(Some(inserted))
    });
    let Some(inserted) = inserted.await? else { return Err(not_accepted(db, master).await?) };
    // Before anybody is told to rely on it.
    Root::open(db, new, event.at).await?;
    Ok(if inserted { Addition::Added } else { Addition::Known })
}

/// Has the database accept a key no longer: nobody starts with it from now on. Whoever runs goes on. The key that asks stays, and
/// so the last one does.
pub async fn drop_key(db: &Db, master: &MasterKey, fingerprint: &str, event: &Event) -> Result<Removal, RootError> {
    let own = master.fingerprint();
    if fingerprint == own {
        return Ok(Removal::InUse);
    }
    let removed = db.write(async |tx| {
        master_keys::lock(tx).await?;
        // Two who drop each other's key: the second one finds that its own is gone.
        if !holds(tx, &own).await? {
            return Ok(None);
        }
        let deleted = master_keys::delete(tx, fingerprint).await?;
        if deleted {
            record(tx, event).await?;
        }
        Ok(Some(deleted))
    });
    match removed.await? {
        Some(true) => Ok(Removal::Dropped),
        Some(false) => Ok(Removal::Unknown),
        None => Err(not_accepted(db, master).await?),
    }
}

async fn holds(tx: &mut Tx, fingerprint: &str) -> Result<bool, Error> {
    Ok(master_keys::list(tx).await?.iter().any(|key| key.fingerprint == fingerprint))
}

async fn not_accepted(db: &Db, master: &MasterKey) -> Result<RootError, RootError> {
    let accepted = master_keys::list(&mut db.read().await?).await?;
    Ok(SealedRoot::from(accepted.as_slice()).refusal(master))
}

fn bytes(sealed: &SealedRoot, master: &MasterKey) -> Result<Zeroizing<[u8; 32]>, RootError> {
    if sealed.is_empty() {
        return Err(RootError::Wrong);
    }
    sealed.bytes(master).ok_or_else(|| sealed.refusal(master))
}

/// What a database may begin with.
struct Beginning {
    check: Zeroizing<[u8; 32]>,
    key: Accepted,
}

impl Beginning {
    fn new(root: &Zeroizing<[u8; 32]>, master: &MasterKey, now: Timestamp) -> Self {
        let key = Accepted { fingerprint: master.fingerprint(), sealed_root: master.seal(root), created_at: now };
        Self { check: Root::of(root).check(), key }
    }
}

/// The first key: with a new root in an empty database, with itself as the root in one that was made with it before there was
/// another. Of several who come at once the first one begins, and the others find what it made. `None`: what there must be is gone.
async fn begin(db: &Db, master: &MasterKey, now: Timestamp) -> Result<Option<Vec<Accepted>>, Error> {
    let new = Beginning::new(&Zeroizing::new(random::bytes()), master, now);
    let itself = Beginning::new(master.bytes(), master, now);
    db.write(async |tx| {
        master_keys::lock(tx).await?;
        let accepted = master_keys::list(tx).await?;
        if !accepted.is_empty() {
            return Ok(Some(accepted));
        }
        let first = match instance::load(tx, CHECK).await? {
            None if instance::load(tx, instance::AUDIT_KEY).await?.is_some() => return Ok(None),
            None => {
                instance::insert_if_absent(tx, CHECK, new.check.as_slice()).await?;
                &new
            }
            Some(check) if itself.check.ct_eq(&check).into() => &itself,
            Some(_) => return Ok(Some(Vec::new())),
        };
        master_keys::insert_if_absent(tx, &first.key).await?;
        master_keys::list(tx).await.map(Some)
    })
    .await
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Root([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// HKDF-SHA256 with an empty salt and the info `ostiary/1/x`, computed with Python's hmac: what is stored depends on it.
    #[test]
    fn derived_keys_never_change() {
        let derived = Root::from_bytes([1; 32]).derive("x");
        assert_eq!(STANDARD.encode(derived), "X14+SUC2Dg20j8I3yc0HDRIy3qXCiyJrMddERN3d8kE=");
    }

    #[test]
    fn the_keys_for_two_purposes_differ_and_none_is_printed() {
        let root = Root::from_bytes([1; 32]);
        assert_ne!(root.derive("a"), root.derive("b"));
        assert_eq!(format!("{root:?}"), "Root([redacted])");
    }

    /// A root may have the bytes of a master key; what is derived from the one is never what is derived from the other.
    #[test]
    fn no_key_of_the_root_is_one_of_the_master_key() {
        let master = MasterKey::from_bytes([1; 32]);
        let root = Root::is_itself(&master);
        assert_eq!(root.derive("x"), Root::from_bytes([1; 32]).derive("x"));
        for purpose in ["fingerprint", "seal", "master-key/1/seal"] {
            let derived = root.derive(purpose);
            assert!(!master.fingerprint().starts_with(&data_encoding::HEXLOWER.encode(&derived[..8])), "{purpose}");
            assert!(super::super::seal::Sealer::new(&derived).open(&master.seal(&[2; 32]), b"").is_none(), "{purpose}");
        }
    }
}
