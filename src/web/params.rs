//! Form and query parameters: UTF-8, limited, none twice (RFC 6749 §3.1, §3.2).
