//! Standard claims and which of them a scope asks for (OpenID Connect Core §5.1, §5.4).
