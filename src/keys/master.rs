//! The master key and the keys derived from it (HKDF, RFC 5869).
