//! The content: AES-GCM, and AES-CBC with HMAC-SHA256 (RFC 7518 §5.2, §5.3).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Plain, Undecipherable};
use crate::protocol::client::ContentEncryption;
use crate::protocol::jwe::{Jwe, TAG_LENGTH};
use crate::random;

/// Encrypted content.
#[derive(Debug)]
pub(super) struct Sealed {
    pub iv: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub tag: Vec<u8>,
}

/// Encrypts `plain`, with `authenticated` beside it.
pub(super) fn seal(enc: ContentEncryption, key: &[u8], authenticated: &[u8], plain: &[u8]) -> Result<Sealed, Unspecified> {
    let mut iv = vec![0; enc.iv_length()];
    random::fill(&mut iv);
    seal_with(enc, key, iv, authenticated, plain)
}

fn seal_with(enc: ContentEncryption, key: &[u8], iv: Vec<u8>, authenticated: &[u8], plain: &[u8]) -> Result<Sealed, Unspecified> {
    let mut ciphertext = plain.to_vec();
    let tag = match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => {
            let nonce = Nonce::try_assume_unique_for_key(&iv)?;
            gcm(enc, key)?.seal_in_place_separate_tag(nonce, Aad::from(authenticated), &mut ciphertext)?.as_ref().to_vec()
        }
        ContentEncryption::A128CbcHs256 => {
            let (mac_key, cipher_key) = key.split_at_checked(key.len() / 2).ok_or(Unspecified)?;
            let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, cipher_key)?)?;
            let context = EncryptionContext::Iv128(FixedLength::try_from(iv.as_slice())?);
            cipher.less_safe_encrypt(&mut ciphertext, context)?;
            mac(mac_key, authenticated, &iv, &ciphertext).to_vec()
        }
    };
    Ok(Sealed { iv, ciphertext, tag })
}

/// Decrypts. `key` has the length that `enc` asks for.
pub(super) fn open(enc: ContentEncryption, key: &[u8], jwe: &Jwe<'_>) -> Result<Plain, Undecipherable> {
    let opened = match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => open_gcm(enc, key, jwe),
        ContentEncryption::A128CbcHs256 => open_cbc(key, jwe),
    };
    opened.map_err(|Unspecified| Undecipherable)
}

fn open_gcm(enc: ContentEncryption, key: &[u8], jwe: &Jwe<'_>) -> Result<Plain, Unspecified> {
    let nonce = Nonce::try_assume_unique_for_key(&jwe.iv)?;
    let mut text = Zeroizing::new([jwe.ciphertext.as_slice(), &jwe.tag].concat());
    let length = gcm(enc, key)?.open_in_place(nonce, Aad::from(jwe.authenticated.as_bytes()), &mut text)?.len();
    text.truncate(length);
    Ok(text)
}

/// The tag is checked first, and nothing is decrypted without it: what a wrong padding would tell is never learned.
fn open_cbc(key: &[u8], jwe: &Jwe<'_>) -> Result<Plain, Unspecified> {
    let (mac_key, cipher_key) = key.split_at_checked(key.len() / 2).ok_or(Unspecified)?;
    let expected = mac(mac_key, jwe.authenticated.as_bytes(), &jwe.iv, &jwe.ciphertext);
    if !bool::from(expected.ct_eq(&jwe.tag)) {
        return Err(Unspecified);
    }
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, cipher_key)?)?;
    let context = DecryptionContext::Iv128(FixedLength::try_from(jwe.iv.as_slice())?);
    let mut text = Zeroizing::new(jwe.ciphertext.clone());
    let length = cipher.decrypt(&mut text, context)?.len();
    text.truncate(length);
    Ok(text)
}

fn gcm(enc: ContentEncryption, key: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let algorithm = if enc == ContentEncryption::A128Gcm { &AES_128_GCM } else { &AES_256_GCM };
    UnboundKey::new(algorithm, key).map(LessSafeKey::new)
}

/// Over what is authenticated, the vector, the ciphertext, and the length of the first in bits; cut to its first half
/// (RFC 7518 §5.2.2.1).
fn mac(key: &[u8], authenticated: &[u8], iv: &[u8], ciphertext: &[u8]) -> [u8; TAG_LENGTH] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    for part in [authenticated, iv, ciphertext, &(authenticated.len() as u64 * 8).to_be_bytes()] {
        context.update(part);
    }
    let mut tag = [0; TAG_LENGTH];
    tag.iter_mut().zip(context.sign().as_ref()).for_each(|(byte, of_mac)| *byte = *of_mac);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_test_case_of_rfc_7518_b_1() {
        let key: Vec<u8> = (0..32).collect();
        let plain = b"A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";
        let iv = bytes("1af38c2dc2b96ffdd86694092341bc04");
        let enc = ContentEncryption::A128CbcHs256;
        let sealed = seal_with(enc, &key, iv, b"The second principle of Auguste Kerckhoffs", plain).unwrap();
        let expected = "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2\
                        fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b\
                        384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db";
        assert_eq!(sealed.ciphertext, bytes(expected));
        assert_eq!(sealed.tag, bytes("652c3fa36b0a7c5b3219fab3a30bc1c4"));
    }
}
