//! Background work.

pub mod cleanup;
pub mod deletion;
pub mod imitation;
pub mod key_rotation;
pub mod logout;
pub mod mail;
mod pace;
