-- expand
-- The master keys that open this database: see docs/master-key.md. Conventions as in 0001.

-- Each row holds the same secret, from which everything else is derived, sealed with another key.
CREATE TABLE master_keys (
    -- Derived from the key, and bound to what it seals.
    fingerprint TEXT NOT NULL PRIMARY KEY,
    sealed_root BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
