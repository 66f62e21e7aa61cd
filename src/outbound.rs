//! What the server sends and fetches by itself.

pub mod breaker;
pub mod http;
pub mod mail;
pub mod published;
