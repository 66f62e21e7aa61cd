//! ID tokens: their claims (OpenID Connect Core §2, §3.1.3.6).
