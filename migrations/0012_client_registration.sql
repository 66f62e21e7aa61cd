-- Clients that register themselves (RFC 7591, RFC 7592). Conventions as in 0001.

-- With what a client that registered itself manages its registration.
CREATE TABLE registration_access_tokens (
    client_id TEXT NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- With what somebody may register clients where not everybody may.
CREATE TABLE initial_access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    uses_left BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX initial_access_tokens_by_expiry ON initial_access_tokens (expires_at);
