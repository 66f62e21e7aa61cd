-- Registered protected resources (RFC 8707), and what each authorization reaches of them. Conventions as in 0001.

CREATE TABLE resources (
    id TEXT NOT NULL PRIMARY KEY,
    -- The value of `resource` and `aud`.
    identifier TEXT NOT NULL UNIQUE,
    -- JSON.
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- JSON; empty where nothing was asked for.
ALTER TABLE authorization_codes ADD COLUMN reach TEXT NOT NULL DEFAULT '{}';
ALTER TABLE grants ADD COLUMN reach TEXT NOT NULL DEFAULT '{}';
-- What was agreed to together, a JSON object each time; empty before there were resources: `scope` and `claims`, and nothing else.
ALTER TABLE consents ADD COLUMN agreements TEXT NOT NULL DEFAULT '[]';
