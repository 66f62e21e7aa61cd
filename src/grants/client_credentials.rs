//! The client credentials grant (RFC 6749 §4.4).
