//! The compact serialization of a JSON Web Token and its header (RFC 7515 §3.1, RFC 7519).
