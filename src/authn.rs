//! How a person proves who they are.

pub mod device;
pub mod enrolment;
pub mod login;
pub mod passkey;
pub mod password;
pub mod pending;
pub mod qr;
pub mod recovery_code;
pub mod second_factor;
pub mod session;
pub mod totp;
