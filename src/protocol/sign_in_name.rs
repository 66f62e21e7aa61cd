//! The name a person signs in with, and its canonical form (RFC 8265 §3).
