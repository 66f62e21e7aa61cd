//! The file of a backup: a tar archive of a manifest, the master key and the database, encrypted with age unless it is asked
//! otherwise.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::failure::{Exit, Failure};
use crate::keys::age::{self, Identity, Recipient};

pub const MANIFEST: &str = "manifest.json";
pub const MASTER_KEY: &str = "master.key";
pub const SQLITE: &str = "ostiary.db";
pub const POSTGRES: &str = "ostiary.dump";

/// The one form there is so far.
const FORMAT: u32 = 1;

/// Bytes that a manifest may have.
const MAX_MANIFEST: u64 = 65_536;

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
    pub parts: Vec<Part>,
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
        Self { format: FORMAT, created_at, version: env!("CARGO_PKG_VERSION").to_owned(), issuer, schema, parts }
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl Part {
    /// Describes a file.
    pub fn of(name: &str, path: &Path) -> io::Result<Self> {
        let mut hash = Hashing::new(io::sink());
        io::copy(&mut File::open(path)?, &mut hash)?;
        Ok(Self { name: name.to_owned(), bytes: hash.bytes, sha256: hash.hex() })
    }
}

/// Writes the archive to `file`, for `recipients` if there are any, and waits until it is on the disk. Gives its size and SHA-256.
pub fn write(file: &File, manifest: &Manifest, parts: &[(&str, &Path)], recipients: &[Recipient]) -> io::Result<(u64, String)> {
    let mut hashing = Hashing::new(BufWriter::new(file));
    if recipients.is_empty() {
        tar(&mut hashing, manifest, parts)?;
    } else {
        let mut sealed = age::seal(&mut hashing, recipients)?;
        tar(&mut sealed, manifest, parts)?;
        sealed.finish()?;
    }
    hashing.flush()?;
    file.sync_all()?;
    Ok((hashing.bytes, hashing.hex()))
}

fn tar(to: impl Write, manifest: &Manifest, parts: &[(&str, &Path)]) -> io::Result<()> {
    let mut tar = tar::Builder::new(to);
    let text = serde_json::to_vec_pretty(manifest)?;
    tar.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    for (name, path) in parts {
        let bytes = manifest.part(name).map_or(0, |part| part.bytes);
        tar.append_data(&mut header(bytes), name, File::open(path)?)?;
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
/// at). Every part is compared with the manifest.
pub fn read<'a>(
    path: &Path,
    identities: &[Identity],
    mut take: impl FnMut(&Manifest, &Part) -> Result<Option<Box<dyn Write + 'a>>, Failure>,
) -> Result<Manifest, Failure> {
    let unreadable =
        |error: io::Error| Failure::new(Exit::Failed, format!("the backup {} can't be read: {error}", path.display()));
    let damaged = |what: &str| Failure::new(Exit::Failed, format!("the backup {} is damaged: {what}", path.display()));
    let mut tar = tar::Archive::new(content(path, identities)?);
    let mut entries = tar.entries().map_err(unreadable)?;
    let mut next = || entries.next().transpose().map_err(unreadable);

    let first = next()?.filter(|entry| entry.path_bytes().as_ref() == MANIFEST.as_bytes());
    let first = first.ok_or_else(|| damaged("it does not begin with a manifest"))?;
    let mut text = Vec::new();
    first.take(MAX_MANIFEST).read_to_end(&mut text).map_err(unreadable)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(Failure::new(
            Exit::Failed,
            format!("the backup is of form {}, which this version does not know", manifest.format),
        ));
    }
    if manifest.parts.iter().filter(|part| [SQLITE, POSTGRES].contains(&part.name.as_str())).count() != 1 {
        return Err(damaged("it does not hold one database"));
    }
    if identities.is_empty() && manifest.part(MASTER_KEY).is_some() {
        return Err(damaged("it holds a master key, and is not encrypted"));
    }
    for part in &manifest.parts {
        let entry = next()?.filter(|entry| entry.path_bytes().as_ref() == part.name.as_bytes());
        let mut entry = entry.ok_or_else(|| damaged(&format!("{} is missing", part.name)))?;
        let mut to = Hashing::new(take(&manifest, part)?.unwrap_or_else(|| Box::new(io::sink())));
        io::copy(&mut entry, &mut to).and_then(|_| to.flush()).map_err(unreadable)?;
        if to.bytes != part.bytes || to.hex() != part.sha256 {
            return Err(damaged(&format!("{} is not what was saved", part.name)));
        }
    }
    if next()?.is_some() {
        return Err(damaged("it holds more than its manifest names"));
    }
    // To its end: only there an encrypted file shows that nothing of it was cut off.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(unreadable)?;
    Ok(manifest)
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
