//! A compact list of breached passwords: binary fuse filters (Graf, Lemire 2022) with 16-bit fingerprints, in pieces.
//!
//! A hash belongs to the piece that its first bits name, so building reads the sorted list once, with one piece in memory at a time,
//! and a search reads one piece of some 40 KB. The file, all numbers little-endian:
//! `"OSTBF16\x01" ‖ bits (u64) ‖ 2^bits + 1 offsets (u64)`, then the pieces, each
//! `seed (u64) ‖ segment length (u32) ‖ segment count length (u32) ‖ fingerprints (u16 …)`; one without hashes is empty.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xorf::{BinaryFuse16, Descriptor, Filter};

use super::breached::{PasswordHash, UnusableList, read_line};

const MAGIC: &[u8; 8] = b"OSTBF16\x01";

/// Magic and bits.
const HEAD: u64 = 16;

/// The hashes of a piece, about.
const PIECE: u64 = 16_384;

const MAX_BITS: u32 = 24;

/// What a piece holds before its fingerprints.
const PIECE_HEAD: usize = 16;

/// What building a filter came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    pub hashes: u64,
    /// Of the file.
    pub bytes: u64,
    /// The most hashes of one piece: they were in memory at once, with some 40 bytes each.
    pub largest_piece: usize,
}

/// Why a filter was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("line {0} is not HASH:COUNT, with a SHA-1 hash of 40 hexadecimal digits")]
    Line(u64),
    #[error("line {0} comes after a greater hash: the list must be sorted")]
    Order(u64),
    #[error("the list holds nothing")]
    Empty,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the filter could not be constructed")]
    Construction,
}

/// Makes a filter of a sorted list. The list is read twice: to count, and to build.
pub fn build<R: BufRead + Seek, W: Write + Seek>(list: &mut R, output: W) -> Result<Built, BuildError> {
    let count = each_hash(list, |_| Ok(()))?;
    if count == 0 {
        return Err(BuildError::Empty);
    }
    let bits = count.div_ceil(PIECE).next_power_of_two().trailing_zeros().min(MAX_BITS);
    let mut pieces = Pieces::begin(output, bits)?;
    list.seek(SeekFrom::Start(0))?;
    each_hash(list, |hash| pieces.add(&hash))?;
    pieces.finish(count)
}

/// Each line's hash, in order. Tells how many there were.
fn each_hash(list: &mut impl BufRead, mut take: impl FnMut(PasswordHash) -> Result<(), BuildError>) -> Result<u64, BuildError> {
    let (mut line, mut number, mut before) = (Vec::new(), 0, None);
    loop {
        line.clear();
        // A line that never ends must not fill the memory.
        if list.by_ref().take(200).read_until(b'\n', &mut line)? == 0 {
            return Ok(number);
        }
        number += 1;
        let hash = read_line(&line).ok_or(BuildError::Line(number))?;
        if before.is_some_and(|before| before > hash) {
            return Err(BuildError::Order(number));
        }
        before = Some(hash);
        take(hash)?;
    }
}

struct Pieces<W: Write + Seek> {
    output: BufWriter<W>,
    bits: u32,
    offsets: Vec<u64>,
    /// Where the next piece begins.
    position: u64,
    keys: Vec<u64>,
    largest: usize,
}

impl<W: Write + Seek> Pieces<W> {
    fn begin(output: W, bits: u32) -> Result<Self, BuildError> {
        let table = ((1_u64 << bits) + 1) * 8;
        let mut output = BufWriter::new(output);
        output.write_all(MAGIC)?;
        output.write_all(&u64::from(bits).to_le_bytes())?;
        // Overwritten at the end.
        io::copy(&mut io::repeat(0).take(table), &mut output)?;
        Ok(Self { output, bits, offsets: Vec::new(), position: HEAD + table, keys: Vec::new(), largest: 0 })
    }

    fn add(&mut self, hash: &PasswordHash) -> Result<(), BuildError> {
        let key = key(hash);
        let piece = piece(key, self.bits);
        while (self.offsets.len() as u64) < piece {
            self.close()?;
        }
        self.keys.push(key);
        Ok(())
    }

    fn close(&mut self) -> Result<(), BuildError> {
        self.offsets.push(self.position);
        self.keys.dedup();
        self.largest = self.largest.max(self.keys.len());
        if !self.keys.is_empty() {
            let filter = BinaryFuse16::try_from(&self.keys).map_err(|_| BuildError::Construction)?;
            let descriptor = &filter.descriptor;
            self.output.write_all(&descriptor.seed.to_le_bytes())?;
            self.output.write_all(&descriptor.segment_length.to_le_bytes())?;
            self.output.write_all(&descriptor.segment_count_length.to_le_bytes())?;
            for fingerprint in &filter.fingerprints {
                self.output.write_all(&fingerprint.to_le_bytes())?;
            }
            self.position += (PIECE_HEAD + 2 * filter.fingerprints.len()) as u64;
            self.keys.clear();
        }
        Ok(())
    }

    fn finish(mut self, hashes: u64) -> Result<Built, BuildError> {
        while (self.offsets.len() as u64) < 1 << self.bits {
            self.close()?;
        }
        self.offsets.push(self.position);
        self.output.seek(SeekFrom::Start(HEAD))?;
        for offset in &self.offsets {
            self.output.write_all(&offset.to_le_bytes())?;
        }
        self.output.flush()?;
        Ok(Built { hashes, bytes: self.position, largest_piece: self.largest })
    }
}

/// The hash as the filters know it: its first 64 bits.
fn key(hash: &PasswordHash) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

/// The piece that a key belongs to.
const fn piece(key: u64, bits: u32) -> u64 {
    if bits == 0 { 0 } else { key >> (u64::BITS - bits) }
}

/// A filter on the disk. It is opened for each search, like a list of hashes.
#[derive(Debug)]
pub struct FilterFile(PathBuf);

impl FilterFile {
    /// # Errors
    /// It can't be read, or is not what [`build`] made.
    pub fn open(path: &Path) -> Result<Self, UnusableList> {
        let unusable = |error: io::Error| UnusableList::new(path, &error);
        let mut file = File::open(path).map_err(unusable)?;
        let bits = head(&mut file).map_err(unusable)?;
        let length = file.seek(SeekFrom::End(0)).map_err(unusable)?;
        let (_, end) = offsets(&mut file, (1 << bits) - 1).map_err(unusable)?;
        if end != length {
            return Err(UnusableList::new(path, &"is cut off, or longer than it should be"));
        }
        Ok(Self(path.to_owned()))
    }

    pub(super) fn contains(&self, hash: &PasswordHash) -> io::Result<bool> {
        let mut file = File::open(&self.0)?;
        let bits = head(&mut file)?;
        let key = key(hash);
        let (start, end) = offsets(&mut file, piece(key, bits))?;
        if start == end {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(start))?;
        let length = end.checked_sub(start).and_then(|length| usize::try_from(length).ok()).filter(|length| *length < 1 << 28);
        let mut bytes = vec![0; length.ok_or_else(damaged)?];
        file.read_exact(&mut bytes)?;
        Ok(parse(&bytes).ok_or_else(damaged)?.contains(&key))
    }
}

fn head(file: &mut File) -> io::Result<u32> {
    let mut head = [0; 16];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    let bits = head.strip_prefix(MAGIC).map(number).and_then(|bits| u32::try_from(bits).ok());
    bits.filter(|bits| *bits <= MAX_BITS).ok_or_else(damaged)
}

/// Where a piece begins and ends.
fn offsets(file: &mut File, piece: u64) -> io::Result<(u64, u64)> {
    let mut pair = [0; 16];
    file.seek(SeekFrom::Start(HEAD + piece * 8))?;
    file.read_exact(&mut pair)?;
    Ok((number(&pair[..8]), number(&pair[8..])))
}

fn parse(bytes: &[u8]) -> Option<BinaryFuse16> {
    let (head, fingerprints) = bytes.split_at_checked(PIECE_HEAD)?;
    let half = |at: usize| u32::try_from(number(&head[at..at + 4])).ok();
    let (segment_length, segment_count_length) = (half(8)?, half(12)?);
    let fingerprints: Box<[u16]> = fingerprints.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    // So that no key leads outside.
    let reach = u64::from(segment_count_length) + 2 * u64::from(segment_length);
    if !segment_length.is_power_of_two() || reach > fingerprints.len() as u64 {
        return None;
    }
    let descriptor =
        Descriptor { seed: number(&head[..8]), segment_length, segment_length_mask: segment_length - 1, segment_count_length };
    Some(BinaryFuse16 { descriptor, fingerprints })
}

/// Up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "is not a filter that 'ostiary password build-filter' made, or is damaged")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::authn::password::breached::{Breached, hash};

    fn list(count: u32) -> Vec<u8> {
        let mut hashes: Vec<_> =
            (0..count).map(|number| data_encoding::HEXUPPER.encode(&hash(&format!("password {number}")))).collect();
        hashes.sort();
        hashes.iter().map(|hash| format!("{hash}:7\r\n")).collect::<Vec<_>>().concat().into_bytes()
    }

    #[test]
    fn every_password_of_the_list_is_found_and_hardly_any_other() {
        for count in [1, 2, 3, 10, 1_000, 40_000] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let built = build(&mut Cursor::new(list(count)), file.reopen().unwrap()).unwrap();
            assert_eq!((built.hashes, built.bytes), (u64::from(count), file.as_file().metadata().unwrap().len()));
            assert!(built.largest_piece as u64 <= 2 * PIECE);
            let filter = Breached::Filter(FilterFile::open(file.path()).unwrap());
            assert!((0..count.min(500)).all(|number| filter.contains(&format!("password {number}")).unwrap()), "{count}");
            let wrong = (0..2_000).filter(|number| filter.contains(&format!("another {number}")).unwrap()).count();
            assert!(wrong <= 2, "{wrong} of 2000 with {count} hashes");
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_with_its_line() {
        let build = |text: &[u8]| build(&mut Cursor::new(text.to_vec()), Cursor::new(Vec::new())).unwrap_err().to_string();
        assert_eq!(build(b""), "the list holds nothing");
        let unsorted = [list(3), vec![b'0'; 40]].concat();
        assert!(build(&unsorted).starts_with("line 4 comes after a greater hash"));
        assert!(build(&[list(3), b"hello\n".to_vec()].concat()).starts_with("line 4 is not HASH:COUNT"));
        assert!(build(&vec![b'a'; 10_000]).starts_with("line 1 is not"));
    }

    #[test]
    fn a_damaged_filter_is_refused_or_fails_and_never_panics() {
        let mut whole = Cursor::new(Vec::new());
        build(&mut Cursor::new(list(100)), &mut whole).unwrap();
        let whole = whole.into_inner();
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            FilterFile::open(file.path())
        };
        assert!(opened(&whole).is_ok());
        assert!(opened(&whole[..whole.len() - 1]).is_err() && opened(b"").is_err() && opened(&[0; 64]).is_err());
        for at in 0..60 {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            if let Ok(filter) = opened(&changed) {
                _ = filter.contains(&hash("password 1"));
            }
        }
    }
}
