//! The optional profile of a person: its claims, and those that are made of their e-mail address.

use serde_json::{Map, Value};

use super::db::{Conn, Tx};
use super::email_addresses::{self, PersonsAddress};
use super::error::Error;
use super::value::Json;
use crate::protocol::claims::Profile;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// The claims as they are stored: without those about the e-mail address, except where an older version wrote them.
pub(super) type StoredClaims = Json<Map<String, Value>>;

/// The profile and when it was last changed (`updated_at`, OpenID Connect Core §5.1).
pub async fn load(conn: &mut Conn, user: &UserId) -> Result<Option<(Profile, Timestamp)>, Error> {
    let row = conn
        .query("SELECT claims, updated_at FROM profiles WHERE user_id = $1")
        .bind(user)
        .fetch_optional::<(StoredClaims, Timestamp)>()
        .await?;
    let address = email_addresses::load(conn, user).await?;
    let changed_at = [row.as_ref().map(|row| row.1), address.as_ref().map(|address| address.updated_at)];
    let Some(changed_at) = changed_at.into_iter().flatten().max() else { return Ok(None) };
    let claims = row.map(|row| row.0.0).unwrap_or_default();
    Ok(Some((compose(claims, address)?, changed_at)))
}

fn compose(mut claims: Map<String, Value>, address: Option<PersonsAddress>) -> Result<Profile, Error> {
    let (old, old_verified) = take_address(&mut claims);
    let mut profile: Profile = serde_json::from_value(Value::Object(claims)).map_err(|error| Error::other(error.to_string()))?;
    (profile.email, profile.email_verified) = match address {
        Some(address) => (Some(address.address.as_str().to_owned()), Some(address.verified_at.is_some())),
        None => (old, old_verified),
    };
    Ok(profile)
}

/// What an older version kept of the address among the claims.
pub(super) fn take_address(claims: &mut Map<String, Value>) -> (Option<String>, Option<bool>) {
    let (address, verified) = (claims.remove("email"), claims.remove("email_verified"));
    (address.and_then(|address| address.as_str().map(str::to_owned)), verified.and_then(|verified| verified.as_bool()))
}

/// Writes the whole profile; its `email` becomes the person's address, verified or not as it says.
///
/// # Errors
/// [`Error::Conflict`]: there is no such person, or the address is verified and somebody else's.
pub async fn save(tx: &mut Tx, user: &UserId, profile: &Profile, now: Timestamp) -> Result<(), Error> {
    let mut claims = profile.clone();
    let (address, verified) = (claims.email.take(), claims.email_verified.take());
    tx.query(
        "INSERT INTO profiles (user_id, claims, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET claims = excluded.claims, updated_at = excluded.updated_at",
    )
    .bind(user)
    .bind(Json(claims))
    .bind(now)
    .execute()
    .await?;
    match address {
        Some(address) => {
            let address = EmailAddress::parse(&address).map_err(|error| Error::other(error.to_string()))?;
            email_addresses::save(tx, user, &address, verified == Some(true), now).await
        }
        None => email_addresses::delete(tx, user).await.map(drop),
    }
}

/// Takes the profile away, the address with it.
pub async fn delete(tx: &mut Tx, user: &UserId) -> Result<bool, Error> {
    let had_address = email_addresses::delete(tx, user).await?;
    let had_claims = tx.query("DELETE FROM profiles WHERE user_id = $1").bind(user).execute().await? == 1;
    Ok(had_address || had_claims)
}
