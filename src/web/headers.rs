//! Security headers and content security policies.
