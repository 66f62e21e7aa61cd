-- What is asked for beside the scope where a person decides elsewhere (RFC 8707, RFC 9396): JSON, empty where it is nothing.
-- Conventions as in 0001.
ALTER TABLE device_codes ADD COLUMN reach TEXT NOT NULL DEFAULT '{}';
