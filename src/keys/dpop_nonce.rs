//! Nonces for DPoP proofs (RFC 9449 §8): one for each span of time, derived from the root, so that every node knows those of
//! every other and none is stored.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::{Choice, ConstantTimeEq};

use super::root::Root;
use crate::protocol::time::{Seconds, Timestamp};

/// For how long one nonce is given out. It is taken for as long again.
pub const SPAN: Seconds = Seconds::minutes(5);

/// Makes and knows them.
pub struct Nonces(hmac::Key);

impl Nonces {
    pub fn new(root: &Root) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, root.derive("dpop-nonce").as_slice()))
    }

    /// What a proof that is made now should hold.
    pub fn current(&self, now: Timestamp) -> String {
        self.of(span(now))
    }

    /// Whether it is the present nonce, the one before it, or, from a node whose clock is ahead, the one after it.
    pub fn knows(&self, nonce: &str, now: Timestamp) -> bool {
        let known = [-1, 0, 1].map(|distance| self.of(span(now) + distance).as_bytes().ct_eq(nonce.as_bytes()));
        known.into_iter().fold(Choice::from(0), |found, one| found | one).into()
    }

    fn of(&self, span: i64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &span.to_be_bytes()))
    }
}

const fn span(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(SPAN.0)
}

impl fmt::Debug for Nonces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Nonces([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_nonce_is_good_in_its_span_and_the_next() {
        let nonces = Nonces::new(&Root::from_bytes([1; 32]));
        let nonce = nonces.current(NOON);
        for (later, known) in [(0, true), (SPAN.0, true), (2 * SPAN.0 - 1, true), (2 * SPAN.0, false), (-SPAN.0, true)] {
            assert_eq!(nonces.knows(&nonce, NOON + Seconds(later)), known, "{later}");
        }
        assert!(!nonces.knows("", NOON) && !nonces.knows(&nonce[1..], NOON));
    }

    #[test]
    fn every_node_has_the_same_and_nobody_else() {
        let nonce = Nonces::new(&Root::from_bytes([1; 32])).current(NOON);
        assert!(Nonces::new(&Root::from_bytes([1; 32])).knows(&nonce, NOON));
        assert!(!Nonces::new(&Root::from_bytes([2; 32])).knows(&nonce, NOON));
    }
}
