//! The login page.
