//! Passwords: Argon2id with a pepper, a bounded number at once.
