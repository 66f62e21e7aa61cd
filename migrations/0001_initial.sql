-- One text for SQLite and PostgreSQL. Each index costs every insert a page of the log: there is one only where a frequent
-- statement or a cascade of one needs it.
-- Times are BIGINT microseconds since 1970-01-01T00:00:00Z; lists and objects are JSON in TEXT.

CREATE TABLE instance (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- A person: an id, a sign-in name, perhaps a password, roles. Nothing else is needed.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    sign_in_name TEXT NOT NULL,
    -- Compared instead of the name as it was typed (RFC 8265 section 3.3).
    canonical_name TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    password_changed_at BIGINT,
    status TEXT NOT NULL,
    roles TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- Claims about a person, as JSON with the names of OpenID Connect Core section 5.1. Optional.
CREATE TABLE profiles (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    claims TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    -- client_name in lower case, to be searched: the databases don't agree on lower().
    search_name TEXT NOT NULL,
    -- ClientMetadata as JSON.
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE client_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    -- published, signing, retired
    state TEXT NOT NULL,
    -- PKCS#8, sealed with the master key; the row's id is the associated data.
    sealed BYTEA NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When it began to sign, and when it stopped.
    signing_at BIGINT,
    retired_at BIGINT
);
-- One key signs for each algorithm, however many nodes rotate at once.
CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys (algorithm) WHERE state = 'signing';
CREATE UNIQUE INDEX signing_keys_one_waits ON signing_keys (algorithm) WHERE state = 'published';

CREATE TABLE sessions (
    -- The sid, which tokens may name.
    id TEXT NOT NULL PRIMARY KEY,
    -- Of the cookie.
    hash BYTEA NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time BIGINT NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);

CREATE TABLE setup_links (
    hash BYTEA NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE consents (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    -- Names of claims that were asked for by the claims parameter, as a JSON list.
    claims TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- One authorization given by a person to a client: the family of all tokens that came of it.
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    -- The claims parameter as JSON, or NULL.
    claims TEXT,
    auth_time BIGINT NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- After this nothing of the family counts: the absolute lifetime.
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX grants_by_user ON grants (user_id, client_id);
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE authorization_codes (
    hash BYTEA NOT NULL PRIMARY KEY,
    -- The grant that redeeming the code creates.
    grant_id TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    scope TEXT NOT NULL,
    claims TEXT,
    nonce TEXT,
    code_challenge TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_by_user ON authorization_codes (user_id);

CREATE TABLE refresh_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    -- jti of the access token that was issued together with this token.
    access_token_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The idle limit; moves on at each use of a token that does not rotate.
    expires_at BIGINT NOT NULL,
    -- When it was exchanged for its successor; NULL while it is the newest.
    used_at BIGINT,
    successor BYTEA,
    -- How often it was used again because its answer was lost.
    retries BIGINT NOT NULL,
    -- A successor that was never used dies when its predecessor is used again.
    dead BOOLEAN NOT NULL
);
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Opaque access tokens. JWT access tokens have no row.
CREATE TABLE access_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    -- jti
    id TEXT NOT NULL,
    -- NULL for client credentials. A person's token goes with its grant.
    grant_id TEXT REFERENCES grants (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT,
    scope TEXT NOT NULL,
    audience TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_by_grant ON access_tokens (grant_id);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);
CREATE INDEX access_tokens_by_client ON access_tokens (client_id);

-- jti of access tokens, of either format, that were revoked one by one.
CREATE TABLE revoked_access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    revoked_at BIGINT NOT NULL,
    -- When the token would have expired: the row is of no use after that.
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_access_tokens_by_expiry ON revoked_access_tokens (expires_at);

CREATE TABLE audit_log (
    -- UUID version 7: in the order of time.
    id TEXT NOT NULL PRIMARY KEY,
    occurred_at BIGINT NOT NULL,
    type TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    actor_type TEXT NOT NULL,
    actor_id TEXT,
    client_id TEXT,
    -- The person it was done to.
    user_id TEXT,
    address TEXT,
    trace_id TEXT NOT NULL,
    -- How often the same happened, for folded refusals.
    count BIGINT NOT NULL,
    details TEXT NOT NULL,
    -- Filled by the sealer, in the order of sealing.
    sequence BIGINT,
    seal BYTEA
);
-- Only what is sealed costs an entry.
CREATE UNIQUE INDEX audit_log_by_sequence ON audit_log (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_log_by_type ON audit_log (type, id);
CREATE INDEX audit_log_by_user ON audit_log (user_id, id);
CREATE INDEX audit_log_by_client ON audit_log (client_id, id);
CREATE INDEX audit_log_by_trace ON audit_log (trace_id);
