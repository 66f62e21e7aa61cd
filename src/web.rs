//! The plumbing between HTTP and the rest.

pub mod client;
pub mod context;
pub mod cookie;
pub mod cors;
pub mod csrf;
pub mod error;
pub mod headers;
pub mod params;
pub mod server;
