//! How hard a password is to guess, by zxcvbn's estimate, and whether it is one of the commonest: zxcvbn brings the 30,000 most
//! frequent passwords of public breaches with it (MIT licence), and finds them in capitals, reversed, and with digits for letters.

use zxcvbn::matching::patterns::MatchPattern;

/// From 0 (guessed at once) to 4 (safe from a machine that tries for years).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strength(u8);

impl Strength {
    /// At most 4.
    pub const fn new(score: u8) -> Self {
        Self(if score > 4 { 4 } else { score })
    }

    pub const fn score(self) -> u8 {
        self.0
    }
}

pub(super) struct Estimate {
    pub(super) strength: Strength,
    /// The whole of it is a common password or word, or one that is known of the person.
    pub(super) is_one_word: bool,
}

/// `words` are guessed first.
pub(super) fn estimate(typed: &str, words: &[String]) -> Estimate {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let entropy = zxcvbn::zxcvbn(typed, &words);
    let is_one_word = match entropy.sequence() {
        [only] => matches!(only.pattern, MatchPattern::Dictionary(_)),
        _ => false,
    };
    Estimate { strength: Strength::new(u8::from(entropy.score())), is_one_word }
}
