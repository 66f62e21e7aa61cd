//! The command line as a person or a script meets it: the real program, its output and its exit codes.

mod backup;
mod client;
mod config;
mod declared;
pub mod dev;
mod doctor;
pub mod guides;
mod key;
mod mail;
mod proof;
mod resource;
mod restore;
mod serve;
mod start;
mod user;
