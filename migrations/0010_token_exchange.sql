-- Tokens that were exchanged (RFC 8693). Conventions as in 0001.

-- Whom an opaque token is about, if that is neither its person nor its client.
ALTER TABLE access_tokens ADD COLUMN subject TEXT;
-- The claims act and may_act, as JSON.
ALTER TABLE access_tokens ADD COLUMN act TEXT;
ALTER TABLE access_tokens ADD COLUMN may_act TEXT;
