//! The registry of protected resources.

use super::db::{Change, Columns, Conn, Locking, Record, Tx};
use super::error::Error;
use super::page::{Listed, Page};
use super::value::Json;
use crate::protocol::resource::{Resource, ResourceMetadata, Resources};
use crate::protocol::resource_registration::taken_types;

impl Record for Resource {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            identifier: columns.read()?,
            metadata: columns.read::<Json<ResourceMetadata>>()?.0,
            created_at: columns.read()?,
            updated_at: columns.read()?,
            version: columns.read()?,
        })
    }
}

macro_rules! columns {
    () => {
        "id, identifier, metadata, created_at, updated_at, version"
    };
}

pub async fn load(conn: &mut Conn, id: &str) -> Result<Option<Resource>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM resources WHERE id = $1")).bind(id).fetch_optional().await
}

pub async fn by_identifier(conn: &mut Conn, identifier: &str) -> Result<Option<Resource>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM resources WHERE identifier = $1")).bind(identifier).fetch_optional().await
}

/// All of them. They are few: the operator registers each.
pub async fn all(conn: &mut Conn) -> Result<Vec<Resource>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM resources ORDER BY identifier")).fetch_all().await
}

/// All of them, which stay as they are until the transaction ends, and to which nobody adds one. The first that a transaction asks for.
pub async fn all_held(tx: &mut Tx) -> Result<Vec<Resource>, Error> {
    // Locked rows would let others in beside them.
    let whole = Locking { sqlite: "SELECT 1", postgres: "LOCK TABLE resources IN SHARE ROW EXCLUSIVE MODE" };
    tx.lock(whole).execute().await?;
    all(tx).await
}

/// Holds all of them, and makes sure that a resource which is about to be written is still the only one with its types of authorization
/// details. Whoever registers it has looked before, and tells more; this settles who was first.
///
/// # Errors
/// [`Error::Conflict`]: another has one of them.
pub async fn settle_types(tx: &mut Tx, resource: &Resource) -> Result<(), Error> {
    let others = Resources::new(all_held(tx).await?);
    if taken_types(resource, &others).is_empty() { Ok(()) } else { Err(Error::Conflict) }
}

/// In the order of their ids.
pub async fn list(conn: &mut Conn, page: &Page) -> Result<Listed<Resource>, Error> {
    let found = conn
        .query(concat!("SELECT ", columns!(), " FROM resources WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(page.after())
        .bind(page.rows())
        .fetch_all::<Resource>()
        .await?;
    Ok(Listed::cut(found, page, |resource| resource.id.clone()))
}

/// Stores a new one.
///
/// # Errors
/// [`Error::Conflict`]: the identifier is taken.
pub async fn insert(tx: &mut Tx, resource: &Resource) -> Result<(), Error> {
    let inserted = tx
        .query(
            "INSERT INTO resources (id, identifier, metadata, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(resource.id.as_str())
        .bind(resource.identifier.as_str())
        .bind(Json(resource.metadata.clone()))
        .bind(resource.created_at)
        .bind(resource.updated_at)
        .bind(resource.version)
        .execute()
        .await?;
    tx.changed(Change::Resources);
    if inserted == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Writes what is registered for it; the version becomes the next one. `false`: the stored version isn't `expected_version`, or there
/// is no such resource.
pub async fn update(tx: &mut Tx, resource: &Resource, expected_version: i64) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE resources SET metadata = $2, updated_at = $3, version = version + 1 WHERE id = $1 AND version = $4")
        .bind(resource.id.as_str())
        .bind(Json(resource.metadata.clone()))
        .bind(resource.updated_at)
        .bind(expected_version)
        .execute()
        .await?;
    tx.changed(Change::Resources);
    Ok(updated == 1)
}

/// Deletes it if it is as it was seen. What was granted for it is given no more.
pub async fn delete(tx: &mut Tx, id: &str, expected_version: i64) -> Result<bool, Error> {
    let deleted =
        tx.query("DELETE FROM resources WHERE id = $1 AND version = $2").bind(id).bind(expected_version).execute().await?;
    tx.changed(Change::Resources);
    Ok(deleted == 1)
}
