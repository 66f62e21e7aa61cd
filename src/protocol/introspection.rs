//! The answer of the introspection endpoint (RFC 7662 §2.2).
