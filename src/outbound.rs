//! What the server sends by itself.

pub mod mail;
