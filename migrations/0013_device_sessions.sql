-- In which session a device was allowed, and what its code was redeemed for. Conventions as in 0001.

-- NULL until somebody allows it. No reference: what was allowed in a session is taken back when that is ended, and stays when it
-- ends by itself.
ALTER TABLE device_codes ADD COLUMN session_id TEXT;
-- NULL until it is redeemed.
ALTER TABLE device_codes ADD COLUMN grant_id TEXT;
