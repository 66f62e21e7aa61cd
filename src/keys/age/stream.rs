//! The content: chunks of 64 KiB, each sealed by ChaCha20-Poly1305 with its number and whether it is the last one (STREAM), so that
//! none can be changed, moved, repeated or cut off.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::invalid;

/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 65_536;
const TAG: usize = 16;

/// # Panics
/// Never: any 32 bytes are a key of ChaCha20.
#[expect(clippy::expect_used, reason = "any 32 bytes are a key of ChaCha20")]
pub(super) fn key(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("32 bytes"))
}

pub(super) fn nonce_zero() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Eleven bytes of the chunk's number and one that is 1 for the last.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = last.into();
    Nonce::assume_unique_for_key(bytes)
}

/// Takes content in and writes it sealed. Without [`Sealed::finish`] the file has no end, and can't be opened to its end.
#[derive(Debug)]
pub struct Sealed<W> {
    to: W,
    key: LessSafeKey,
    number: u64,
    chunk: Vec<u8>,
}

impl<W: Write> Sealed<W> {
    pub(super) fn new(to: W, bytes: &[u8; 32]) -> Self {
        Self { to, key: key(bytes), number: 0, chunk: Vec::with_capacity(CHUNK + TAG) }
    }

    /// Writes the last chunk.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        Ok(self.to)
    }

    fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.key.seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut self.chunk);
        sealed.map_err(|_| io::Error::other("a chunk can't be sealed"))?;
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk is written when more comes: the last one has to be known as such.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Gives the content of a sealed file, chunk by chunk, each only after it was found to be genuine.
#[derive(Debug)]
pub struct Opened<R> {
    from: R,
    key: LessSafeKey,
    number: u64,
    /// The chunk that is being read, opened.
    chunk: Vec<u8>,
    read: usize,
    /// The one behind it, still sealed. `None`: nothing was read yet.
    next: Option<Vec<u8>>,
}

impl<R: Read> Opened<R> {
    pub(super) fn new(from: R, bytes: &[u8; 32]) -> Self {
        Self { from, key: key(bytes), number: 0, chunk: Vec::new(), read: 0, next: None }
    }

    fn sealed_chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(CHUNK + TAG);
        self.from.by_ref().take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
        Ok(chunk)
    }

    /// Opens the next chunk. False: there is none.
    fn advance(&mut self) -> io::Result<bool> {
        let mut sealed = match self.next.take() {
            None => self.sealed_chunk()?,
            Some(next) if next.is_empty() => {
                self.next = Some(next);
                return Ok(false);
            }
            Some(next) => next,
        };
        let next = self.sealed_chunk()?;
        let last = next.is_empty();
        let damaged = || invalid("it is damaged, was changed, or ends too early");
        let opened = self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut sealed).map_err(|_| damaged())?;
        let length = opened.len();
        // Only a file without any content ends with an empty chunk.
        if length == 0 && self.number > 0 {
            return Err(damaged());
        }
        sealed.truncate(length);
        (self.chunk, self.read, self.next) = (sealed, 0, Some(next));
        self.number += 1;
        Ok(true)
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let taken = into.len().min(self.chunk.len() - self.read);
        into[..taken].copy_from_slice(&self.chunk[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
    }
}
