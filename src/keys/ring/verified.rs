//! Signatures that were found good already.
//!
//! A resource server asks about the same access token again and again, and to verify a signature costs more than all the rest
//! of the answer. What is remembered is only that one of the ring's keys signed exactly this text, which never changes;
//! whether the token counts is asked anew each time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::telemetry::metrics::SIGNATURE_CACHE;

/// Signatures that are remembered; up to twice as many for a moment. 32 bytes each.
const TOKENS: usize = 4_096;

/// SHA-256 of tokens whose signature is good. Belongs to one set of keys.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Halves>);

/// When the newer half is full it becomes the older one, whose place is taken. What is asked for again moves to the newer.
#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

impl Verified {
    /// Whether the token's signature is good: as it was found before, or as `verify` finds now. Only good ones are kept, so
    /// nobody can fill this without tokens of ours.
    pub(super) fn remembers(&self, token: &str, verify: impl FnOnce() -> bool) -> bool {
        let digest = Sha256::digest(token).into();
        if self.with(|halves| halves.finds(&digest)) {
            SIGNATURE_CACHE.hit();
            return true;
        }
        SIGNATURE_CACHE.missed();
        let good = verify();
        if good {
            self.with(|halves| halves.keep(digest));
        }
        good
    }

    fn with<T>(&self, work: impl FnOnce(&mut Halves) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Halves {
    fn finds(&mut self, digest: &[u8; 32]) -> bool {
        if self.newer.contains(digest) {
            return true;
        }
        let found = self.older.remove(digest);
        if found {
            self.keep(*digest);
        }
        found
    }

    fn keep(&mut self, digest: [u8; 32]) {
        if self.newer.len() >= TOKENS {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_signature_is_verified_once_and_a_bad_one_each_time() {
        let verified = Verified::default();
        assert!(!verified.remembers("a", || false));
        assert!(verified.remembers("a", || true));
        assert!(verified.remembers("a", || false), "it was found good");
        assert!(!verified.remembers("A", || false));
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_does_not_pile_up() {
        let verified = Verified::default();
        for number in 0..5 * TOKENS {
            verified.remembers(&number.to_string(), || true);
            assert!(verified.remembers("often", || number == 0));
        }
        assert!(!verified.remembers("0", || false), "forgotten");
        verified.with(|halves| assert!(halves.newer.len() + halves.older.len() <= 2 * TOKENS));
    }
}
