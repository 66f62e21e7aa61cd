//! Public keys as JSON Web Keys (RFC 7517).
