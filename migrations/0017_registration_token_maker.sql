-- Who made a token with which clients are registered. Conventions as in 0001.

-- As the audit log names actors. NULL for tokens of before.
ALTER TABLE initial_access_tokens ADD COLUMN actor_type TEXT;
ALTER TABLE initial_access_tokens ADD COLUMN actor_id TEXT;
