//! Abuse protection: behaviours section 3, and 1.11 S2, S3, S5.

mod account;
pub mod attack;
mod endpoints;
mod lockouts;
mod login;
mod passkey;
mod proof_of_work;
mod redis;
mod session;
mod strangers;
