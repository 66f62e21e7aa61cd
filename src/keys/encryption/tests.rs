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

/// Appendix A encrypts keys in ways that are refused here, and content in ways that are not: A.1 with A256GCM, A.2 and A.3 with
/// A128CBC-HS256.
#[test]
fn the_content_of_the_examples_of_rfc_7516_a_and_not_their_keys() {
    const OAEP: &str = "OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d\
                        -StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLz\
                        fiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHz\
                        g";
    const PKCS1: &str = "UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPL\
                         gNZ__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMW\
                         I5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv-B3oWh2TbqmScqX\
                         MR4gp_A";
    const KW: &str = "6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ";
    const KEY_1: [u8; 32] = [
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105, 47, 130,
        203, 46, 122, 234, 64, 252,
    ];
    const KEY_2: [u8; 32] = [
        4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111, 107, 9, 219, 200, 177,
        0, 240, 143, 156, 44, 207,
    ];
    let wise = "The true sign of intelligence is not knowledge but imagination.";
    let long = "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A";
    let (iv, short) = ("AxY8DCtDaGlsbGljb3RoZQ", "KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY");
    let (gcm, cbc) = (ContentEncryption::A256Gcm, ContentEncryption::A128CbcHs256);
    for (header, key, enc, cek, [iv, ciphertext, tag], plain) in [
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, OAEP, gcm, KEY_1, ["48V1_ALb6US04U3b", long, "XFBoMYUZodetZdvTiFvSkQ"], wise),
        (
            r#"{"alg":"RSA1_5","enc":"A128CBC-HS256"}"#,
            PKCS1,
            cbc,
            KEY_2,
            [iv, short, "9hH0vgRfYgPnAHOd8stkvw"],
            "Live long and prosper.",
        ),
        (
            r#"{"alg":"A128KW","enc":"A128CBC-HS256"}"#,
            KW,
            cbc,
            KEY_2,
            [iv, short, "U0m_YmjN04DJvceFICbCVQ"],
            "Live long and prosper.",
        ),
    ] {
        let protected = encode(header.as_bytes());
        let text = [&*protected, key, iv, ciphertext, tag].join(".");
        assert_eq!(Jwe::parse(&text).err(), Some(jwe::Unreadable::Unsupported), "{header}");
        let jwe = Jwe {
            encryption: Encryption { alg: KeyManagement::RsaOaep256, enc },
            kid: None,
            agreement: None,
            authenticated: &protected,
            encrypted_key: decode(key).unwrap(),
            iv: decode(iv).unwrap(),
            ciphertext: decode(ciphertext).unwrap(),
            tag: decode(tag).unwrap().try_into().unwrap(),
        };
        assert_eq!(content::open(enc, &cek, &jwe).unwrap().as_slice(), plain.as_bytes(), "{header}");
    }
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
