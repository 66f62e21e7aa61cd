//! The error envelope of the management API.
