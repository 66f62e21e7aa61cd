//! Signing keys, sealed.
