//! HTML for people: server-rendered, and usable without JavaScript.

pub mod account;
pub mod admin;
pub mod challenge;
pub mod consent;
pub mod credentials;
pub mod device;
pub mod error;
pub mod factor;
pub mod flow;
pub mod form;
pub mod language;
pub mod login;
pub mod logout;
pub mod passkey;
pub mod passkeys;
pub mod reauthenticate;
pub mod recover;
mod refusal;
pub mod register;
pub mod security;
pub mod setup;
pub mod site;
pub mod statics;
pub mod totp;
pub mod view;

pub use crate::text;
