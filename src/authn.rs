//! How a person proves who they are.

pub mod password;
pub mod session;
