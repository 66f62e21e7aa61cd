-- How the person of an opaque access token had proved who they are when it was given out: it goes on saying that, whatever they prove
-- later. NULL: it is no person's.
ALTER TABLE access_tokens ADD COLUMN auth_time BIGINT;
ALTER TABLE access_tokens ADD COLUMN acr TEXT;
-- JSON.
ALTER TABLE access_tokens ADD COLUMN amr TEXT;
UPDATE access_tokens SET
    auth_time = (SELECT g.auth_time FROM grants g WHERE g.id = grant_id),
    acr = (SELECT g.acr FROM grants g WHERE g.id = grant_id),
    amr = (SELECT g.amr FROM grants g WHERE g.id = grant_id);
