//! The command line, one file per command.

pub mod client;
pub mod config;
pub mod dev;
pub mod key;
pub mod migrate;
pub mod output;
pub mod serve;
pub mod start;
pub mod user;
