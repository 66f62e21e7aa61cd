-- Clients whose registration is a document at their client_id (OAuth Client ID Metadata Documents). Conventions as in 0001.

-- Stored as a client the first time that something is given to it.
CREATE TABLE client_documents (
    client_id TEXT NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    -- When the document was last read: while the client is used, that is every day at least.
    fetched_at BIGINT NOT NULL
);
CREATE INDEX client_documents_by_time ON client_documents (fetched_at);
