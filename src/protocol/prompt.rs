//! The `prompt` parameter (OpenID Connect Core §3.1.2.1).
