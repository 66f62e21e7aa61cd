-- The secret itself, sealed with the master key, of clients that are registered for client_secret_jwt; the client's id and the
-- row's are the associated data.
ALTER TABLE client_secrets ADD COLUMN sealed BYTEA;
