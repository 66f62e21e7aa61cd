//! Sealing of data at rest and of state that travels through the browser (AES-256-GCM, NIST SP 800-38D).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::random;

/// The first byte of everything sealed, so that another construction can follow one day.
const VERSION: u8 = 1;

/// Seals and opens with one key.
///
/// A sealed value is `version ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`. Nonces are random, so one key is good for 2³²
/// values (SP 800-38D §8.3): use a key of its own ([`super::root::Root::derive`]) for each purpose.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// # Panics
    /// Never: a key of AES-256 is any 32 bytes.
    #[expect(clippy::expect_used, reason = "a key of AES-256 is any 32 bytes")]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("any 32 bytes are a key of AES-256")))
    }

    /// Seals `plain` together with `aad`, which is not stored: a value opens only in the place it was made for.
    ///
    /// # Panics
    /// Above 64 GiB, which AES-GCM can't seal.
    #[expect(clippy::expect_used, reason = "AES-GCM seals everything shorter than 64 GiB")]
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Vec<u8> {
        let nonce = random::bytes::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let text = &mut sealed[1 + NONCE_LEN..];
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
            .expect("shorter than 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`Sealer::seal`] made with the same key and the same `aad`; `None` for everything else.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let (&version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        if version != VERSION {
            return None;
        }
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&[7; 32])
    }

    #[test]
    fn what_is_sealed_in_one_row_does_not_open_in_another() {
        let sealed = sealer().seal(b"private", b"row 1");
        assert_eq!(sealer().open(&sealed, b"row 1").as_deref(), Some(b"private".as_slice()));
        assert_eq!(sealer().open(&sealed, b"row 2"), None);
        assert_eq!(sealer().open(&sealed, b""), None);
    }

    #[test]
    fn another_key_opens_nothing() {
        let sealed = sealer().seal(b"private", b"");
        assert_eq!(Sealer::new(&[8; 32]).open(&sealed, b""), None);
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let sealed = sealer().seal(b"private", b"row");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(sealer().open(&changed, b"row"), None, "byte {index}");
        }
    }

    #[test]
    fn equal_plain_texts_look_different() {
        assert_ne!(sealer().seal(b"private", b""), sealer().seal(b"private", b""));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", sealer()), "Sealer([redacted])");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..300), aad in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(sealer().open(&sealer().seal(&plain, &aad), &aad), Some(plain));
        }

        #[test]
        fn arbitrary_bytes_open_to_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(sealer().open(&bytes, b""), None);
        }
    }
}
