//! Authenticates the client of a direct endpoint (RFC 6749 §2.3).
