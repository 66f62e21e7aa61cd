//! What the server sends and fetches by itself.

pub mod breaker;
pub mod client_keys;
pub mod envelope;
pub mod http;
pub mod mail;
pub mod published;
pub mod syslog;
