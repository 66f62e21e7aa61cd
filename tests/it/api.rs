//! The management API through the real router.

mod audit_log;
mod auth;
mod client_registration_tokens;
mod clients;
mod description;
mod invitations;
mod keys;
mod limits;
mod matrix;
mod me;
pub mod persona;
mod resources;
mod sessions;
mod users;
