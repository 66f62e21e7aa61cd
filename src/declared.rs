//! Configuration as code: what an installation should hold, written down in documents.
//!
//! A document names clients and resources and what is registered for each. [`document`] reads it, [`plan`] decides purely what has to
//! change, [`shown`] says it to people and programs, and [`export`] writes the document of what there is. The rules are those of
//! [`crate::protocol::client_registration`] and [`crate::protocol::resource_registration`], as for everybody who registers something.

pub mod document;
pub mod export;
mod lines;
pub mod path;
pub mod plan;
mod secret;
pub mod shown;

pub use secret::{SecretReference, secret_problem};
