//! JWT access tokens: their claims, built and checked (RFC 9068).
