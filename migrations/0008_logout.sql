-- Who is told that a session ended (OpenID Connect Back-Channel and Front-Channel Logout 1.0). Conventions as in 0001.

-- Clients that a session's person was logged in to, and that want to hear of its end.
CREATE TABLE session_clients (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (session_id, client_id)
);

-- Logout tokens on their way, deleted once they arrived.
CREATE TABLE logout_notices (
    -- jti
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- They may be gone by now.
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Somebody is sending it until then.
    claimed_until BIGINT,
    -- Of no use after that.
    expires_at BIGINT NOT NULL,
    last_error TEXT
);
CREATE INDEX logout_notices_by_next_attempt ON logout_notices (next_attempt_at);
CREATE INDEX logout_notices_by_client ON logout_notices (client_id);
