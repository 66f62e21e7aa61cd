//! Private keys, parsed once.
