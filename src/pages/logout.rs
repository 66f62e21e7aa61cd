//! Logging out, and the page after it.
