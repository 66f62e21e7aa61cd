//! The one place that draws random numbers, from the operating system's generator.

use std::cell::RefCell;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` bytes nobody can guess.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Fills `buffer` with bytes nobody can guess.
///
/// # Panics
/// Like [`bytes()`].
#[expect(clippy::expect_used, reason = "without randomness nothing safe can be done")]
pub fn fill(buffer: &mut [u8]) {
    aws_lc_rs::rand::fill(buffer).expect("the operating system gives randomness");
}

/// 128 bits that only have to be different each time: everybody may see them. They are drawn for many at a time, since each
/// request needs some.
///
/// Some hundreds that a thread draws one after the other begin with the same 32 bits, which are random too: so rows that are
/// written together stand next to each other in an index, and a commit touches one page of a large one instead of as many as
/// it has rows. A time in front would do that as well, and tell everybody when a row was made.
pub fn unique() -> [u8; 16] {
    const MANY: usize = 32;
    const SERIES: usize = 1_024;
    struct Drawn {
        /// How many of the series, and of `numbers`, are taken.
        of_series: usize,
        taken: usize,
        series: [u8; 4],
        numbers: [[u8; 16]; MANY],
    }
    thread_local! {
        static DRAWN: RefCell<Drawn> =
            const { RefCell::new(Drawn { of_series: SERIES, taken: MANY, series: [0; 4], numbers: [[0; 16]; MANY] }) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.taken == MANY {
            fill(drawn.numbers.as_flattened_mut());
            drawn.taken = 0;
        }
        if drawn.of_series == SERIES {
            drawn.series = bytes();
            drawn.of_series = 0;
        }
        let mut number = drawn.numbers[drawn.taken];
        number[..4].copy_from_slice(&drawn.series);
        drawn.taken += 1;
        drawn.of_series += 1;
        number
    })
}

/// A secret of 256 bits as 43 characters of base64url: codes, tokens, session ids, client secrets.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// Six decimal digits, each combination as likely as another: a code that people type.
pub fn digits() -> String {
    const ALL: u32 = 1_000_000;
    loop {
        let number = u32::from_le_bytes(bytes());
        // What is left beyond the last whole million would make some codes likelier.
        if number < u32::MAX / ALL * ALL {
            return format!("{:06}", number % ALL);
        }
    }
}

/// So many characters of `alphabet`, each as likely as another: a code that people type. The alphabet is ASCII.
pub fn letters(alphabet: &[u8], count: usize) -> String {
    // What is left beyond the last whole alphabet would make some letters likelier.
    let whole = 256 / alphabet.len() * alphabet.len();
    let mut letters = String::with_capacity(count);
    while letters.len() < count {
        let [byte] = bytes::<1>();
        let letter =
            Some(usize::from(byte)).filter(|drawn| *drawn < whole).and_then(|drawn| alphabet.get(drawn % alphabet.len()));
        letters.extend(letter.map(|letter| char::from(*letter)));
    }
    letters
}

/// An identifier of 128 bits as 22 characters of base64url, for things that need to be unique and not secret. It doesn't begin
/// with a hyphen: on a command line that would be an option.
pub fn identifier() -> String {
    loop {
        let identifier = URL_SAFE_NO_PAD.encode(unique());
        if !identifier.starts_with('-') {
            return identifier;
        }
    }
}

/// An opaque id for a person or a thing that is made seldom: a random UUID, which tells nothing about when it was made.
pub fn uuid() -> String {
    uuid::Builder::from_random_bytes(bytes::<16>()).into_uuid().to_string()
}

/// An opaque id for what is made with each login, a session or a grant: a UUID of its maker's own kind (RFC 9562 section 5.8) around
/// [`unique()`]. It tells nothing about when it was made, but perhaps that it was made soon after another.
pub fn neighbouring_uuid() -> String {
    uuid::Builder::from_custom_bytes(unique()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_six_digits() {
        assert!((0..1_000).map(|_| digits()).all(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())));
    }

    #[test]
    fn letters_come_from_the_alphabet_and_all_of_them_come() {
        let drawn = letters(b"BCDFG", 2_000);
        assert_eq!(drawn.len(), 2_000);
        assert!(drawn.chars().all(|letter| "BCDFG".contains(letter)));
        assert!("BCDFG".chars().all(|letter| drawn.contains(letter)));
    }

    #[test]
    fn no_identifier_looks_like_an_option() {
        assert!((0..2_000).all(|_| !identifier().starts_with('-')));
    }

    #[test]
    fn numbers_are_different_and_come_in_series() {
        let numbers: std::collections::BTreeSet<[u8; 16]> = (0..5_000).map(|_| unique()).collect();
        assert_eq!(numbers.len(), 5_000);
        let mut series: Vec<&[u8]> = numbers.iter().map(|number| &number[..4]).collect();
        series.dedup();
        assert!((5..=6).contains(&series.len()), "{} series", series.len());
        assert!(uuid::Uuid::parse_str(&neighbouring_uuid()).is_ok_and(|id| id.get_version_num() == 8));
    }
}
