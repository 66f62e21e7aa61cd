//! The plumbing between HTTP and the rest.
//!
//! A connection is accepted by [`server`], which knows of sockets and time-outs only; each request then passes through the
//! one [`shell`] around the router, which gives it its [`context`], keeps its limits, contains its panics, and sees to it
//! that no answer leaves without its [`headers`]. Handlers use the extractors and the types of the other modules.

pub mod audience;
pub mod bearer;
pub mod body;
pub mod certificate;
pub mod client;
mod client_assertion;
mod client_certificate;
pub mod client_documents;
pub mod context;
pub mod cookie;
pub mod cors;
pub mod csrf;
pub mod document;
pub mod dpop;
pub mod error;
pub mod headers;
pub mod logos;
pub mod params;
pub mod redirect;
pub mod request_objects;
pub mod sector;
pub mod server;
pub mod shell;
pub mod software_statements;
pub mod trusted_issuers;
