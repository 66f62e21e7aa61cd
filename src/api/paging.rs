//! Cursor paging and conditional requests (RFC 9110 §13).
