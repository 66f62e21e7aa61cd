-- What an opaque access token holds beside its scope (RFC 9396 section 9.2). JSON. Conventions as in 0001.
ALTER TABLE access_tokens ADD COLUMN authorization_details TEXT NOT NULL DEFAULT '[]';
