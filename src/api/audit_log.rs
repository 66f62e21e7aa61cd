//! `/api/v1/admin/audit-log`.
