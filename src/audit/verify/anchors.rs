//! Copies of checkpoints that were kept outside the database.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use crate::keys::evidence::{EvidenceKey, digest};
use crate::protocol::evidence::CHECKPOINT_TYPE;
use crate::protocol::jwt::{Compact, decode};

/// The length of an Ed25519 signature in base64url.
const SIGNATURE_LENGTH: usize = 86;

/// What the copies say: seals by sequence, in its order.
#[derive(Debug, Default)]
pub struct Anchors {
    seals: Vec<(i64, [u8; 32])>,
    /// Hashes of whole checkpoints by number.
    checkpoints: BTreeMap<i64, String>,
    /// Those that no entry was there for, the first of them by the first entry that was.
    passed: Vec<i64>,
    /// How many were compared, or passed.
    next: usize,
    /// Copies that this installation did not sign.
    pub forged: i64,
    /// Lines that are no checkpoint, such as one that a crash left unfinished.
    pub unreadable: i64,
}

impl Anchors {
    /// Reads copies, one a line: as the server writes them, or as a syslog collector does, with other words before.
    pub fn read(&mut self, lines: impl BufRead, key: &EvidenceKey) -> io::Result<()> {
        for line in lines.split(b'\n') {
            // What stands before a checkpoint is a collector's, in whatever encoding.
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let Some(signed) = line.split_whitespace().last() else { continue };
            let seal = |checkpoint: &crate::protocol::evidence::Checkpoint| {
                decode(&checkpoint.seal).ok().and_then(|seal| <[u8; 32]>::try_from(seal).ok())
            };
            match key.checkpoint(signed) {
                Some(checkpoint) => {
                    self.checkpoints.insert(checkpoint.number, digest(signed));
                    self.seals.extend(seal(&checkpoint).map(|seal| (checkpoint.sequence, seal)));
                }
                None if claims_to_be_one(signed) => self.forged += 1,
                None => self.unreadable += 1,
            }
        }
        self.seals.sort_unstable();
        self.seals.dedup();
        Ok(())
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.seals.len()).unwrap_or(i64::MAX)
    }

    /// Whether every copy about this entry has its seal; `None` when there is none. Entries come in their order.
    pub(super) fn at(&mut self, sequence: i64, seal: &[u8; 32]) -> Option<bool> {
        let mut agrees = None;
        while let Some((copied, expected)) = self.seals.get(self.next).filter(|(copied, _)| *copied <= sequence) {
            if *copied == sequence {
                agrees = Some(agrees.unwrap_or(true) && expected == seal);
            } else {
                self.passed.push(*copied);
            }
            self.next += 1;
        }
        agrees
    }

    /// Whether there is a copy of the checkpoint with this number, and it is another one.
    pub(super) fn contradict(&self, number: i64, signed: &str) -> bool {
        self.checkpoints.get(&number).is_some_and(|copied| *copied != digest(signed))
    }

    /// The first entry from `first` on that a copy vouches for and that did not come.
    pub(super) fn passed(&self, first: i64) -> Option<i64> {
        self.passed.iter().copied().find(|copied| *copied >= first)
    }

    /// The last entry that a copy vouches for.
    pub(super) fn last(&self) -> Option<i64> {
        self.seals.last().map(|(sequence, _)| *sequence)
    }
}

/// Whether it says that it is a whole checkpoint: other words of a collector's, and tokens of others, don't.
fn claims_to_be_one(signed: &str) -> bool {
    let header = Compact::split(signed).ok().and_then(|compact| compact.header().ok());
    header.is_some_and(|header| header.typ.as_deref() == Some(CHECKPOINT_TYPE))
        && signed.rsplit('.').next().is_some_and(|signature| signature.len() == SIGNATURE_LENGTH)
}
