//! The published signing keys (RFC 7517 §5).
