-- What proves the audit log: see docs/audit.md. Conventions as in 0001.

-- What happened is written here first, marked (one index: whoever is recorded doesn't wait for the others), and moved to audit_log
-- within a second or so, in the order of its chain.
CREATE TABLE audit_inbox (
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
    -- HMAC of the row, by whoever wrote it; NULL for rows of before this.
    mac BYTEA
);
INSERT INTO audit_inbox (id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details)
    SELECT id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details
    FROM audit_log;
DROP TABLE audit_log;

-- Rows are never changed here.
CREATE TABLE audit_log (
    -- From 1 on, without a gap.
    sequence BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    occurred_at BIGINT NOT NULL,
    type TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    actor_type TEXT NOT NULL,
    actor_id TEXT,
    client_id TEXT,
    user_id TEXT,
    address TEXT,
    trace_id TEXT NOT NULL,
    count BIGINT NOT NULL,
    details TEXT NOT NULL,
    mac BYTEA,
    -- HMAC of the seal before, the sequence, and the row.
    seal BYTEA NOT NULL
);
CREATE INDEX audit_log_by_type ON audit_log (type, id);
CREATE INDEX audit_log_by_user ON audit_log (user_id, id);
CREATE INDEX audit_log_by_client ON audit_log (client_id, id);
CREATE INDEX audit_log_by_trace ON audit_log (trace_id);

-- Signed statements of how the chain stood.
CREATE TABLE audit_checkpoints (
    -- From 1 on, without a gap.
    number BIGINT NOT NULL PRIMARY KEY,
    -- Of the last entry that it vouches for; 0 for none.
    sequence BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    -- All of it, as a JWS.
    signed TEXT NOT NULL
);
CREATE INDEX audit_checkpoints_by_time ON audit_checkpoints (made_at);
