//! Time-based one-time passwords (RFC 6238, on RFC 4226): SHA-1, six digits, 30 seconds, which is the one combination that all
//! authenticator apps agree on.

use std::fmt::{self, Write};

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::keys::seal::Sealer;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;
use crate::random;

/// Digits of a code.
pub const DIGITS: u32 = 6;

/// Seconds of a time step.
const PERIOD: i64 = 30;

/// How many steps a device's clock may be ahead or behind (RFC 6238 §5.2 recommends one).
const DRIFT: i64 = 1;

/// Bytes of a secret: as many as SHA-1 gives (RFC 4226 §4 R6).
const LENGTH: usize = 20;

/// What the server and an authenticator app share.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; LENGTH]>);

impl Secret {
    pub fn random() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// `None`: not as many bytes as a secret has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As people type it into an app that can't scan: base32 (RFC 4648 §6) without padding.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.as_bytes()))
    }

    /// `otpauth://totp/…`, which apps read from a QR code or a link. `issuer` and `account` name the entry in the app.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (percent_encoded(issuer), percent_encoded(account));
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
            *secret
        ))
    }

    /// Sealed for the database: it opens for this person alone.
    pub fn seal(&self, sealer: &Sealer, user: &UserId) -> Vec<u8> {
        sealer.seal(self.as_bytes(), &associated_data(user))
    }

    pub fn open(sealer: &Sealer, stored: &[u8], user: &UserId) -> Option<Self> {
        let plain = Zeroizing::new(sealer.open(stored, &associated_data(user))?);
        Self::from_bytes(&plain)
    }

    /// The time step that `typed` is the code of, if it is one of now or one step away. Compares with each of them, in the same
    /// time for every answer. Whether the step may still be used is another question.
    pub fn step_of(&self, typed: &str, now: Timestamp) -> Option<i64> {
        let current = now.as_seconds().div_euclid(PERIOD);
        let mut found = None;
        for step in current - DRIFT..=current + DRIFT {
            let counter = u64::try_from(step).ok()?;
            if bool::from(hotp(self.as_bytes(), counter, DIGITS).as_bytes().ct_eq(typed.as_bytes())) {
                found = Some(step);
            }
        }
        found
    }

    /// The code that an app shows at a time.
    pub fn code_at(&self, now: Timestamp) -> String {
        let step = now.as_seconds().div_euclid(PERIOD);
        hotp(self.as_bytes(), u64::try_from(step).unwrap_or_default(), DIGITS)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret([redacted])")
    }
}

/// The digits of what somebody typed, if it has the shape of a code: apps show it in two groups.
pub fn typed_code(typed: &str) -> Option<String> {
    let code: String = typed.chars().filter(|character| !character.is_whitespace()).collect();
    (code.len() == DIGITS as usize && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// HOTP (RFC 4226 §5.3).
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn hotp(secret: &[u8], counter: u64, digits: u32) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(&counter.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    // The low bits of the last byte say where the number begins; its sign bit is masked out.
    let offset = usize::from(hash[hash.len() - 1] & 0xf);
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&hash[offset..offset + 4]);
    let number = (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 10_u32.pow(digits);
    format!("{number:0width$}", width = digits as usize)
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn associated_data(user: &UserId) -> Vec<u8> {
    [b"ostiary totp 1\0".as_slice(), user.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::time::Seconds;

    /// The secret of RFC 4226 appendix D and of the SHA-1 rows of RFC 6238 appendix B.
    const SECRET: &[u8; LENGTH] = b"12345678901234567890";

    fn secret() -> Secret {
        Secret::from_bytes(SECRET).unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    #[test]
    fn the_codes_of_rfc_4226_appendix_d() {
        let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in codes.iter().enumerate() {
            assert_eq!(hotp(SECRET, counter as u64, 6), *code);
        }
    }

    #[test]
    fn the_codes_of_rfc_6238_appendix_b() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(hotp(SECRET, seconds / 30, 8), code);
            // Six digits are the last six.
            let at = Timestamp::from_seconds(i64::try_from(seconds).unwrap());
            assert_eq!(secret().code_at(at), code[2..]);
        }
    }

    #[test]
    fn a_code_counts_one_step_before_and_after_its_own_and_no_longer() {
        let now = Timestamp::from_seconds(1_800_000_015);
        let step = 1_800_000_015 / 30;
        for (shift, expected) in [(-2, None), (-1, Some(step - 1)), (0, Some(step)), (1, Some(step + 1)), (2, None)] {
            let code = secret().code_at(now + Seconds(shift * 30));
            assert_eq!(secret().step_of(&code, now), expected, "{shift}");
        }
        for wrong in ["", "0", "12345", "1234567", "abcdef", "\u{0661}\u{0662}\u{0663}\u{0664}\u{0665}\u{0666}"] {
            assert_eq!(secret().step_of(wrong, now), None);
        }
    }

    #[test]
    fn a_code_may_be_typed_in_groups() {
        assert_eq!(typed_code(" 123 456\n").as_deref(), Some("123456"));
        for other in ["", "12345", "1234567", "12345a", "123-456", "\u{0661}\u{0662}\u{0663}\u{0664}\u{0665}\u{0666}"] {
            assert_eq!(typed_code(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_person_alone() {
        let sealer = Sealer::new(&[1; 32]);
        let stored = secret().seal(&sealer, &user("ada"));
        assert_eq!(Secret::open(&sealer, &stored, &user("ada")).unwrap().as_bytes(), SECRET);
        assert!(Secret::open(&sealer, &stored, &user("bob")).is_none());
        assert!(!stored.windows(4).any(|window| window == &SECRET[..4]));
    }

    #[test]
    fn the_link_for_apps_names_everything_and_escapes_what_was_named() {
        let uri = secret().uri("id.example:8443", "ada & bob@example.org");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/id.example%3A8443:ada%20%26%20bob%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=id.example%3A8443&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{:?}", secret()), "Secret([redacted])");
    }

    proptest! {
        #[test]
        fn another_implementation_says_the_same(bytes: [u8; LENGTH], seconds in 0_i64..10_000_000_000) {
            let other = totp_rs::Builder::new()
                .with_algorithm(totp_rs::Algorithm::SHA1)
                .with_digits(6)
                .with_step_duration(30)
                .with_secret(totp_rs::Secret::try_from_base32(BASE32_NOPAD.encode(&bytes)).unwrap())
                .build()
                .unwrap();
            let ours = Secret::from_bytes(&bytes).unwrap().code_at(Timestamp::from_seconds(seconds));
            prop_assert_eq!(ours, other.generate(seconds.unsigned_abs()).to_string());
        }
    }
}
