//! The master key and the keys derived from it (HKDF, RFC 5869).
//!
//! 32 random bytes as base64, in a file or in the environment variable `OSTIARY_MASTER_KEY`, the same on every node. Whoever has
//! it and the database has everything; whoever loses it has to make new signing keys and client secrets.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::storage::db::Db;
use crate::storage::instance;
use crate::{random, storage};

/// The environment variable that goes before the file.
pub const VARIABLE: &str = "OSTIARY_MASTER_KEY";

/// The secret that everything else is derived from.
#[derive(Clone)]
pub struct MasterKey(Prk);

/// Why there is no master key. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error(
        "the environment variable OSTIARY_MASTER_KEY does not hold 32 bytes as base64: \
         make a key with `openssl rand -base64 32`, or unset the variable to use a file"
    )]
    Variable,
    #[error(
        "the master key file {} does not hold 32 bytes as base64: restore it from a backup; \
         if this is a new installation, delete the file and start again", .0.display()
    )]
    Malformed(PathBuf),
    #[error("the master key file {} may be read by others: run `chmod 600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    #[error("the master key file {} can't be read: {source}; check its owner and permissions", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "the master key is not the one that the database was made with: use that one (the file named by \
         keys.master_key_file, or the environment variable OSTIARY_MASTER_KEY)"
    )]
    Wrong,
    #[error(transparent)]
    Storage(#[from] storage::error::Error),
    #[error("the master key file {} can't be created: {source}; check that its folder exists and may be written to", path.display())]
    Uncreatable { path: PathBuf, source: io::Error },
}

impl MasterKey {
    /// From the environment when [`VARIABLE`] is set, else from `path`, where a new key is put when there is none.
    pub fn obtain(path: &Path) -> Result<Self, MasterKeyError> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::parse(&Zeroizing::new(text)).ok_or(MasterKeyError::Variable),
            Err(std::env::VarError::NotUnicode(_)) => Err(MasterKeyError::Variable),
            Err(std::env::VarError::NotPresent) => Self::load_or_create(path),
        }
    }

    /// Reads the key in `path`; makes one, with mode 0600, when there is no such file.
    pub fn load_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        match read(path) {
            Err(MasterKeyError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(|source| MasterKeyError::Uncreatable { path: path.to_owned(), source })?;
                // Read back: when two processes start at once, both use the key that came first.
                read(path)
            }
            result => result,
        }
    }

    /// Whether this is the key that the database was made with. The first key that comes is: the table `instance` remembers a value
    /// derived from it, which tells nothing about any other.
    pub async fn verify_or_store(&self, db: &Db) -> Result<(), MasterKeyError> {
        let stored = instance::load(&mut db.read().await?, Self::CHECK).await?;
        let stored = if let Some(stored) = stored {
            stored
        } else {
            let check = self.derive("check");
            db.write(async |tx| instance::insert_if_absent(tx, Self::CHECK, check.as_slice()).await).await?
        };
        if self.is_of(&stored) { Ok(()) } else { Err(MasterKeyError::Wrong) }
    }

    /// The name of that value.
    pub const CHECK: &str = "master_key_check";

    /// Whether a database with this value was made with this key.
    pub fn is_of(&self, check: &[u8]) -> bool {
        self.derive("check").as_slice().ct_eq(check).into()
    }

    /// A key for a throw-away installation.
    pub fn random() -> Self {
        Self::from_bytes(random::bytes())
    }

    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        // Extract with the empty salt (RFC 5869 §2.2): the key is uniform already.
        let key = Salt::new(HKDF_SHA256, &[]).extract(&bytes);
        bytes.zeroize();
        Self(key)
    }

    /// base64, with or without white space around it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        Some(Self::from_bytes(bytes.as_slice().try_into().ok()?))
    }

    /// The key for one purpose: knowing it tells nothing about the master key or the key for another purpose.
    ///
    /// # Panics
    /// Never: HKDF-SHA256 gives up to 8160 bytes.
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes")]
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        let info = ["ostiary/1/", purpose].map(str::as_bytes);
        self.0.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(derived.as_mut())).expect("32 bytes");
        derived
    }
}

impl MasterKey {
    /// What is mixed into every password's hash: here, because the server and the command line must agree on it.
    pub fn password_pepper(&self) -> Zeroizing<[u8; 32]> {
        self.derive("password/pepper")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey([redacted])")
    }
}

fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let unreadable = |source| MasterKeyError::Unreadable { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if is_exposed(&metadata) {
        return Err(MasterKeyError::Exposed(path.to_owned()));
    }
    let content = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let key = std::str::from_utf8(&content).ok().and_then(MasterKey::parse);
    key.ok_or_else(|| MasterKeyError::Malformed(path.to_owned()))
}

#[cfg(unix)]
fn is_exposed(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

/// Writes a new key beside `path`, makes it durable, and gives it its name last: a crash leaves either no key or a whole one.
/// A key that is there already stays.
fn create(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".master-key-{}", random::identifier()));
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(random::bytes::<32>())));

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, does not replace what is there.
    let named = written.and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    fs::remove_file(&temporary)?;
    named?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_new_key_is_written_for_its_owner_alone_and_read_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let path = folder.path().join("master.key");
        let made = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.derive("x"), MasterKey::load_or_create(&path).unwrap().derive("x"));
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "no temporary file stays");
    }

    #[test]
    fn processes_that_start_at_once_use_one_key() {
        let folder = folder();
        let path = folder.path().join("master.key");
        let start = || MasterKey::load_or_create(&path).unwrap().derive("x");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]));
    }

    #[test]
    #[cfg(unix)]
    fn a_key_that_others_may_read_is_refused() {
        let folder = folder();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            set_mode(&path, mode);
            let error = MasterKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::Exposed(_)), "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        set_mode(&path, 0o400);
        assert!(MasterKey::load_or_create(&path).is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn half_a_key_is_refused_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("master.key");
        for content in ["", "AAAA", "not base64!", "\u{0}\u{0}"] {
            fs::write(&path, content).unwrap();
            set_mode(&path, 0o600);
            let error = MasterKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::Malformed(_)), "{content:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = MasterKey::load_or_create(Path::new("/nonexistent/master.key")).unwrap_err();
        assert!(matches!(error, MasterKeyError::Uncreatable { .. }));
        assert!(error.to_string().contains("/nonexistent/master.key"), "{error}");
    }

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let text = STANDARD.encode([1; 32]);
        assert_eq!(MasterKey::parse(&format!(" {text}\n")).unwrap().derive("x"), MasterKey::from_bytes([1; 32]).derive("x"));
        for bad in [STANDARD.encode([1; 31]), STANDARD.encode([1; 33]), String::new(), "x".into()] {
            assert!(MasterKey::parse(&bad).is_none(), "{bad}");
        }
    }

    /// HKDF-SHA256 with an empty salt and the info `ostiary/1/x`, computed with Python's hmac: what is stored depends on it.
    #[test]
    fn derived_keys_never_change() {
        let derived = MasterKey::from_bytes([1; 32]).derive("x");
        assert_eq!(STANDARD.encode(derived), "X14+SUC2Dg20j8I3yc0HDRIy3qXCiyJrMddERN3d8kE=");
    }

    #[test]
    fn the_keys_for_two_purposes_differ_and_none_is_printed() {
        let key = MasterKey::from_bytes([1; 32]);
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_eq!(format!("{key:?}"), "MasterKey([redacted])");
    }
}
