//! Hashes of tokens and secrets.
