//! Reading and writing cookies (RFC 6265).
