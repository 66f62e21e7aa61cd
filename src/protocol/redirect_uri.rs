//! Redirect URIs: exact comparison, and the loopback exception (RFC 6749 §3.1.2; RFC 8252 §7.3; RFC 9700 §2.1).
