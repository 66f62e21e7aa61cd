//! What the tests stand on.

pub mod assertion;
pub mod attestation;
pub mod authenticator;
pub mod browser;
pub mod certificate;
pub mod cluster;
pub mod database;
pub mod dpop;
pub mod encryption;
pub mod factors;
pub mod flow;
pub mod holding;
pub mod keys;
pub mod logout;
pub mod mailbox;
pub mod passkeys;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod server;
pub mod setup;
pub mod timing;
pub mod tls;
