//! The error page.
