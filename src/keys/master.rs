//! The master key: what opens the root, from which everything else is derived ([`super::root`]).
//!
//! 32 random bytes as base64, in a file or in the environment variable `OSTIARY_MASTER_KEY`. Whoever has it and the database has
//! everything; whoever loses it has to make new signing keys and client secrets. It can be replaced: a database may accept several.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use super::seal::Sealer;
use crate::random;
use crate::storage::files::sync_folder_of;

/// The environment variable that goes before the file.
pub const VARIABLE: &str = "OSTIARY_MASTER_KEY";

/// The key that the operator keeps.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

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

    /// A key of which there is no copy.
    pub fn random() -> Self {
        Self::from_bytes(random::bytes())
    }

    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    /// base64, with or without white space around it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        Some(Self::from_bytes(bytes.as_slice().try_into().ok()?))
    }

    /// As it stands in a file.
    pub fn text(&self) -> SecretString {
        format!("{}\n", STANDARD.encode(self.0.as_slice())).into()
    }

    /// Which key it is, for people and for the database: 16 hexadecimal digits that tell nothing about the key.
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(&self.derive("fingerprint")[..8])
    }

    /// Whether a text is a fingerprint of some key.
    pub fn is_fingerprint(text: &str) -> bool {
        text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// Seals a root.
    pub(super) fn seal(&self, root: &[u8; 32]) -> Vec<u8> {
        self.sealer().seal(root, &self.place())
    }

    /// Opens what [`MasterKey::seal`] made with this key; `None` for everything else.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let plain = Zeroizing::new(self.sealer().open(sealed, &self.place())?);
        Some(Zeroizing::new(plain.as_slice().try_into().ok()?))
    }

    /// The key itself, which is the root of databases that were made before there was another one.
    pub(super) const fn bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }

    fn sealer(&self) -> Sealer {
        Sealer::new(&self.derive("seal"))
    }

    fn place(&self) -> Vec<u8> {
        format!("master_keys/{}", self.fingerprint()).into_bytes()
    }

    /// Of another kind than anything that is derived from a root, which may consist of the same bytes.
    fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        derived(&extracted(&self.0), ["ostiary/master-key/1/", purpose])
    }
}

/// What keys are derived from (RFC 5869 §2.2): with the empty salt, because the secret is uniform already.
pub(super) fn extracted(secret: &[u8; 32]) -> Prk {
    Salt::new(HKDF_SHA256, &[]).extract(secret)
}

/// A key for one purpose: it tells nothing about the secret nor about the key for another purpose.
///
/// # Panics
/// Never: HKDF-SHA256 gives up to 8160 bytes.
#[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes")]
pub(super) fn derived(secret: &Prk, purpose: [&'static str; 2]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    let info = purpose.map(str::as_bytes);
    secret.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(derived.as_mut())).expect("32 bytes");
    derived
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
    let text = MasterKey::random().text();

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    let written = file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, does not replace what is there.
    let named = written.and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    fs::remove_file(&temporary)?;
    named?;
    sync_folder_of(path)
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
        assert_eq!(made.fingerprint(), MasterKey::load_or_create(&path).unwrap().fingerprint());
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "no temporary file stays");
    }

    #[test]
    fn processes_that_start_at_once_use_one_key() {
        let folder = folder();
        let path = folder.path().join("master.key");
        let start = || MasterKey::load_or_create(&path).unwrap().fingerprint();
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
        assert_eq!(*MasterKey::parse(&format!(" {text}\n")).unwrap().0, [1; 32]);
        for bad in [STANDARD.encode([1; 31]), STANDARD.encode([1; 33]), String::new(), "x".into()] {
            assert!(MasterKey::parse(&bad).is_none(), "{bad}");
        }
    }

    /// HKDF-SHA256 with an empty salt, computed with Python's hmac: what is stored depends on it.
    #[test]
    fn fingerprints_and_sealing_keys_never_change() {
        let key = MasterKey::from_bytes([1; 32]);
        assert_eq!(key.fingerprint(), "e8d08b2e49b9a884");
        assert_eq!(
            HEXLOWER.encode(key.derive("seal").as_slice()),
            "809fbb2290c33e84131e13bae94bd2726de1cbba239c1da2c0a97c791afb11e6"
        );
        let sealed = Sealer::new(&key.derive("seal")).seal(&[2; 32], b"master_keys/e8d08b2e49b9a884");
        assert_eq!(*key.open(&sealed).unwrap(), [2; 32]);
    }

    #[test]
    fn a_root_opens_with_its_key_alone() {
        let (one, two) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let sealed = one.seal(&[3; 32]);
        assert_eq!(one.open(&sealed).as_deref(), Some(&[3; 32]));
        assert_eq!(two.open(&sealed), None);
        assert_eq!(one.open(&sealed[1..]), None);
        assert_eq!(one.open(&one.sealer().seal(&[3; 31], &one.place())), None, "nothing shorter is taken for one");
        assert!(!sealed.windows(8).any(|window| window == [3; 8]));
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", MasterKey::from_bytes([1; 32])), "MasterKey([redacted])");
    }
}
