//! The proof of the audit log: sealing, verification, retention, export.

mod chain;
mod command;
mod retention;
mod scene;
mod tampering;
