//! The refresh token grant (RFC 6749 §6; RFC 9700 §4.14).
