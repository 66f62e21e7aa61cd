//! `/api/v1/admin/clients`.
