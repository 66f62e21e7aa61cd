//! The server's metadata, made from what it really does (RFC 8414; OpenID Connect Discovery 1.0 §3).
