//! Whole flows through the real router.

mod authorize;
mod fuzz;
mod login;
mod resource;
mod token;
