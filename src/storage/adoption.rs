//! What a newer version keeps in columns of its own is filled in from what an older one kept, once.
//!
//! A migration can't do it: neither the canonical form of an address nor the skeleton of a name can be said in SQL.

use serde_json::Value;

use super::db::{Db, Tx};
use super::email_addresses;
use super::error::Error;
use super::instance;
use super::profiles::{StoredClaims, take_address};
use super::value::{Json, containing};
use crate::protocol::confusable;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::sign_in_name::SignInName;
use crate::protocol::time::Timestamp;

/// Set when everything up to 0002 was filled in.
const MARK: &str = "adopted-0002";

/// Rows of one transaction.
const BATCH: i64 = 200;

/// Fills in addresses and skeletons. When it is stopped half-way, or runs on two nodes at once, nothing is lost: each row is
/// looked at again.
pub async fn adopt(db: &Db, now: Timestamp) -> Result<(), Error> {
    if instance::load(&mut db.read().await?, MARK).await?.is_some() {
        return Ok(());
    }
    while db.write(async |tx| add_skeletons(tx).await).await? > 0 {}
    let mut after = String::new();
    while let Some(last) = db.write(async |tx| move_addresses(tx, &after, now).await).await? {
        after = last;
    }
    db.write(async |tx| instance::insert_if_absent(tx, MARK, &[]).await.map(drop)).await
}

async fn add_skeletons(tx: &mut Tx) -> Result<usize, Error> {
    let people = tx
        .query("SELECT id, sign_in_name, canonical_name FROM users WHERE skeleton IS NULL ORDER BY id LIMIT $1")
        .bind(BATCH)
        .fetch_all::<(UserId, String, String)>()
        .await?;
    let count = people.len();
    for (id, name, canonical) in people {
        let skeleton = confusable::skeleton(&SignInName::from_stored(name, canonical));
        tx.query("UPDATE users SET skeleton = $2 WHERE id = $1").bind(&id).bind(skeleton).execute().await?;
    }
    Ok(count)
}

/// Of the people whose ids come after `after`. The last one looked at, or `None` when there are no more.
async fn move_addresses(tx: &mut Tx, after: &str, now: Timestamp) -> Result<Option<String>, Error> {
    let profiles = tx
        .query(r"SELECT user_id, claims FROM profiles WHERE user_id > $1 AND claims LIKE $2 ESCAPE '\' ORDER BY user_id LIMIT $3")
        .bind(after)
        .bind(containing("\"email"))
        .bind(BATCH)
        .fetch_all::<(UserId, StoredClaims)>()
        .await?;
    let last = profiles.last().map(|(user, _)| user.as_str().to_owned());
    for (user, Json(mut claims)) in profiles {
        let (address, verified) = take_address(&mut claims);
        tx.query("UPDATE profiles SET claims = $2 WHERE user_id = $1")
            .bind(&user)
            .bind(Json(Value::Object(claims)))
            .execute()
            .await?;
        let Some(text) = address else { continue };
        // One that was taken before there were rules is kept as it is; no mail will reach it.
        let address = EmailAddress::parse(&text).unwrap_or_else(|_| EmailAddress::from_stored(text.clone(), text.to_lowercase()));
        // Of two people whose address was said to be verified, the second has to prove it.
        let verified = verified == Some(true) && !email_addresses::is_taken(tx, &address, Some(&user)).await?;
        if email_addresses::load(tx, &user).await?.is_none() {
            email_addresses::save(tx, &user, &address, verified, now).await?;
        }
    }
    Ok(last)
}
