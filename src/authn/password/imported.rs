//! Password hashes that another system made. Each is checked until its owner's next login, which replaces it by one of our own.
//!
//! Read are argon2 and scrypt as PHC strings, bcrypt, PBKDF2 as PHC strings and as passlib writes it, and Django's forms of them all. Every cost
//! has a bound: who may import hashes must not be able to keep the server busy with one.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::EagerHash;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// What a stored hash begins with that was imported. An argon2 hash of our own is peppered, and looks the same otherwise.
const MARK: &str = "imported:";

/// KiB of memory that argon2 or scrypt may take.
const MAX_MEMORY_KIB: u64 = 262_144;

/// KiB of memory times passes: a second or two.
const MAX_WORK_KIB: u64 = 2_097_152;

/// The dearest cost of bcrypt: about a second.
const MAX_BCRYPT_COST: u32 = 14;

const MAX_PBKDF2_ROUNDS: u32 = 3_000_000;

/// Standard base64 as these formats use it: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// No hash of a known kind, or one that costs too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    #[error("not a hash by argon2, bcrypt, scrypt or PBKDF2 in a known format")]
    Unknown,
    #[error("the hash costs more to check than this server allows")]
    TooCostly,
}

/// A hash that another system made.
#[derive(Clone)]
pub struct ImportedHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The whole text.
    Bcrypt(String),
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2 {
        prf: Prf,
        rounds: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl ImportedHash {
    /// Reads a hash as the other system stored it.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        if text.len() > 1_024 || !text.is_ascii() {
            return Err(UnusableHash::Unknown);
        }
        // Django names the kind before what others have.
        let text = text
            .strip_prefix("bcrypt$")
            .or(text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")))
            .unwrap_or(text);
        let kind = match text.split('$').collect::<Vec<_>>().as_slice() {
            ["", name, ..] if name.starts_with("argon2") => argon2(text),
            ["", "2a" | "2b" | "2y", ..] => bcrypt(text),
            ["", "scrypt", params, salt, hash] => scrypt_phc(params, salt, hash),
            ["scrypt", n, salt, r, p, hash] => scrypt_of([n, r, p], salt.as_bytes().to_vec(), hash),
            ["", "pbkdf2", rounds, salt, hash] => pbkdf2(Prf::Sha1, rounds, decoded(salt)?, hash),
            ["", "pbkdf2-sha256", rounds, salt, hash] => pbkdf2(Prf::Sha256, rounds, decoded(salt)?, hash),
            ["", "pbkdf2-sha512", rounds, salt, hash] => pbkdf2(Prf::Sha512, rounds, decoded(salt)?, hash),
            ["pbkdf2_sha1", rounds, salt, hash] => pbkdf2(Prf::Sha1, rounds, salt.as_bytes().to_vec(), hash),
            ["pbkdf2_sha256", rounds, salt, hash] => pbkdf2(Prf::Sha256, rounds, salt.as_bytes().to_vec(), hash),
            _ => Err(UnusableHash::Unknown),
        };
        kind.map(Self)
    }

    /// The text to store for a hash that [`ImportedHash::parse`] takes.
    pub fn to_stored(text: &str) -> Result<secrecy::SecretString, UnusableHash> {
        Self::parse(text)?;
        Ok(format!("{MARK}{text}").into())
    }

    /// What is stored, if it was imported.
    pub(super) fn of_stored(stored: &str) -> Option<Result<Self, UnusableHash>> {
        stored.strip_prefix(MARK).map(Self::parse)
    }

    /// A word for what it costs: hashes with the same take the same time.
    pub(super) fn cost(&self) -> String {
        match &self.0 {
            Kind::Argon2 { algorithm, version, params, hash, .. } => {
                let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
                format!("{} {} {memory} {passes} {lanes} {}", algorithm.as_str(), u32::from(*version), hash.len())
            }
            Kind::Bcrypt(text) => format!("bcrypt {}", bcrypt_cost(text)),
            Kind::Scrypt { params, hash, .. } => {
                format!("scrypt {} {} {} {}", params.log_n(), params.r(), params.p(), hash.len())
            }
            Kind::Pbkdf2 { prf, rounds, hash, .. } => format!("pbkdf2 {prf:?} {rounds} {}", hash.len()),
        }
    }

    /// One that costs as much, and is nobody's.
    pub(super) fn stand_in(&self) -> Self {
        let mut kind = self.0.clone();
        match &mut kind {
            Kind::Argon2 { salt, hash, .. } | Kind::Scrypt { salt, hash, .. } | Kind::Pbkdf2 { salt, hash, .. } => {
                salt.fill(0);
                hash.fill(0);
            }
            Kind::Bcrypt(text) => *text = format!("$2b${}${}", bcrypt_cost(text), ".".repeat(53)),
        }
        Self(kind)
    }

    /// Does the work: on a thread that may block.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Argon2 { algorithm, version, params, salt, hash } => {
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                derived(hash, |output| argon2.hash_password_into(password, salt, output).is_ok())
            }
            // Of a password longer than 72 bytes it sees the first 72, as it did where it was made.
            Kind::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Kind::Scrypt { params, salt, hash } => derived(hash, |output| scrypt::scrypt(password, salt, params, output).is_ok()),
            Kind::Pbkdf2 { prf, rounds, salt, hash } => derived(hash, |output| {
                match prf {
                    Prf::Sha1 => stretch::<Sha1>(password, salt, *rounds, output),
                    Prf::Sha256 => stretch::<Sha256>(password, salt, *rounds, output),
                    Prf::Sha512 => stretch::<Sha512>(password, salt, *rounds, output),
                }
                true
            }),
        }
    }
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ImportedHash([redacted])")
    }
}

fn stretch<D: EagerHash>(password: &[u8], salt: &[u8], rounds: u32, output: &mut [u8]) {
    pbkdf2_hmac::<D>(password, salt, rounds, output);
}

fn derived(expected: &[u8], derive: impl FnOnce(&mut [u8]) -> bool) -> bool {
    let mut output = zeroize::Zeroizing::new(vec![0; expected.len()]);
    derive(&mut output) && bool::from(output.ct_eq(expected))
}

/// `$2b$12$…`: two digits.
fn bcrypt_cost(text: &str) -> &str {
    text.split('$').nth(2).unwrap_or_default()
}

fn argon2(text: &str) -> Result<Kind, UnusableHash> {
    let parsed = PasswordHash::new(text).map_err(|_| UnusableHash::Unknown)?;
    let params = Params::try_from(&parsed).map_err(|_| UnusableHash::Unknown)?;
    let memory = u64::from(params.m_cost());
    if memory > MAX_MEMORY_KIB || memory * u64::from(params.t_cost()) > MAX_WORK_KIB || params.p_cost() > 16 {
        return Err(UnusableHash::TooCostly);
    }
    let algorithm = Algorithm::new(parsed.algorithm.as_str()).map_err(|_| UnusableHash::Unknown)?;
    // The first version was not written down.
    let version = Version::try_from(parsed.version.unwrap_or(0x10)).map_err(|_| UnusableHash::Unknown)?;
    let (Some(salt), Some(hash)) = (&parsed.salt, &parsed.hash) else { return Err(UnusableHash::Unknown) };
    Ok(Kind::Argon2 { algorithm, version, params, salt: salt.to_vec(), hash: sound(hash.as_bytes().to_vec())? })
}

fn bcrypt(text: &str) -> Result<Kind, UnusableHash> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Unknown)?;
    match parts.get_cost() {
        _ if text.len() != 60 => Err(UnusableHash::Unknown),
        4..=MAX_BCRYPT_COST => Ok(Kind::Bcrypt(text.to_owned())),
        _ => Err(UnusableHash::TooCostly),
    }
}

/// `ln=15,r=8,p=1`.
fn scrypt_phc(params: &str, salt: &str, hash: &str) -> Result<Kind, UnusableHash> {
    let value = |name: &str| params.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let (Some(log_n), Some(r), Some(p)) = (value("ln"), value("r"), value("p")) else { return Err(UnusableHash::Unknown) };
    let log_n: u32 = log_n.parse().map_err(|_| UnusableHash::Unknown)?;
    let n = 1_u64.checked_shl(log_n).ok_or(UnusableHash::TooCostly)?.to_string();
    scrypt_of([&n, r, p], decoded(salt)?, hash)
}

fn scrypt_of(params: [&str; 3], salt: Vec<u8>, hash: &str) -> Result<Kind, UnusableHash> {
    let [n, r, p] = params.map(|text| text.parse::<u64>().unwrap_or(0));
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(UnusableHash::Unknown);
    }
    // 128 · N · r bytes of memory, gone through p times (RFC 7914 §2).
    let memory = n.checked_mul(r).map(|blocks| blocks / 8).filter(|memory| *memory <= MAX_MEMORY_KIB);
    let memory = memory.ok_or(UnusableHash::TooCostly)?;
    if p > 16 || r > 64 || memory * p > MAX_WORK_KIB {
        return Err(UnusableHash::TooCostly);
    }
    let narrow = |number: u64| u32::try_from(number).map_err(|_| UnusableHash::TooCostly);
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| UnusableHash::TooCostly)?;
    let params = scrypt::Params::new(log_n, narrow(r)?, narrow(p)?).map_err(|_| UnusableHash::Unknown)?;
    Ok(Kind::Scrypt { params, salt, hash: sound(decoded(hash)?)? })
}

/// Rounds are a number, or `i=600000,l=32`.
fn pbkdf2(prf: Prf, rounds: &str, salt: Vec<u8>, hash: &str) -> Result<Kind, UnusableHash> {
    let rounds = rounds.split(',').find_map(|pair| pair.strip_prefix("i=")).unwrap_or(rounds);
    let rounds: u32 = rounds.parse().map_err(|_| UnusableHash::Unknown)?;
    match rounds {
        0 => Err(UnusableHash::Unknown),
        1..=MAX_PBKDF2_ROUNDS => Ok(Kind::Pbkdf2 { prf, rounds, salt, hash: sound(decoded(hash)?)? }),
        _ => Err(UnusableHash::TooCostly),
    }
}

/// passlib writes a dot for the plus sign.
fn decoded(text: &str) -> Result<Vec<u8>, UnusableHash> {
    BASE64.decode(text.replace('.', "+")).map_err(|_| UnusableHash::Unknown)
}

/// Long enough that nothing else fits by chance, and no longer than anybody makes.
fn sound(hash: Vec<u8>) -> Result<Vec<u8>, UnusableHash> {
    if (16..=64).contains(&hash.len()) { Ok(hash) } else { Err(UnusableHash::Unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, password: &str) -> bool {
        ImportedHash::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).matches(password.as_bytes())
    }

    /// Each made by the program that it is named after, or from the standard's own tests.
    #[test]
    fn hashes_of_other_systems_are_checked() {
        for (text, password) in [
            // OpenBSD's and the crypt_blowfish tests.
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            // The tests of the reference implementation of argon2.
            ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password"),
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"),
            ("argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"),
            // RFC 7914 §12: N = 1024, r = 8, p = 16, as PHC and as Django writes it.
            (
                "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
                "password",
            ),
            (
                "scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==",
                "password",
            ),
            // RFC 6070 §2: 4096 rounds of SHA-1.
            ("$pbkdf2$4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", "password"),
            // RFC 7914 §11: SHA-256, "passwd", "salt", one round.
            ("$pbkdf2-sha256$1$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw", "passwd"),
            ("$pbkdf2-sha256$i=1,l=32$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw", "passwd"),
            ("pbkdf2_sha256$1$salt$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw=", "passwd"),
            // passlib writes dots.
            ("$pbkdf2-sha256$2$c2FsdA$LUEviW52aF4w31afCnQGNOMfAx90nWB9nkQhC/.5Gmo", "passwd"),
        ] {
            assert!(fits(text, password), "{text}");
            assert!(!fits(text, "another password"), "{text}");
        }
    }

    #[test]
    fn what_would_keep_the_server_busy_is_refused() {
        for text in [
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=262144,t=4000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$scrypt$ln=24,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
            "$scrypt$ln=63,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
            "$scrypt$ln=10,r=8,p=4000000000$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
            "$scrypt$ln=1,r=4294967295,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
            "$pbkdf2-sha256$4000000000$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw",
        ] {
            assert_eq!(ImportedHash::parse(text).unwrap_err(), UnusableHash::TooCostly, "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_or_a_weak_one_is_refused() {
        for text in [
            "",
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$salt$hash",
            "$6$rounds=5000$salt$hash",
            "{SSHA}abc",
            "$2b$05$short",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
            "$scrypt$ln=10$a$b",
            "$pbkdf2-sha256$0$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw",
            "$pbkdf2-sha256$1$c2FsdA$VawE",
            "$pbkdf2-md5$1$c2FsdA$VawE",
            "scrypt$1000$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
            "imported:$2b$05$x",
        ] {
            assert_eq!(ImportedHash::parse(text).unwrap_err(), UnusableHash::Unknown, "{text}");
        }
        assert!(ImportedHash::parse(&"$".repeat(2_000)).is_err());
    }
}
