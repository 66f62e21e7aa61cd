-- Clients that ask a person who is elsewhere (OpenID Connect Client-Initiated Backchannel Authentication 1.0). Conventions as in 0001.

-- They wait like devices do; user_code is then random and names the request to its person.
-- Who is asked. NULL for a device, which does not know who will come.
ALTER TABLE device_codes ADD COLUMN asked_of TEXT REFERENCES users (id) ON DELETE CASCADE;
-- What the client says it is about, which its person finds there too.
ALTER TABLE device_codes ADD COLUMN binding_message TEXT;
-- acr values that the client would like, as JSON.
ALTER TABLE device_codes ADD COLUMN asked_acrs TEXT;
-- With what the client is told that there is an answer, sealed; NULL for one that asks by itself.
ALTER TABLE device_codes ADD COLUMN notification BYTEA;
CREATE INDEX device_codes_by_asked ON device_codes (asked_of) WHERE asked_of IS NOT NULL;

-- What clients are told, deleted once it arrived: that a session ended, or that there is an answer.
CREATE TABLE notices (
    -- jti of a logout token
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- They may be gone by now.
    user_id TEXT NOT NULL,
    -- The session that ended.
    session_id TEXT,
    -- Which request was answered, and the token for whoever tells of it.
    notification BYTEA,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Somebody is sending it until then.
    claimed_until BIGINT,
    -- Of no use after that.
    expires_at BIGINT NOT NULL,
    last_error TEXT
);
INSERT INTO notices (id, client_id, user_id, session_id, attempts, created_at, next_attempt_at, claimed_until, expires_at, last_error)
    SELECT id, client_id, user_id, session_id, attempts, created_at, next_attempt_at, claimed_until, expires_at, last_error
    FROM logout_notices;
DROP TABLE logout_notices;
CREATE INDEX notices_by_next_attempt ON notices (next_attempt_at);
CREATE INDEX notices_by_client ON notices (client_id);
