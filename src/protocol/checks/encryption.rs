//! Checks before an answer that has to be encrypted.

use super::{Group, sometimes};

/// What a client that is registered for encryption is asked for. Nothing is answered in the clear instead.
pub const ENVELOPE: Group = Group {
    name: "Encryption of the answer",
    checks: &[
        sometimes(
            "encryption_keys",
            &["encryption_keys_unavailable"],
            "Can the client's keys be had?",
            "A jwks_uri that answers with a JWK Set.",
        ),
        sometimes(
            "encryption_key",
            &["encryption_key_missing"],
            "Is there one among them to encrypt with?",
            "A public key in the client's jwks or at its jwks_uri for the alg that it is registered with, whose use is enc or not said.",
        ),
    ],
};
