//! The `claims` request parameter (OpenID Connect Core §5.5).
