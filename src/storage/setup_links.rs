//! One-time links to set up the first administrator.
