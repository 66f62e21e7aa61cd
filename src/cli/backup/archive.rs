//! The file of a backup: a tar archive of a manifest, the master key and the database, encrypted with age unless it is asked
//! otherwise.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::printable;
use crate::keys::age::{self, Identity, Recipient};
use crate::keys::backup_proof::BackupProof;
use crate::keys::evidence::EvidenceKey;
use crate::keys::foreign::ForeignKey;
use crate::keys::root::{Root, SealedRoot};
use crate::protocol::foreign_jwk::ForeignJwk;

pub const MANIFEST: &str = "manifest.json";
pub const PROOF: &str = "manifest.proof";
pub const MASTER_KEY: &str = "master.key";
pub const SQLITE: &str = "ostiary.db";
pub const POSTGRES: &str = "ostiary.dump";

/// The form that is written.
const FORMAT: u32 = 2;

/// The first one, in which nothing vouches for the manifest, and the newest schema that was saved so.
const WITHOUT_PROOF: (u32, i64) = (1, 18);

/// Bytes that a manifest, or what vouches for it, may have.
const MAX_MANIFEST: u64 = 8_192;

/// How every file that age encrypted begins.
const AGE: &[u8] = b"age-encryption.org/";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    /// RFC 3339.
    pub created_at: String,
    /// The program that made it.
    pub version: String,
    pub issuer: String,
    /// The newest migration of the database.
    pub schema: i64,
    /// The database's root, sealed with each master key that it accepts: so a wrong one is found out before anything is restored.
    #[serde(default, skip_serializing_if = "SealedRoot::is_empty")]
    pub root: SealedRoot,
    pub parts: Vec<Part>,
}

/// What every manifest says, whatever else.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub fn new(created_at: String, issuer: String, schema: i64, parts: Vec<Part>) -> Self {
        let (version, root) = (env!("CARGO_PKG_VERSION").to_owned(), SealedRoot::default());
        Self { format: FORMAT, created_at, version, issuer, schema, root, parts }
    }

    /// As it is shown: who looks needs no sealed keys.
    pub fn shown(&self) -> Self {
        Self { root: SealedRoot::default(), ..self.clone() }
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

/// A manifest as it is written, and what vouches for it.
#[derive(Debug)]
pub struct Head {
    pub manifest: Manifest,
    text: Vec<u8>,
    /// None in the first form.
    proof: Option<BackupProof>,
}

impl Head {
    pub fn new(manifest: Manifest, root: &Root, evidence: &EvidenceKey) -> Result<Self, Failure> {
        let text = serde_json::to_vec_pretty(&manifest).map_err(Failure::failed)?;
        if text.len() as u64 > MAX_MANIFEST {
            return Err(Failure::unusable(
                "the database accepts more master keys than a backup has room for: drop those that nobody uses (`ostiary key status`, \
                 `ostiary key drop-master`)",
            ));
        }
        let proof = BackupProof::new(root, evidence, &text).map_err(Failure::failed)?;
        Ok(Self { manifest, text, proof: Some(proof) })
    }

    /// Whether anything vouches for the manifest. What does may be of whoever made the backup: compare it.
    pub const fn has_proof(&self) -> bool {
        self.proof.is_some()
    }

    /// Whether it was made with this root, and is as it was made; of the first form nobody knows.
    pub fn is_of(&self, root: &Root) -> bool {
        self.proof.as_ref().is_none_or(|proof| proof.is_of(root, &self.text))
    }

    fn is_signed_by(&self, key: &ForeignKey) -> bool {
        self.proof.as_ref().is_some_and(|proof| proof.is_signed_by(key, &self.text))
    }
}

/// With what a backup is opened, and whose it has to be.
#[derive(Debug, clap::Args)]
pub struct Opening {
    /// The file with the key that opens it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The file with the public key that it has to be signed with (`ostiary audit key`): whoever knows the recipient can make
    /// another backup, but not one that is signed.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Take a backup for which nothing vouches, as versions of schema 18 and before made them. Anybody could have made or changed it:
    /// know where it was since.
    #[arg(long, conflicts_with = "public_key")]
    without_proof: bool,
}

/// The same, read.
#[derive(Debug)]
pub struct Keys {
    identities: Vec<Identity>,
    pub signer: Option<ForeignKey>,
    without_proof: bool,
}

impl Opening {
    pub fn keys(&self) -> Result<Keys, Failure> {
        let unreadable = |path: &Path, error| Failure::usage(format!("the key file {} can't be read: {error}", path.display()));
        let identities = match &self.identity {
            None => Vec::new(),
            Some(path) => {
                let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|error| unreadable(path, error))?);
                Identity::parse_file(&text)
                    .ok_or_else(|| Failure::usage(format!("{} holds no key of age (AGE-SECRET-KEY-1…)", path.display())))?
            }
        };
        let signer = match &self.public_key {
            None => None,
            Some(path) => {
                let text = fs::read(path).map_err(|error| unreadable(path, error))?;
                let jwk = serde_json::from_slice(&text).ok().and_then(|jwk| ForeignJwk::parse(&jwk).ok());
                let key = jwk.filter(|jwk| jwk.signs_with("EdDSA")).and_then(ForeignKey::new);
                Some(key.ok_or_else(|| {
                    Failure::usage(format!("{} holds no public key as `ostiary audit key` prints it", path.display()))
                })?)
            }
        };
        Ok(Keys { identities, signer, without_proof: self.without_proof })
    }
}

/// What becomes a part.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    File(&'a Path),
    Secret(SecretString),
}

impl Source<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Secret(text) => Box::new(text.expose_secret().as_bytes()),
        })
    }
}

impl Part {
    pub fn of(name: &str, source: &Source<'_>) -> io::Result<Self> {
        let mut hash = Hashing::new(io::sink());
        io::copy(&mut source.open()?, &mut hash)?;
        Ok(Self { name: name.to_owned(), bytes: hash.bytes, sha256: hash.hex() })
    }
}

/// Writes the archive to `file`, for `recipients` if there are any, and waits until it is on the disk. Gives its size and SHA-256.
pub fn write(file: &File, head: &Head, parts: &[(&str, Source<'_>)], recipients: &[Recipient]) -> io::Result<(u64, String)> {
    let mut hashing = Hashing::new(BufWriter::new(file));
    if recipients.is_empty() {
        tar(&mut hashing, head, parts)?;
    } else {
        let mut sealed = age::seal(&mut hashing, recipients)?;
        tar(&mut sealed, head, parts)?;
        sealed.finish()?;
    }
    hashing.flush()?;
    file.sync_all()?;
    Ok((hashing.bytes, hashing.hex()))
}

fn tar(to: impl Write, head: &Head, parts: &[(&str, Source<'_>)]) -> io::Result<()> {
    let mut tar = tar::Builder::new(to);
    tar.append_data(&mut header(head.text.len() as u64), MANIFEST, head.text.as_slice())?;
    if let Some(proof) = &head.proof {
        let text = serde_json::to_vec(proof)?;
        tar.append_data(&mut header(text.len() as u64), PROOF, text.as_slice())?;
    }
    for (name, source) in parts {
        let bytes = head.manifest.part(name).map_or(0, |part| part.bytes);
        tar.append_data(&mut header(bytes), name, source.open()?)?;
    }
    tar.into_inner()?.flush()
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// Reads the archive at `path`: `take` is told the manifest, and says where each part is to be written (`None`: it is only looked
/// at). Every part is compared with the manifest, and nothing is taken of a backup that the signer asked for did not sign.
pub fn read<'a>(
    path: &Path,
    keys: &Keys,
    mut take: impl FnMut(&Manifest, &Part) -> Result<Option<Box<dyn Write + 'a>>, Failure>,
) -> Result<Head, Failure> {
    let Keys { identities, signer, without_proof } = keys;
    let complaint = |what: &str| Failure::new(Exit::Failed, format!("the backup {} {}", path.display(), printable(what)));
    let unreadable = |error: io::Error| complaint(&format!("can't be read: {error}"));
    let damaged = |what: &str| complaint(&format!("is damaged: {what}"));
    let mut tar = tar::Archive::new(content(path, identities)?);
    // Raw: an extension may say that a file is of any size, and would be read into memory before anybody vouched for it.
    let mut entries = tar.entries().map_err(unreadable)?.raw(true);
    let mut next = || match entries.next().transpose().map_err(unreadable)? {
        Some(entry) if !entry.header().entry_type().is_file() => Err(damaged("it holds something else than files")),
        entry => Ok(entry),
    };

    let mut small = |name: &str, without: &str| {
        let entry = next()?.filter(|entry| entry.path_bytes().as_ref() == name.as_bytes()).ok_or_else(|| damaged(without))?;
        let mut text = Vec::new();
        entry.take(MAX_MANIFEST).read_to_end(&mut text).map_err(unreadable)?;
        Ok::<_, Failure>(text)
    };
    let text = small(MANIFEST, "it does not begin with a manifest")?;
    let form: Form = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
    if ![WITHOUT_PROOF.0, FORMAT].contains(&form.format) {
        return Err(Failure::new(
            Exit::Failed,
            format!("the backup is of form {}, which this version does not know", form.format),
        ));
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
    let proof = if manifest.format == WITHOUT_PROOF.0 {
        None
    } else {
        let proof = small(PROOF, "nothing vouches for its manifest")?;
        Some(serde_json::from_slice(&proof).map_err(|error| damaged(&error.to_string()))?)
    };
    let head = Head { manifest, text, proof };
    let manifest = &head.manifest;
    if signer.as_ref().is_some_and(|signer| !head.is_signed_by(signer)) {
        return Err(Failure::new(
            Exit::Tampered,
            format!("the backup {} was not signed with the public key that was named: somebody else made it", path.display()),
        ));
    }
    if !head.has_proof() && manifest.schema > WITHOUT_PROOF.1 {
        return Err(damaged("nothing vouches for its manifest"));
    }
    if !head.has_proof() && !without_proof {
        return Err(Failure::usage(format!(
            "nothing vouches for the backup {0}, which says that it is of a version that made them so (schema {1} or before): anybody could \
             have made or changed it. If you know where it was since, name --without-proof",
            path.display(),
            WITHOUT_PROOF.1
        )));
    }
    if manifest.parts.iter().filter(|part| [SQLITE, POSTGRES].contains(&part.name.as_str())).count() != 1 {
        return Err(damaged("it does not hold one database"));
    }
    if identities.is_empty() && manifest.part(MASTER_KEY).is_some() {
        return Err(damaged("it holds a master key, and is not encrypted"));
    }
    for part in &manifest.parts {
        let entry = next()?.filter(|entry| entry.path_bytes().as_ref() == part.name.as_bytes());
        let entry = entry.ok_or_else(|| damaged(&format!("{} is missing", part.name)))?;
        let mut to = Hashing::new(take(manifest, part)?.unwrap_or_else(|| Box::new(io::sink())));
        io::copy(&mut entry.take(part.bytes.saturating_add(1)), &mut to).and_then(|_| to.flush()).map_err(unreadable)?;
        if to.bytes != part.bytes || to.hex() != part.sha256 {
            return Err(damaged(&format!("{} is not what was saved", part.name)));
        }
    }
    if next()?.is_some() {
        return Err(damaged("it holds more than its manifest names"));
    }
    // To its end: only there an encrypted file shows that nothing of it was cut off.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(unreadable)?;
    Ok(head)
}

fn content(path: &Path, identities: &[Identity]) -> Result<Box<dyn Read>, Failure> {
    let unreadable =
        |error: io::Error| Failure::new(Exit::Failed, format!("the backup {} can't be opened: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let encrypted = io::BufRead::fill_buf(&mut file).map_err(unreadable)?.starts_with(AGE);
    match (encrypted, identities) {
        (false, []) => Ok(Box::new(file)),
        // Whoever can write where backups are kept could have put another one there.
        (false, _) => Err(Failure::usage("the backup is not encrypted, although a key for it was named")),
        (true, []) => Err(Failure::usage("the backup is encrypted: name the file with its key with --identity")),
        (true, identities) => Ok(Box::new(age::open(file, identities).map_err(unreadable)?)),
    }
}

/// Passes on what is written, and keeps count.
struct Hashing<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0 }
    }

    fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.hash.clone().finalize())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
