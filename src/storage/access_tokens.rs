//! Opaque access tokens, and the identifiers of access tokens that were revoked.
