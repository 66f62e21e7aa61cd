//! Tokens whose hashes stand beside each other.
//!
//! A database keeps an index in the order of its keys. Where these are hashes, each new row belongs to another page of it: on a large
//! table that is a page to read and one to write for every token, and again when it is cleaned up. The tokens that are made with each
//! login or request therefore begin with 32 bits which some hundreds of them share, made one after the other ([`Series`]), and the hash
//! of that beginning is where theirs stand. The 256 bits that nobody can guess come after it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::random::{self, Series};

/// What neighbours share, in bytes.
const SHARED: usize = 4;

/// A token in characters of base64url.
pub(super) const LENGTH: usize = (SHARED + 32) * 4 / 3;

/// A new token.
pub(super) fn draw(series: &Series) -> String {
    let mut token = [0; SHARED + 32];
    token[..SHARED].copy_from_slice(&series.next()[..SHARED]);
    random::fill(&mut token[SHARED..]);
    URL_SAFE_NO_PAD.encode(token)
}

/// What a token begins with like its neighbours, as far as whole characters go. Tokens of earlier versions have none.
pub(super) fn shared(token: &str) -> Option<&str> {
    token.get(..SHARED * 4 / 3).filter(|_| token.len() == LENGTH)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_that_are_made_one_after_the_other_begin_alike() {
        let series = Series::new();
        let tokens: Vec<_> = (0..2_048).map(|_| draw(&series)).collect();
        assert!(tokens.iter().all(|token| token.len() == LENGTH && URL_SAFE_NO_PAD.decode(token).is_ok()));
        let beginnings: HashSet<_> = tokens.iter().map(|token| shared(token).unwrap()).collect();
        assert_eq!(beginnings.len(), 2, "1,024 of them each");
        let secrets: HashSet<_> = tokens.iter().map(|token| &token[6..]).collect();
        assert_eq!(secrets.len(), tokens.len());
    }

    #[test]
    fn what_was_not_drawn_here_has_no_neighbours() {
        let cut_in_two = format!("AAAAé{}", "A".repeat(LENGTH - 6));
        for text in ["", "AAAAA", &random::secret(), &"A".repeat(LENGTH + 1), &cut_in_two] {
            assert_eq!(shared(text), None, "{text}");
        }
        assert_eq!(shared(&"A".repeat(LENGTH)), Some("AAAAA"));
    }
}
