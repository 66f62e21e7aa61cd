//! PKCE: the code challenge and its verification (RFC 7636 §4).
