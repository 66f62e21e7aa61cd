//! Which client metadata may be registered (RFC 7591 §2; RFC 8252; RFC 9700 §2.1).
