//! The management API through the real router.

mod description;
mod matrix;
mod persona;
