//! The work of checking a signature where there is no key to check it with.

use std::hint::black_box;
use std::sync::LazyLock;

use secrecy::SecretString;

use super::{ForeignKey, verify_with_secret};
use crate::protocol::client::Algorithm;
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwt::{Compact, encode};

/// One key of each kind, of nobody: an odd number that no signature is above, and the two curves' base points (SP 800-186 §3.2.1.3, §3.2.2.1).
static KEYS: LazyLock<Vec<ForeignKey>> = LazyLock::new(|| {
    const X: [u8; 32] = [
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81,
        0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    ];
    const Y: [u8; 32] = [
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57,
        0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    ];
    let mut ed25519 = [0x66; 32];
    ed25519[0] = 0x58;
    let jwks = serde_json::json!({ "keys": [
        { "kty": "RSA", "n": encode(&[0xff; 256]), "e": "AQAB" },
        { "kty": "EC", "crv": "P-256", "x": encode(&X), "y": encode(&Y) },
        { "kty": "OKP", "crv": "Ed25519", "x": encode(&ed25519) },
    ] });
    let jwks = ForeignJwk::parse_set(&jwks).unwrap_or_default();
    jwks.into_iter().filter_map(ForeignKey::new).collect()
});

/// Takes as long as it takes to find a signature wrong: for a client that isn't there.
pub fn pretend_to_verify(text: &str) {
    let Ok(token) = Compact::split(text) else { return };
    let Ok(header) = token.header() else { return };
    let Some(algorithm) = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == header.alg) else {
        _ = black_box(verify_with_secret(text, &SecretString::from("x".repeat(43)), &[]));
        return;
    };
    if let Some(key) = KEYS.iter().find(|key| key.jwk.signs_with(algorithm.as_str())) {
        black_box(key.verifies(&token, algorithm));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_key_for_each_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(KEYS.iter().filter(|key| key.jwk.signs_with(algorithm.as_str())).count(), 1, "{algorithm:?}");
        }
    }
}
