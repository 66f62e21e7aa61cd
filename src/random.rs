//! The one place that draws random numbers, from the operating system's generator.

use std::cell::{Cell, RefCell};

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

/// 128 bits that only have to be different each time: everybody may see them. They are drawn for many at a time: each request needs some, and
/// each draw mixes in fresh numbers of the processor's own generator, which is slow.
pub fn unique() -> [u8; 16] {
    const MANY: usize = 256;
    thread_local! {
        /// How many of them are taken.
        static DRAWN: RefCell<(usize, [[u8; 16]; MANY])> = const { RefCell::new((MANY, [[0; 16]; MANY])) };
    }
    DRAWN.with_borrow_mut(|(taken, drawn)| {
        if *taken == MANY {
            fill(drawn.as_flattened_mut());
            *taken = 0;
        }
        *taken += 1;
        drawn[*taken - 1]
    })
}

/// Makes [`unique()`] numbers of one kind that begin alike, some hundreds one after the other: with the same 32 bits, which are random
/// too. Rows that are written together then stand next to each other in an index, and a commit touches one page of a large one
/// instead of as many as it has rows. A time in front would do that as well, and tell everybody when a row was made; this tells
/// perhaps that two were made by one server within a short time. Each kind has a series of its own, so that nobody learns from one
/// that everybody can ask for when another was made.
#[derive(Debug)]
pub(crate) struct Series(Cell<(usize, [u8; 4])>);

impl Series {
    const LENGTH: usize = 1_024;

    pub const fn new() -> Self {
        Self(Cell::new((Self::LENGTH, [0; 4])))
    }

    pub fn next(&self) -> [u8; 16] {
        let (taken, start) = match self.0.get() {
            (Self::LENGTH, _) => (0, bytes()),
            going_on => going_on,
        };
        self.0.set((taken + 1, start));
        let mut number = unique();
        number[..4].copy_from_slice(&start);
        number
    }
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

/// 128 bits nobody can guess, for as long as one answer is read, as 22 characters of base64url.
pub fn nonce() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>())
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

/// An opaque id for what is made with each login, a session or a grant: a UUID of its maker's own kind (RFC 9562 section 5.8), from a series
/// whose members stand beside each other. It doesn't tell when it was made.
pub fn neighbouring_uuid() -> String {
    thread_local! {
        static SERIES: Series = const { Series::new() };
    }
    uuid::Builder::from_custom_bytes(SERIES.with(Series::next)).into_uuid().to_string()
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
    fn numbers_are_different_and_those_of_a_series_begin_alike() {
        let (one, other) = (Series::new(), Series::new());
        let numbers: std::collections::BTreeSet<[u8; 16]> =
            (0..2_048).flat_map(|_| [unique(), one.next(), other.next()]).collect();
        assert_eq!(numbers.len(), 3 * 2_048);
        for series in [one, other, Series::new()] {
            let mut starts: Vec<[u8; 4]> =
                (0..2_048).map(|_| series.next()).map(|number| [number[0], number[1], number[2], number[3]]).collect();
            starts.dedup();
            assert_eq!(starts.len(), 2, "of {} numbers each", Series::LENGTH);
        }
        assert!(uuid::Uuid::parse_str(&neighbouring_uuid()).is_ok_and(|id| id.get_version_num() == 8));
    }
}
