//! Authenticates the client of a direct endpoint.
