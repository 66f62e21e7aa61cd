//! `/api/v1/admin/users`.
