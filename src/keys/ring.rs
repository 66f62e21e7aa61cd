//! The key ring: which key signs, which keys verify, and the published JWKS.
