//! The client registry.

use serde::{Deserialize, Serialize};

use super::db::{Change, Columns, Conn, Record, Tx};
use super::error::Error;
use super::page::{Listed, Page};
use super::value::{Hash, Json, containing};
use crate::protocol::client::{Client, ClientAuthMethod, ClientMetadata, ClientSecret, ClientStatus};
use crate::protocol::id::ClientId;
use crate::protocol::time::Timestamp;

/// Metadata as it is stored: with what a newer version of this server wrote and this one knows nothing of. That is kept, so that
/// both may run side by side; what somebody sends is held to what is known where it comes in.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    metadata: ClientMetadata,
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// One client with at most one of its secrets: what the join of the two tables gives.
struct Row(Client);

impl Record for Row {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        let mut client = Client {
            id: columns.read()?,
            status: columns.read()?,
            metadata: columns.read::<Json<Stored>>()?.0.metadata,
            created_at: columns.read()?,
            updated_at: columns.read()?,
            version: columns.read()?,
            secrets: Vec::new(),
        };
        if let Some(id) = columns.read()? {
            client.secrets.push(ClientSecret {
                id,
                hash: columns.read::<Hash>()?.0,
                sealed: columns.read()?,
                created_at: columns.read()?,
                expires_at: columns.read()?,
            });
        }
        Ok(Self(client))
    }
}

/// Joins the rows of one client, which follow each other.
fn collect(rows: Vec<Row>) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for Row(client) in rows {
        match clients.last_mut() {
            Some(last) if last.id == client.id => last.secrets.extend(client.secrets),
            _ => clients.push(client),
        }
    }
    clients
}

/// A client with its secrets, the newest first.
pub async fn load(conn: &mut Conn, id: &ClientId) -> Result<Option<Client>, Error> {
    let rows = conn
        .query(
            "SELECT c.id, c.status, c.metadata, c.created_at, c.updated_at, c.version, \
             s.id, s.hash, s.sealed, s.created_at, s.expires_at \
             FROM clients c LEFT JOIN client_secrets s ON s.client_id = c.id \
             WHERE c.id = $1 ORDER BY s.created_at DESC, s.id",
        )
        .bind(id)
        .fetch_all()
        .await?;
    Ok(collect(rows).pop())
}

/// The origins of all active clients that scripts may call from (CORS). Only the clients that have some are read.
pub async fn allowed_origins(conn: &mut Conn) -> Result<Vec<String>, Error> {
    struct Metadata(ClientMetadata);

    impl Record for Metadata {
        fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
            Ok(Self(columns.read::<Json<Stored>>()?.0.metadata))
        }
    }

    let rows: Vec<Metadata> = conn
        .query(r#"SELECT metadata FROM clients WHERE status = $1 AND metadata LIKE '%"allowed_origins":["%'"#)
        .bind(ClientStatus::Active)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().flat_map(|Metadata(metadata)| metadata.allowed_origins).collect())
}

/// Which clients to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    /// Part of the name, in any case.
    pub name_contains: Option<String>,
    pub status: Option<ClientStatus>,
}

/// In the order of identifiers.
pub async fn list(conn: &mut Conn, filter: &ClientFilter, page: &Page) -> Result<Listed<Client>, Error> {
    let rows = conn
        .query(
            r"SELECT c.id, c.status, c.metadata, c.created_at, c.updated_at, c.version,
                s.id, s.hash, s.sealed, s.created_at, s.expires_at
            FROM (
                SELECT id, status, metadata, created_at, updated_at, version FROM clients
                WHERE id > $1
                    AND ($2 IS NULL OR search_name LIKE $2 ESCAPE '\')
                    AND ($3 IS NULL OR status = $3)
                ORDER BY id LIMIT $4
            ) c LEFT JOIN client_secrets s ON s.client_id = c.id
            ORDER BY c.id, s.created_at DESC, s.id",
        )
        .bind(page.after())
        .bind(filter.name_contains.as_ref().map(|part| containing(&part.to_lowercase())))
        .bind(filter.status)
        .bind(page.rows())
        .fetch_all()
        .await?;
    Ok(Listed::cut(collect(rows), page, |client| client.id.as_str().to_owned()))
}

/// How many clients are registered.
pub async fn count(conn: &mut Conn) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM clients").fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Stores a client with its secrets.
///
/// # Errors
/// [`Error::Conflict`]: the identifier is taken.
pub async fn insert(tx: &mut Tx, client: &Client) -> Result<(), Error> {
    let inserted = tx
        .query(
            "INSERT INTO clients (id, status, search_name, metadata, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(&client.id)
        .bind(client.status)
        .bind(client.metadata.client_name.to_lowercase())
        .bind(Json(client.metadata.clone()))
        .bind(client.created_at)
        .bind(client.updated_at)
        .bind(client.version)
        .execute()
        .await?;
    if inserted == 0 {
        return Err(Error::Conflict);
    }
    for secret in &client.secrets {
        insert_secret(tx, &client.id, secret).await?;
    }
    tx.changed(Change::Client(client.id.clone()));
    Ok(())
}

/// Writes status, metadata and `updated_at`; the version becomes the next one. `false`: the stored version isn't
/// `expected_version`, or there is no such client.
pub async fn update(tx: &mut Tx, client: &Client, expected_version: i64) -> Result<bool, Error> {
    // Of the version that is expected, or nothing is written.
    let stored =
        tx.query("SELECT metadata FROM clients WHERE id = $1").bind(&client.id).fetch_optional::<(Json<Stored>,)>().await?;
    let unknown = stored.map(|(Json(stored),)| stored.unknown).unwrap_or_default();
    let updated = tx
        .query(
            "UPDATE clients SET status = $2, search_name = $3, metadata = $4, updated_at = $5, version = version + 1 \
             WHERE id = $1 AND version = $6",
        )
        .bind(&client.id)
        .bind(client.status)
        .bind(client.metadata.client_name.to_lowercase())
        .bind(Json(Stored { metadata: client.metadata.clone(), unknown }))
        .bind(client.updated_at)
        .bind(expected_version)
        .execute()
        .await?;
    if updated == 1 {
        forget_secrets(tx, client).await?;
    }
    tx.changed(Change::Client(client.id.clone()));
    Ok(updated == 1)
}

/// What the client's method has no use for goes: a secret must not come to life again with another method, nor lie about in clear.
async fn forget_secrets(tx: &mut Tx, client: &Client) -> Result<(), Error> {
    let method = client.metadata.token_endpoint_auth_method;
    let sql = match method {
        ClientAuthMethod::ClientSecretJwt => return Ok(()),
        _ if method.has_secret() => "UPDATE client_secrets SET sealed = NULL WHERE client_id = $1 AND sealed IS NOT NULL",
        _ => "DELETE FROM client_secrets WHERE client_id = $1",
    };
    tx.query(sql).bind(&client.id).execute().await?;
    Ok(())
}

/// Deletes a client with everything that was given to it; the audit log stays.
pub async fn delete(tx: &mut Tx, id: &ClientId) -> Result<bool, Error> {
    let deleted = tx.query("DELETE FROM clients WHERE id = $1").bind(id).execute().await?;
    tx.changed(Change::Client(id.clone()));
    Ok(deleted == 1)
}

/// Adds a secret. The newest of the others works until `old_expire_at`, or the end that it has if that comes first; the rest
/// goes, so that two are valid at most. `false`: there is no such client.
pub async fn add_secret(tx: &mut Tx, id: &ClientId, secret: &ClientSecret, old_expire_at: Timestamp) -> Result<bool, Error> {
    // Counts as a change of the client, and makes two that come at once follow each other.
    let updated = tx
        .query("UPDATE clients SET updated_at = $2, version = version + 1 WHERE id = $1")
        .bind(id)
        .bind(secret.created_at)
        .execute()
        .await?;
    if updated == 0 {
        return Ok(false);
    }
    tx.query(
        "DELETE FROM client_secrets WHERE client_id = $1 AND (expires_at <= $2 OR id NOT IN (\
         SELECT id FROM client_secrets WHERE client_id = $1 ORDER BY created_at DESC, id LIMIT 1))",
    )
    .bind(id)
    .bind(secret.created_at)
    .execute()
    .await?;
    tx.query("UPDATE client_secrets SET expires_at = $2 WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)")
        .bind(id)
        .bind(old_expire_at)
        .execute()
        .await?;
    insert_secret(tx, id, secret).await?;
    tx.changed(Change::Client(id.clone()));
    Ok(true)
}

async fn insert_secret(tx: &mut Tx, client: &ClientId, secret: &ClientSecret) -> Result<(), Error> {
    tx.query("INSERT INTO client_secrets (id, client_id, hash, sealed, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(secret.id.as_str())
        .bind(client)
        .bind(Hash(secret.hash))
        .bind(secret.sealed.clone())
        .bind(secret.created_at)
        .bind(secret.expires_at)
        .execute()
        .await?;
    Ok(())
}
