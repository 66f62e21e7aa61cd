//! How a person proves who they are.

pub mod login;
pub mod passkey;
pub mod password;
pub mod pending;
pub mod session;
