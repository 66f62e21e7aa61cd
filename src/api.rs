//! The JSON management API.

pub mod audit_log;
pub mod authorization;
pub mod clients;
pub mod error;
pub mod keys;
pub mod me;
pub mod openapi;
pub mod paging;
pub mod sessions;
pub mod users;
