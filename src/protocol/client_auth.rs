//! The credentials a client presents at a direct endpoint (RFC 6749 §2.3.1).
