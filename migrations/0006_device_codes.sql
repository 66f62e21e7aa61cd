-- Devices that wait for a person to connect them (RFC 8628). Conventions as in 0001.

CREATE TABLE device_codes (
    -- Keyed hash of the device_code.
    hash BYTEA NOT NULL PRIMARY KEY,
    -- Keyed hash of the user_code.
    user_code BYTEA NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- What the device asks for.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Seconds between two requests of the device, and when the next one is due.
    poll_interval BIGINT NOT NULL,
    next_poll_at BIGINT NOT NULL,
    -- Who allowed it, how much of it, and how they had logged in; all NULL until then.
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    allowed_scope TEXT,
    auth_time BIGINT,
    acr TEXT,
    factors TEXT,
    denied_at BIGINT,
    consumed_at BIGINT
);
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);
CREATE INDEX device_codes_by_user ON device_codes (user_id);
