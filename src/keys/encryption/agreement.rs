//! What both sides agree on with their keys (RFC 7518 §4.6; RFC 8037 §3.2; NIST SP 800-56A §5.8.1).

use aws_lc_rs::agreement::{Algorithm, ECDH_P256, ParsedPublicKey, PrivateKey, UnparsedPublicKey, X25519, agree};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Plain;
use crate::protocol::client::{Encryption, KeyManagement};
use crate::protocol::jwk::Material;
use crate::protocol::jwt::decode;

/// Bytes of the key that wraps another one with ECDH-ES+A256KW.
pub(super) const WRAPPING_KEY: usize = 32;

/// The key of `length` bytes, 32 at most, that `own` and the owner of `other` agree on, for those two parties. `None`: they are not
/// keys of one curve, or `other` is no point on it.
pub(super) fn derive(
    own: &PrivateKey,
    other: &Material,
    encryption: Encryption,
    parties: (&[u8], &[u8]),
    length: usize,
) -> Option<Plain> {
    // §4.6.2: `enc` names what the key is for, where it is the content's own.
    let purpose = match encryption.alg {
        KeyManagement::EcdhEs => encryption.enc.as_str(),
        alg => alg.as_str(),
    };
    agree(own, public_key(other)?, (), |secret| Ok(concat_kdf(secret, purpose, parties, length))).ok()
}

/// The key as it is agreed with: a point that is on its curve.
pub(super) fn public_key(material: &Material) -> Option<ParsedPublicKey> {
    let (algorithm, bytes): (&'static Algorithm, _) = match material {
        Material::Ec { x, y, .. } => (&ECDH_P256, [vec![4], decode(x).ok()?, decode(y).ok()?].concat()),
        Material::Okp { crv: "X25519", x } => (&X25519, decode(x).ok()?),
        Material::Okp { .. } | Material::Rsa { .. } => return None,
    };
    ParsedPublicKey::try_from(UnparsedPublicKey::new(algorithm, bytes)).ok()
}

/// One round is enough: none of the keys is longer than a hash.
fn concat_kdf(secret: &[u8], purpose: &str, (apu, apv): (&[u8], &[u8]), length: usize) -> Plain {
    let mut hash = Sha256::new_with_prefix(1_u32.to_be_bytes());
    hash.update(secret);
    for text in [purpose.as_bytes(), apu, apv] {
        hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(text);
    }
    hash.update(u32::try_from(length * 8).unwrap_or(u32::MAX).to_be_bytes());
    let mut key = Zeroizing::new(<[u8; 32]>::from(hash.finalize()).to_vec());
    key.truncate(length);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::ContentEncryption;
    use crate::protocol::jwt::encode;

    #[test]
    fn the_key_of_rfc_7518_appendix_c_is_agreed_on_by_both() {
        let coordinate = |text: &str| -> [u8; 32] { decode(text).unwrap().try_into().unwrap() };
        let key = |d| PrivateKey::from_private_key(&ECDH_P256, &coordinate(d)).unwrap();
        let alice = key("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
        let bob = key("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
        let point = |x, y| Material::p256(&coordinate(x), &coordinate(y));
        let of_alice = point("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
        let of_bob = point("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck");
        let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
        for (own, other) in [(&alice, &of_bob), (&bob, &of_alice)] {
            let agreed = derive(own, other, encryption, (b"Alice", b"Bob"), 16).unwrap();
            assert_eq!(encode(&agreed), "VqqN6vgjbSBcIijNcacQGg");
        }
        assert_ne!(derive(&bob, &of_alice, encryption, (b"Bob", b"Alice"), 16).unwrap().len(), 0);
    }

    #[test]
    fn the_secret_of_rfc_8037_a_6_is_agreed_on() {
        let ephemeral: Vec<u8> = (0..32)
            .map(|index| {
                let hex = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
                u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap()
            })
            .collect();
        let own = PrivateKey::from_private_key(&X25519, &ephemeral).unwrap();
        let bob = Material::Okp { crv: "X25519", x: "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08".to_owned() };
        let secret = agree(&own, public_key(&bob).unwrap(), (), |secret| Ok(encode(secret))).unwrap();
        assert_eq!(secret, "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I");
    }

    #[test]
    fn no_point_off_its_curve_and_no_key_of_another_kind_is_taken() {
        assert!(public_key(&Material::p256(&[1; 32], &[2; 32])).is_none());
        assert!(public_key(&Material::p256(&[0; 32], &[0; 32])).is_none());
        assert!(public_key(&Material::ed25519(&[9; 32])).is_none());
        assert!(public_key(&Material::rsa(&[0xff; 256], &[1, 0, 1])).is_none());
        // A point of small order: what comes of it is known to everybody (RFC 7748 §6.1).
        let own = PrivateKey::generate(&X25519).unwrap();
        let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
        assert!(derive(&own, &Material::x25519(&[0; 32]), encryption, (b"", b""), 16).is_none());
        let p256 = PrivateKey::generate(&ECDH_P256).unwrap();
        assert!(derive(&p256, &Material::x25519(&[9; 32]), encryption, (b"", b""), 16).is_none());
    }
}
