-- Accounts that look after themselves. Conventions as in 0001.

-- The one place where a person's e-mail address stands: the claims email and email_verified are made of it.
CREATE TABLE email_addresses (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- As it was typed.
    address TEXT NOT NULL,
    -- Compared, looked up and counted by.
    canonical TEXT NOT NULL,
    -- NULL: nobody has proved that the person reads it.
    verified_at BIGINT,
    updated_at BIGINT NOT NULL
);
-- An address proves one person; an unproved one keeps nobody from it.
CREATE UNIQUE INDEX email_addresses_verified ON email_addresses (canonical) WHERE verified_at IS NOT NULL;
CREATE INDEX email_addresses_by_canonical ON email_addresses (canonical);

-- A person who deleted the account is gone after this; until then a login takes it back.
ALTER TABLE users ADD COLUMN deletion_due_at BIGINT;
-- The form by which look-alike names are found (Unicode Technical Standard 39 section 4). Two names clash by it only when one
-- of them is not of ASCII alone.
ALTER TABLE users ADD COLUMN skeleton TEXT;
CREATE INDEX users_by_skeleton ON users (skeleton);
CREATE INDEX users_by_deletion ON users (deletion_due_at);

-- What was typed on the login page failed so often that it has to be remembered over a restart. The key is a keyed hash
-- of the canonical name, so that names nobody has are counted like those that somebody has.
CREATE TABLE login_failures (
    key BYTEA NOT NULL PRIMARY KEY,
    -- account, device (a known one at an account), address
    kind TEXT NOT NULL,
    user_id TEXT,
    -- Of a blocked address: for people to read.
    address TEXT,
    -- Without a success between them.
    consecutive BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    -- From then on the password opens nothing on a device that isn't known.
    locked_at BIGINT,
    -- When the lock ends by itself; NULL: not before a reset, a passkey, or an administrator's word.
    locked_until BIGINT,
    -- What an administrator decided about it: NULL, released, kept.
    review TEXT,
    reviewed_by TEXT,
    reviewed_at BIGINT
);
CREATE INDEX login_failures_by_lock ON login_failures (locked_at);
CREATE INDEX login_failures_by_user ON login_failures (user_id);
CREATE INDEX login_failures_by_last ON login_failures (last_at);

-- Six-digit codes that were mailed, whatever for.
CREATE TABLE email_codes (
    id TEXT NOT NULL PRIMARY KEY,
    -- register, verify_email, change_email, reset_password
    purpose TEXT NOT NULL,
    -- The person it is for; NULL while there is none.
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    -- Canonical.
    address TEXT NOT NULL,
    -- Keyed hash of the browser's or app's own secret: nobody else can use the code.
    holder BYTEA NOT NULL,
    -- Keyed hash of code, purpose, address and id; NULL: a decoy that no code fits.
    hash BYTEA,
    -- What becomes true when the code is right, sealed.
    sealed BYTEA,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX email_codes_by_holder ON email_codes (holder, purpose);
CREATE INDEX email_codes_by_expiry ON email_codes (expires_at);
CREATE INDEX email_codes_by_user ON email_codes (user_id);

-- Links by which somebody is invited to register.
CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    -- Canonical; NULL: whoever has the link.
    address TEXT,
    roles TEXT NOT NULL,
    invited_by TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by TEXT
);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

-- Mail that waits to be sent.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    -- Which message: register_code, password_changed …
    kind TEXT NOT NULL,
    -- The whole message to be (address, locale, parameters), sealed: it may hold a code.
    sealed BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Of no use after that.
    expires_at BIGINT NOT NULL,
    -- Of the node that is sending it: another one takes it over after this.
    claimed_until BIGINT,
    last_error TEXT
);
CREATE INDEX outbox_by_next_attempt ON outbox (next_attempt_at);
CREATE INDEX outbox_by_expiry ON outbox (expires_at);

-- How much mail an address got, for its daily and hourly limit.
CREATE TABLE mail_counts (
    id TEXT NOT NULL PRIMARY KEY,
    -- Keyed hash of the canonical address.
    address BYTEA NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX mail_counts_by_address ON mail_counts (address, created_at);
CREATE INDEX mail_counts_by_time ON mail_counts (created_at);

-- One authenticator app a person (RFC 6238). Only those that gave a right code once.
CREATE TABLE totp_factors (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- The shared secret, sealed; the person's id is the associated data.
    sealed BYTEA NOT NULL,
    -- The newest time step of which a code was taken: none of it or before is taken again.
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The code's first characters: they find the row, the rest is the secret.
    selector TEXT NOT NULL,
    -- Argon2id of the whole code.
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, selector)
);

-- WebAuthn credentials.
CREATE TABLE passkeys (
    -- The credential's id, base64url.
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Public key and flags, as JSON of the library. The counter in it is always 0.
    credential TEXT NOT NULL,
    -- The signature counter of its last use.
    counter BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- The user handle of WebAuthn: random, so that authenticators learn nothing of the account.
CREATE TABLE passkey_handles (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    handle BYTEA NOT NULL UNIQUE
);

-- What may be used once and is carried by the browser: challenges, proofs of work, links. A row says that it was used.
CREATE TABLE spent (
    hash BYTEA NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_by_expiry ON spent (expires_at);

-- A session: the name its person gave it, whether it outlives the browser, and when each factor was last proved
-- (JSON: the method's word to microseconds; protocol/authentication.rs has the words).
ALTER TABLE sessions ADD COLUMN name TEXT;
-- What to call the browser, made of its own word at the login: one of a fixed list, or empty.
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN remembered BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN factors TEXT NOT NULL DEFAULT '{}';

-- Its session stands for it alone: an application of the operator's own logged its person in without a browser.
ALTER TABLE grants ADD COLUMN own_session BOOLEAN NOT NULL DEFAULT FALSE;

-- Why a request was refused, check by check.
CREATE TABLE explanations (
    trace_id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    -- JSON: method, route, status, reason, checks in their order.
    decision TEXT NOT NULL
);
CREATE INDEX explanations_by_time ON explanations (created_at);
