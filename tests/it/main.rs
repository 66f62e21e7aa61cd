//! The integration tests: one binary, so that it is linked once.
// For clippy, which lets tests alone unwrap.
#![cfg(test)]

mod api;
mod architecture;
mod browser;
mod cli;
mod clients;
mod cost;
mod evidence;
mod explain;
mod faults;
mod flows;
mod guard;
mod http;
mod keys;
mod mail;
mod master_key;
mod memory;
mod packaging;
mod pages;
mod people;
mod process;
mod program;
mod storage;
mod support;
mod telemetry;
mod texts;
