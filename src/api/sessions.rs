//! `/api/v1/admin/sessions`.
