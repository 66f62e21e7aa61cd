//! Published examples, and what is made here and opened again.

use aws_lc_rs::agreement::X25519;
use p256::pkcs8::EncodePrivateKey;
use rsa::BoxedUint;
use serde_json::{Value, json};

use super::*;
use crate::keys::signer::generate;
use crate::protocol::client::{Algorithm, Encryption};
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwe::{self, Content};
use crate::protocol::jwt::{decode, encode};

fn opened(key: &Decrypter, text: &str) -> Option<Vec<u8>> {
    key.decrypt(&Jwe::parse(text).ok()?).ok().map(|plain| plain.to_vec())
}

fn own(algorithm: KeyAlgorithm) -> Decrypter {
    let pair = if algorithm == KeyAlgorithm::RsaOaep256 { Algorithm::RS256 } else { Algorithm::ES256 };
    Decrypter::from_pkcs8(algorithm, &generate(pair).unwrap()).unwrap()
}

fn recipient(key: &Decrypter) -> Recipient {
    Recipient::new(ForeignJwk::parse(&serde_json::to_value(key.public()).unwrap()).unwrap()).unwrap()
}

/// The private key of an example, by way of PKCS#8.
fn read(jwk: &Value) -> Decrypter {
    let bytes = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
    if jwk["kty"] == "EC" {
        let key = p256::SecretKey::from_slice(&bytes("d")).unwrap().to_pkcs8_der().unwrap();
        return Decrypter::from_pkcs8(KeyAlgorithm::EcdhEs, key.as_bytes()).unwrap();
    }
    let number = |name: &str| {
        let bytes = bytes(name);
        BoxedUint::from_be_slice(&bytes, u32::try_from(bytes.len() * 8).unwrap()).unwrap()
    };
    let primes = vec![number("p"), number("q")];
    let key = rsa::RsaPrivateKey::from_components(number("n"), number("e"), number("d"), primes).unwrap();
    Decrypter::from_pkcs8(KeyAlgorithm::RsaOaep256, key.to_pkcs8_der().unwrap().as_bytes()).unwrap()
}

fn every_way() -> impl Iterator<Item = Encryption> {
    KeyManagement::ALL.into_iter().flat_map(|alg| ContentEncryption::ALL.map(|enc| Encryption { alg, enc }))
}

#[test]
fn the_examples_of_wycheproof_and_rfc_7520() {
    let vectors: Value = serde_json::from_str(include_str!("tests/vectors.json")).unwrap();
    let mut valid = 0;
    for group in vectors["groups"].as_array().unwrap() {
        let key = read(&group["private"]);
        let public = serde_json::to_value(key.public()).unwrap();
        for member in ["n", "e", "x", "y"] {
            assert_eq!(public.get(member), group["private"].get(member), "{member}");
        }
        for test in group["tests"].as_array().unwrap() {
            let text = test["jwe"].as_str().unwrap();
            let plain = opened(&key, text).map(|plain| encode(&plain));
            assert_eq!(plain.as_deref(), test["plain"].as_str(), "{}", test["id"]);
            assert_eq!(plain.is_some(), test["result"] == "valid", "{}", test["id"]);
            valid += usize::from(plain.is_some());
        }
    }
    assert_eq!(valid, 10);
}

#[test]
fn what_is_encrypted_in_each_way_is_decrypted_by_its_recipient_alone() {
    for encryption in every_way() {
        let kind = KeyAlgorithm::ALL.into_iter().find(|kind| kind.decrypts(encryption.alg)).unwrap();
        let (key, other) = (own(kind), own(kind));
        let text = recipient(&key).encrypt(encryption, Content::Nested, b"a.b.c").unwrap();
        assert_eq!(opened(&key, &text).as_deref(), Some(&b"a.b.c"[..]), "{encryption:?}");
        assert_eq!(opened(&other, &text), None, "{encryption:?}");
        let again = recipient(&key).encrypt(encryption, Content::Nested, b"a.b.c").unwrap();
        assert_ne!(text, again, "a key and a vector are used once");
    }
}

#[test]
fn whatever_is_changed_it_is_one_error() {
    for encryption in every_way() {
        let kind = KeyAlgorithm::ALL.into_iter().find(|kind| kind.decrypts(encryption.alg)).unwrap();
        let key = own(kind);
        let text = recipient(&key).encrypt(encryption, Content::Nested, b"some content").unwrap();
        let jwe = Jwe::parse(&text).unwrap();
        let flip = |bytes: &[u8]| bytes.iter().enumerate().map(|(at, byte)| if at == 0 { byte ^ 1 } else { *byte }).collect();
        let mut tag = jwe.tag;
        tag[15] ^= 1;
        let spare = format!("{} ", jwe.authenticated);
        let cut = jwe.ciphertext[..jwe.ciphertext.len() - 1].to_vec();
        let changed = [
            Jwe { tag, ..jwe.clone() },
            Jwe { iv: flip(&jwe.iv), ..jwe.clone() },
            Jwe { ciphertext: flip(&jwe.ciphertext), ..jwe.clone() },
            Jwe { ciphertext: cut, ..jwe.clone() },
            Jwe { authenticated: &spare, ..jwe.clone() },
            Jwe { encrypted_key: vec![0; 300], ..jwe.clone() },
            Jwe { encrypted_key: vec![1], ..jwe.clone() },
        ];
        // A key that is agreed on directly isn't sent.
        let sent = if encryption.alg == KeyManagement::EcdhEs { 5 } else { 7 };
        for (number, jwe) in changed[..sent].iter().enumerate() {
            assert_eq!(key.decrypt(jwe).err(), Some(Undecipherable), "{number} {encryption:?}");
        }
    }
}

#[test]
fn another_point_is_another_key_and_one_off_the_curve_is_none() {
    let encryption = Encryption { alg: KeyManagement::EcdhEsA256Kw, enc: ContentEncryption::A128CbcHs256 };
    let (key, other) = (own(KeyAlgorithm::EcdhEs), own(KeyAlgorithm::EcdhEs));
    let text = recipient(&key).encrypt(encryption, Content::Nested, b"x").unwrap();
    let jwe = Jwe::parse(&text).unwrap();
    let agreement = jwe.agreement.clone().unwrap();
    for ephemeral in [other.public().material().clone(), Material::p256(&[1; 32], &[2; 32]), Material::x25519(&[9; 32])] {
        let agreement = Some(Agreement { ephemeral, ..agreement.clone() });
        assert_eq!(key.decrypt(&Jwe { agreement, ..jwe.clone() }).err(), Some(Undecipherable));
    }
    assert_eq!(key.decrypt(&Jwe { agreement: None, ..jwe }).err(), Some(Undecipherable));
}

#[test]
fn a_key_of_one_kind_opens_nothing_of_the_other() {
    let (rsa, ec) = (own(KeyAlgorithm::RsaOaep256), own(KeyAlgorithm::EcdhEs));
    for encryption in every_way() {
        let of_rsa = encryption.alg == KeyManagement::RsaOaep256;
        let (key, other) = if of_rsa { (&rsa, &ec) } else { (&ec, &rsa) };
        let text = recipient(key).encrypt(encryption, Content::Claims, b"x").unwrap();
        assert_eq!(opened(other, &text), None);
        assert!(recipient(other).encrypt(encryption, Content::Claims, b"x").is_err());
    }
    let signs = generate(Algorithm::EdDSA).unwrap();
    for kind in KeyAlgorithm::ALL {
        assert!(Decrypter::from_pkcs8(kind, &signs).is_err(), "{kind:?}");
    }
}

#[test]
fn one_can_encrypt_for_a_key_on_x25519() {
    let private = PrivateKey::generate(&X25519).unwrap();
    let x = encode(private.compute_public_key().unwrap().as_ref());
    let jwk = json!({ "kty": "OKP", "crv": "X25519", "x": x, "use": "enc", "kid": "k" });
    let recipient = Recipient::new(ForeignJwk::parse(&jwk).unwrap()).unwrap();
    let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm };
    let text = recipient.encrypt(encryption, Content::Nested, b"x").unwrap();
    let jwe = Jwe::parse(&text).unwrap();
    assert_eq!(jwe.kid.as_deref(), Some("k"));
    let Agreement { ephemeral, apu, apv } = jwe.agreement.clone().unwrap();
    let key = agreement::derive(&private, &ephemeral, encryption, (&apu, &apv), 32).unwrap();
    assert_eq!(content::open(encryption.enc, &key, &jwe).unwrap().as_slice(), b"x");
}

#[test]
fn no_key_off_its_curve_and_none_for_signatures_is_a_recipient() {
    let off = json!({ "kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[2; 32]) });
    let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&[9; 32]) });
    let mut signs = serde_json::to_value(own(KeyAlgorithm::EcdhEs).public()).unwrap();
    signs["use"] = json!("sig");
    for jwk in [off, ed25519, signs] {
        assert!(Recipient::new(ForeignJwk::parse(&jwk).unwrap()).is_none(), "{jwk}");
    }
}

#[test]
fn nothing_private_is_printed() {
    let key = own(KeyAlgorithm::EcdhEs);
    assert!(format!("{key:?}").starts_with("Decrypter { public:"));
    assert!(!jwe::is_shaped(&format!("{:?}", recipient(&key))));
}
