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
pub fn unique() -> [u8; 16] {
    const MANY: usize = 32;
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

/// An opaque id for a person, a session or a grant: a random UUID, which tells nothing about when it was made.
pub fn uuid() -> String {
    uuid::Builder::from_random_bytes(bytes::<16>()).into_uuid().to_string()
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
}
