//! `/api/v1/admin/keys`.
