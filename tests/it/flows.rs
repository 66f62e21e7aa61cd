//! Whole flows through the real router.

mod authorize;
mod login;
mod resource;
mod token;
