//! `/api/v1/users/me`.
