//! What the authorization endpoint decides: log in, ask, issue or refuse (RFC 6749 §4.1; OpenID Connect Core §3.1.2).
