//! Background work.

pub mod cleanup;
pub mod key_rotation;
pub mod mail;
