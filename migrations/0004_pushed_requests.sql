-- Authorization requests that clients pushed (RFC 9126). Conventions as in 0001.

CREATE TABLE pushed_requests (
    -- Keyed hash of the reference in the request_uri.
    hash BYTEA NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- The parameters, form-encoded, without what the client authenticated with.
    parameters TEXT NOT NULL,
    -- They came in a request object that the client signed.
    signed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    -- Until then it may be opened; a login that began before may end later.
    expires_at BIGINT NOT NULL,
    -- When a login with it came to its end.
    consumed_at BIGINT
);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);
