//! The age file encryption format, version 1, for X25519 recipients (C2SP, age-encryption.org/v1): what backups are encrypted
//! with, so that they can be opened without Ostiary too (`age --decrypt`).
//!
//! Only what a backup needs: no passphrases, plugins or armor. The crate that does it all brings 45 others, some of them not yet
//! released.

mod bech32;
mod header;
mod stream;

use std::fmt;
use std::io::{self, BufRead, Write};

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use self::header::Header;
pub use self::stream::{Opened, Sealed};
use crate::random;

/// Human-readable parts of the two kinds of keys.
const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";

/// Bytes of the key that a file is encrypted with.
const FILE_KEY: usize = 16;

type FileKey = Zeroizing<[u8; FILE_KEY]>;

/// Whom a file is encrypted for: `age1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Recipient {
    pub fn parse(text: &str) -> Option<Self> {
        bech32::decode(RECIPIENT, text).map(|key| Self(*key))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

/// What opens a file: `AGE-SECRET-KEY-1…`.
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// A new one.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    pub fn parse(text: &str) -> Option<Self> {
        bech32::decode(IDENTITY, text).map(Self)
    }

    /// Reads a file as `age-keygen` writes it: one identity a line, comments after `#`.
    pub fn parse_file(text: &str) -> Option<Vec<Self>> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities = lines.map(Self::parse).collect::<Option<Vec<_>>>()?;
        (!identities.is_empty()).then_some(identities)
    }

    /// The one whom it opens files for. `None` can't happen: any 32 bytes are a key of X25519.
    pub fn recipient(&self) -> Option<Recipient> {
        let key = self.private()?.compute_public_key().ok()?;
        key.as_ref().try_into().ok().map(Recipient)
    }

    /// As text: handle it like a password.
    pub fn secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::encode(IDENTITY, &self.0).to_uppercase())
    }

    fn private(&self) -> Option<PrivateKey> {
        PrivateKey::from_private_key(&X25519, self.0.as_ref()).ok()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity([redacted])")
    }
}

/// Begins a file that any of `recipients` can open: write the content to what is returned, then [`Sealed::finish`] it.
pub fn seal<W: Write>(mut to: W, recipients: &[Recipient]) -> io::Result<Sealed<W>> {
    let file_key: FileKey = Zeroizing::new(random::bytes());
    let header = recipients.iter().map(|recipient| wrap(&file_key, recipient)).collect::<Option<Vec<_>>>();
    let header = header.ok_or_else(|| io::Error::other("the key of a recipient is of no use"))?;
    to.write_all(&header::write(&header, &file_key))?;
    let nonce: [u8; 16] = random::bytes();
    to.write_all(&nonce)?;
    Ok(Sealed::new(to, &payload_key(&file_key, &nonce)))
}

/// Opens a file with the first of `identities` that it was encrypted for.
///
/// # Errors
/// `InvalidData` when it is no such file, was changed, or is for somebody else; what is read from the result fails likewise.
pub fn open<R: BufRead>(mut from: R, identities: &[Identity]) -> io::Result<Opened<R>> {
    let header = Header::read(&mut from)?;
    let file_key = header.shares.iter().find_map(|share| identities.iter().find_map(|identity| unwrap(share, identity)));
    let file_key = file_key.ok_or_else(|| invalid("it is encrypted for somebody else"))?;
    header.verify(&file_key)?;
    let mut nonce = [0; 16];
    from.read_exact(&mut nonce)?;
    Ok(Opened::new(from, &payload_key(&file_key, &nonce)))
}

/// The file key for one recipient.
#[derive(Debug)]
struct Share {
    ephemeral: [u8; 32],
    wrapped: [u8; FILE_KEY + 16],
}

fn wrap(file_key: &FileKey, recipient: &Recipient) -> Option<Share> {
    let own = PrivateKey::generate(&X25519).ok()?;
    let ephemeral: [u8; 32] = own.compute_public_key().ok()?.as_ref().try_into().ok()?;
    let key = wrapping_key(&own, &recipient.0, (&ephemeral, &recipient.0))?;
    let mut wrapped = file_key.to_vec();
    stream::key(&key).seal_in_place_append_tag(stream::nonce_zero(), aws_lc_rs::aead::Aad::empty(), &mut wrapped).ok()?;
    Some(Share { ephemeral, wrapped: wrapped.try_into().ok()? })
}

fn unwrap(share: &Share, identity: &Identity) -> Option<FileKey> {
    let own = identity.private()?;
    let recipient = identity.recipient()?.0;
    let key = wrapping_key(&own, &share.ephemeral, (&share.ephemeral, &recipient))?;
    let mut wrapped = Zeroizing::new(share.wrapped);
    let opened = stream::key(&key).open_in_place(stream::nonce_zero(), aws_lc_rs::aead::Aad::empty(), wrapped.as_mut()).ok()?;
    Some(Zeroizing::new((&*opened).try_into().ok()?))
}

/// A point of small order is refused by the agreement itself, as the format asks for.
fn wrapping_key(
    own: &PrivateKey,
    other: &[u8; 32],
    (ephemeral, recipient): (&[u8; 32], &[u8; 32]),
) -> Option<Zeroizing<[u8; 32]>> {
    let salt = [ephemeral.as_slice(), recipient].concat();
    agree(own, UnparsedPublicKey::new(&X25519, other), (), |secret| Ok(derive(secret, &salt, "age-encryption.org/v1/X25519")))
        .ok()
}

fn payload_key(file_key: &FileKey, nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    derive(file_key.as_ref(), nonce, "payload")
}

/// HKDF-SHA-256 (RFC 5869).
///
/// # Panics
/// Never: it gives up to 8160 bytes. A key that could not be made must not be one of zeros.
#[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes")]
fn derive(secret: &[u8], salt: &[u8], info: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let info = [info.as_bytes()];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    extracted.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut())).expect("32 bytes");
    key
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
