-- Tokens that only the owner of a key may use (RFC 9449, RFC 8705), as the JSON of their `cnf` claim; NULL: whoever has one may.
ALTER TABLE access_tokens ADD COLUMN cnf TEXT;
-- What a public client's refresh tokens are bound to. A confidential client's are bound to its credentials.
ALTER TABLE grants ADD COLUMN cnf TEXT;
-- The key that the code may be redeemed with (RFC 9449 §10): a JWK thumbprint, base64url.
ALTER TABLE authorization_codes ADD COLUMN dpop_jkt TEXT;
