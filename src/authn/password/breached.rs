//! Passwords that are known from breaches (NIST SP 800-63B-4 §3.1.1.2), from a list that the operator supplies: nothing is asked
//! over the network.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::filter::FilterFile;
use crate::config::PasswordConfig;

/// SHA-1, as such lists have it. It protects nothing here.
pub type PasswordHash = [u8; 20];

/// The most bytes of a line: 40 of the hash, a colon, a count, a line break.
const MAX_LINE: usize = 80;

/// A list that is configured and can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct UnusableList {
    pub path: String,
    pub problem: String,
}

impl UnusableList {
    pub(super) fn new(path: &Path, problem: &dyn std::fmt::Display) -> Self {
        Self { path: path.display().to_string(), problem: problem.to_string() }
    }
}

/// A list of breached passwords.
#[derive(Debug)]
pub enum Breached {
    /// Sorted lines, searched on the disk.
    Hashes(HashFile),
    Filter(FilterFile),
}

impl Breached {
    /// Those that the configuration names.
    pub(super) fn configured(config: &PasswordConfig) -> Result<Vec<Self>, UnusableList> {
        let mut lists = Vec::new();
        if !config.breached_hashes.as_os_str().is_empty() {
            lists.push(Self::Hashes(HashFile::open(&config.breached_hashes)?));
        }
        if !config.breached_filter.as_os_str().is_empty() {
            lists.push(Self::Filter(FilterFile::open(&config.breached_filter)?));
        }
        Ok(lists)
    }

    /// Whether the password is in the list. Reads the disk.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let hash = hash(password);
        match self {
            Self::Hashes(file) => file.contains(&hash),
            Self::Filter(file) => file.contains(&hash),
        }
    }
}

/// What lists hold of a password.
pub fn hash(password: &str) -> PasswordHash {
    Sha1::digest(password.as_bytes()).into()
}

/// A password's hash as a list writes it.
pub fn sha1_hex(password: &str) -> String {
    data_encoding::HEXUPPER.encode(&hash(password))
}

/// Reads `HASH` or `HASH:COUNT`, with or without a line break behind it.
pub fn read_line(line: &[u8]) -> Option<PasswordHash> {
    let line = line.trim_ascii_end();
    let (hash, count) = line.split_at_checked(40)?;
    let is_count = |count: &[u8]| !count.is_empty() && count.iter().all(u8::is_ascii_digit);
    if !count.is_empty() && !count.strip_prefix(b":").is_some_and(is_count) {
        return None;
    }
    let mut bytes = [0; 20];
    data_encoding::HEXLOWER_PERMISSIVE.decode_mut(hash, &mut bytes).ok()?;
    Some(bytes)
}

/// A sorted file of hashes. It is opened for each search: it may be replaced by a newer one while the server runs.
#[derive(Debug)]
pub struct HashFile(PathBuf);

impl HashFile {
    /// # Errors
    /// It can't be read, or is not sorted, as far as a few samples tell.
    pub fn open(path: &Path) -> Result<Self, UnusableList> {
        let unusable = |problem: &str| UnusableList::new(path, &problem);
        let mut file = File::open(path).map_err(|error| UnusableList::new(path, &error))?;
        let length = file.seek(SeekFrom::End(0)).map_err(|error| UnusableList::new(path, &error))?;
        let mut before: Option<PasswordHash> = None;
        for sample in 0..64 {
            let found = line_at(&mut file, length / 64 * sample).map_err(|error| UnusableList::new(path, &error))?;
            let Some((_, hash)) = found else { break };
            if before.is_some_and(|before| before > hash) {
                return Err(unusable("is not sorted by hash"));
            }
            before = Some(hash);
        }
        if before.is_none() {
            return Err(unusable("holds no SHA-1 hashes"));
        }
        Ok(Self(path.to_owned()))
    }

    fn contains(&self, wanted: &PasswordHash) -> io::Result<bool> {
        let mut file = File::open(&self.0)?;
        // The line is one of those that begin in low..high.
        let (mut low, mut high) = (0, file.seek(SeekFrom::End(0))?);
        while low < high {
            let middle = low + (high - low) / 2;
            match line_at(&mut file, middle)? {
                Some((start, hash)) if start < high => match hash.cmp(wanted) {
                    std::cmp::Ordering::Equal => return Ok(true),
                    std::cmp::Ordering::Less => low = start + 1,
                    std::cmp::Ordering::Greater => high = middle,
                },
                // No line begins between the middle and the end.
                _ => high = middle,
            }
        }
        Ok(false)
    }
}

/// The first line that begins at `position` or after it, and where it begins.
fn line_at(file: &mut File, position: u64) -> io::Result<Option<(u64, PasswordHash)>> {
    // From the byte before, which tells whether a line begins here.
    let from = position.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    let mut buffer = Vec::with_capacity(2 * MAX_LINE);
    file.take(2 * MAX_LINE as u64).read_to_end(&mut buffer)?;
    let skipped = match buffer.iter().position(|byte| *byte == b'\n') {
        _ if position == 0 => 0,
        Some(end) => end + 1,
        None if buffer.len() < 2 * MAX_LINE => return Ok(None),
        None => return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long")),
    };
    let rest = &buffer[skipped..];
    if rest.is_empty() {
        return Ok(None);
    }
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or(rest);
    let hash = read_line(line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a line is not HASH:COUNT"))?;
    Ok(Some((from + skipped as u64, hash)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn list(lines: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        file
    }

    fn lines(passwords: &[String], end: &str) -> String {
        let mut hashes: Vec<_> = passwords.iter().map(|password| data_encoding::HEXUPPER.encode(&hash(password))).collect();
        hashes.sort();
        let line = |(number, hash): (usize, &String)| format!("{hash}:{}{end}", number * number);
        hashes.iter().enumerate().map(line).collect::<Vec<_>>().concat()
    }

    #[test]
    fn every_password_of_a_list_is_found_and_no_other() {
        for size in [1, 2, 3, 64, 500] {
            for end in ["\r\n", "\n"] {
                let passwords: Vec<_> = (0..size).map(|number| format!("password {number}")).collect();
                let file = list(&lines(&passwords, end));
                let list = Breached::Hashes(HashFile::open(file.path()).unwrap());
                assert!(passwords.iter().all(|password| list.contains(password).unwrap()), "{size}");
                assert!((0..200).all(|number| !list.contains(&format!("another {number}")).unwrap()), "{size}");
            }
        }
    }

    #[test]
    fn a_list_without_counts_or_last_line_break_is_read_too() {
        let file = list(&data_encoding::HEXLOWER.encode(&hash("password1")));
        assert!(HashFile::open(file.path()).unwrap().contains(&hash("password1")).unwrap());
    }

    #[test]
    fn a_list_that_is_absent_empty_unsorted_or_something_else_is_refused() {
        assert!(HashFile::open(Path::new("/nowhere/list.txt")).unwrap_err().to_string().starts_with("/nowhere/list.txt: "));
        let sorted = lines(&(0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "\n");
        let mut reversed: Vec<_> = sorted.lines().collect();
        reversed.reverse();
        for content in ["", "hello\n", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8 3\n", &"x".repeat(1_000), &reversed.join("\n")] {
            assert!(HashFile::open(list(content).path()).is_err(), "{content:.60}");
        }
    }
}
