//! What passwords must be, and what their hashing costs.

use std::path::PathBuf;

use crate::config::section;

section! {
    /// Passwords and their hashing (Argon2id).
    PasswordConfig {
        /// Memory of one hash, in KiB.
        memory_kib: u32 = 19_456;
        /// Passes over the memory.
        iterations: u32 = 2;
        /// Lanes.
        parallelism: u32 = 1;
        /// Hashes computed at once; the number of processors when 0.
        max_concurrent: usize = 0;
        /// Hashes that may wait; more are refused with 503.
        max_waiting: usize = 64;
        /// The fewest characters of a new password. NIST SP 800-63B-4 asks for 15 where a password alone logs in.
        min_length: usize = 15;
        /// How hard to guess a new password must be, by zxcvbn's estimate: 0 (not asked), 1 (10³ guesses), 2 (10⁶), 3 (10⁸), 4 (10¹⁰).
        min_strength: u8 = 2;
        /// Kinds of characters that a new password must have: `lowercase`, `uppercase`, `digit`, `symbol`. Better none: such rules make
        /// passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
        composition: Vec<CharacterKind> = Vec::new();
        /// File of SHA-1 hashes of breached passwords, in hexadecimal, sorted, one a line, with `:COUNT` behind it or not: the format in which
        /// Have I Been Pwned gives its list out. It is searched on the disk. None when empty.
        breached_hashes: PathBuf = PathBuf::new();
        /// A filter made of such a file by `ostiary password build-filter`: a twentieth of its size; one good password in 65,000 is refused
        /// by mistake. None when empty.
        breached_filter: PathBuf = PathBuf::new();
    }
}

/// A kind of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CharacterKind {
    Lowercase,
    Uppercase,
    Digit,
    /// Anything else; a space too.
    Symbol,
}
