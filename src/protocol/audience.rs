//! Which audiences an access token names (RFC 9068 §3; RFC 8707).
