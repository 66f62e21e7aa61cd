//! Whole flows through the real router.

mod account;
mod authorize;
mod fuzz;
mod login;
mod resource;
mod setup;
mod token;
