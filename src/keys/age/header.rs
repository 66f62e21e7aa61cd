//! The header: whom the file is for, and a MAC that binds all of that together.

use std::io::{self, BufRead, Read};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{FileKey, Share, derive, invalid};

const VERSION: &str = "age-encryption.org/v1";

/// Bytes that a header may have: some hundreds of recipients.
const MAX: u64 = 65_536;

/// Columns of a stanza's body.
const COLUMNS: usize = 64;

/// The header of a file for these recipients.
pub(super) fn write(shares: &[Share], file_key: &FileKey) -> Vec<u8> {
    let mut text = format!("{VERSION}\n");
    for share in shares {
        let [ephemeral, wrapped] = [share.ephemeral, share.wrapped].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        text.extend(["-> X25519 ", &ephemeral, "\n", &wrapped, "\n"]);
    }
    text.push_str("---");
    let mac = hmac::sign(&key(file_key), text.as_bytes());
    text.extend([" ", &STANDARD_NO_PAD.encode(mac), "\n"]);
    text.into_bytes()
}

/// A header as it was read.
#[derive(Debug)]
pub(super) struct Header {
    /// For X25519; recipients of other kinds are passed over.
    pub(super) shares: Vec<Share>,
    /// What the MAC is of.
    text: Vec<u8>,
    mac: [u8; 32],
}

impl Header {
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut from = from.take(MAX);
        let mut text = line(&mut from)?;
        if text != format!("{VERSION}\n").as_bytes() {
            return Err(invalid("it is not encrypted with age"));
        }
        let mut shares = Vec::new();
        loop {
            let bytes = line(&mut from)?;
            let broken = || invalid("its header is damaged");
            let first = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n')).ok_or_else(broken)?;
            if let Some(mac) = first.strip_prefix("--- ") {
                let mac = fixed(mac).ok_or_else(broken)?;
                text.extend(b"---");
                return Ok(Self { shares, text, mac });
            }
            let arguments: Vec<&str> = first.strip_prefix("-> ").ok_or_else(broken)?.split(' ').collect();
            let (body, lines) = body(&mut from)?;
            if let ["X25519", ephemeral] = arguments[..] {
                let share = fixed(ephemeral).zip(fixed(&body)).map(|(ephemeral, wrapped)| Share { ephemeral, wrapped });
                shares.push(share.ok_or_else(broken)?);
            } else if arguments[0] == "X25519" || arguments.iter().any(|argument| argument.is_empty()) {
                return Err(broken());
            }
            text.extend(&bytes);
            text.extend(lines);
        }
    }

    /// Whether it is as it was written.
    pub(super) fn verify(&self, file_key: &FileKey) -> io::Result<()> {
        hmac::verify(&key(file_key), &self.text, &self.mac).map_err(|_| invalid("its header was changed"))
    }
}

/// A stanza's body: lines of 64 columns, and a last one that is shorter. As text, and as it stands in the file.
fn body(from: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let (mut text, mut lines) = (String::new(), Vec::new());
    loop {
        let bytes = line(from)?;
        let content = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
        let content = content.filter(|content| content.len() <= COLUMNS).ok_or_else(|| invalid("its header is damaged"))?;
        text.push_str(content);
        let last = content.len() < COLUMNS;
        lines.extend(&bytes);
        if last {
            return Ok((text, lines));
        }
    }
}

fn line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(invalid("it is not encrypted with age")) }
}

/// base64 without padding, in its one spelling.
fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn key(file_key: &FileKey) -> hmac::Key {
    let key = derive(file_key.as_ref(), &[], "header");
    hmac::Key::new(HMAC_SHA256, key.as_ref())
}
