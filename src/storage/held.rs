//! All that is held about a person, for the person (General Data Protection Regulation, articles 15 and 20).
//!
//! Every table with a person in it is either read here or named in [`TABLES`] with the reason why not; a test holds the schema to
//! that.

use serde_json::{Map, Value, json};

use super::audit::{AuditFilter, Entry};
use super::db::Conn;
use super::error::Error;
use super::page::{MAX_LIMIT, Page};
use super::{audit, consents, email_addresses, grants, passkeys, profiles, sessions, users};
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its rows are found in this member of the copy.
    In(&'static str),
    /// It is left out, because …
    Not(&'static str),
}

/// Every table that names people, and `users` itself.
pub const TABLES: &[(&str, Held)] = &[
    ("users", Held::In("account")),
    ("profiles", Held::In("profile")),
    ("email_addresses", Held::In("email_address")),
    ("sessions", Held::In("sessions")),
    ("consents", Held::In("consents")),
    ("grants", Held::In("grants")),
    ("totp_factors", Held::In("authenticator_app")),
    ("recovery_codes", Held::In("recovery_codes")),
    ("passkeys", Held::In("passkeys")),
    ("login_failures", Held::In("failed_logins")),
    ("email_codes", Held::In("mailed_codes")),
    ("invitations", Held::In("invitations")),
    ("audit_log", Held::In("activity")),
    ("audit_inbox", Held::In("activity")),
    ("authorization_codes", Held::Not("lives for a minute; the activity says that it was given out")),
    (
        "device_codes",
        Held::Not("lives for an hour at most; the activity says that it was allowed, and what came of it is listed"),
    ),
    (
        "notices",
        Held::Not("tell applications of a session's end or of an answer, for a day at most; the activity says what happened"),
    ),
    ("initial_access_tokens", Held::Not("lets others register clients, and says who made it so; so does the activity")),
    ("access_tokens", Held::Not("lives for minutes; the activity says that it was given out, and its grant is listed")),
    ("passkey_handles", Held::Not("a random number without meaning, there so that passkeys don't hold the account's id")),
];

/// The most entries of the activity that one copy holds: the newest.
pub const MAX_ENTRIES: usize = 50_000;

/// Everything but the activity, without anything by which somebody could log in: no hash, no key, no code.
pub async fn about(conn: &mut Conn, user_id: &UserId) -> Result<Option<Map<String, Value>>, Error> {
    let Some(user) = users::by_id(conn, user_id).await? else { return Ok(None) };
    let deletion_due_at = users::deletion_due_at(conn, user_id).await?;
    let mut copy = Map::new();
    let mut add = |name: &str, value: Value| _ = copy.insert(name.to_owned(), value);
    add(
        "account",
        json!({
            "id": user.id.as_str(), "sign_in_name": user.sign_in_name.as_str(), "status": user.status, "roles": user.roles,
            "created_at": time(user.created_at), "updated_at": time(user.updated_at),
            "has_password": user.password_hash.is_some(), "password_changed_at": user.password_changed_at.map(time),
            "deletion_due_at": deletion_due_at.map(time),
        }),
    );
    add("profile", profiles::load(conn, user_id).await?.map_or(Ok(Value::Null), |(profile, _)| as_json(&profile))?);
    let address = email_addresses::load(conn, user_id).await?;
    let address = address.map(|found| json!({ "address": found.address.as_str(), "verified_at": found.verified_at.map(time) }));
    add("email_address", address.unwrap_or_default());
    add("sessions", sessions_of(conn, user_id).await?);
    add("consents", consents_of(conn, user_id).await?);
    add("grants", grants_of(conn, user_id).await?);
    add("authenticator_app", authenticator_of(conn, user_id).await?);
    add("recovery_codes", recovery_codes_of(conn, user_id).await?);
    let passkeys = passkeys::list(conn, user_id).await?.into_iter().map(|passkey| {
        json!({
            "name": passkey.name, "created_at": time(passkey.created_at), "last_used_at": passkey.last_used_at.map(time),
        })
    });
    add("passkeys", passkeys.collect());
    add("failed_logins", failures_of(conn, user_id).await?);
    add("mailed_codes", codes_of(conn, user_id).await?);
    add("invitations", invitations_of(conn, user_id).await?);
    Ok(Some(copy))
}

/// A page of the activity, the newest first, and where the next one begins.
pub async fn activity(conn: &mut Conn, user_id: &UserId, after: Option<String>) -> Result<(Vec<Value>, Option<String>), Error> {
    let filter = AuditFilter { user_id: Some(user_id.clone()), ..AuditFilter::default() };
    let listed = audit::list(conn, &filter, &Page { after, limit: MAX_LIMIT }).await?;
    Ok((listed.items.into_iter().map(entry).collect(), listed.next))
}

fn entry(entry: Entry) -> Value {
    json!({
        "occurred_at": time(entry.at), "type": entry.kind, "outcome": entry.outcome, "reason": entry.reason,
        "actor": entry.actor.kind(), "client_id": entry.client_id.map(String::from), "address": entry.address, "trace_id": entry.trace_id,
        "count": entry.count, "details": entry.details,
    })
}

async fn sessions_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    // Those too that are past a limit and not deleted yet.
    let beginning = Timestamp::from_micros(0);
    let filter = sessions::SessionFilter { user_id: Some(user_id.clone()), now: beginning, idle: Seconds(0) };
    let mut page = Page::first(MAX_LIMIT);
    let mut found = Vec::new();
    loop {
        let listed = sessions::list(conn, &filter, &page).await?;
        found.extend(listed.items);
        page.after = listed.next;
        if page.after.is_none() {
            break;
        }
    }
    let shown = found.into_iter().map(|session| {
        json!({
            "id": session.id.as_str(), "name": session.name, "device": session.device, "user_agent": session.user_agent,
            "address": session.address, "amr": session.factors.amr(), "acr": session.factors.acr().as_str(),
            "remembered": session.remembered, "auth_time": time(session.auth_time), "created_at": time(session.created_at),
            "last_seen_at": time(session.last_seen_at), "expires_at": time(session.expires_at),
        })
    });
    Ok(shown.collect())
}

async fn consents_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let shown = consents::list_for_user(conn, user_id).await?.into_iter().map(|consent| {
        json!({
            "client_id": consent.client_id.as_str(), "scope": consent.scope.to_string(), "claims": consent.claims,
            "resources": consent.resources(),
            "created_at": time(consent.created_at), "updated_at": time(consent.updated_at),
        })
    });
    Ok(shown.collect())
}

async fn grants_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let shown = grants::list_for_user(conn, user_id).await?.into_iter().map(|grant| {
        json!({
            "id": grant.id.as_str(), "client_id": grant.client_id.as_str(), "scope": grant.scope.to_string(), "amr": grant.amr,
            "resources": grant.reach.resources, "authorization_details": grant.reach.authorization_details,
            "acr": grant.acr, "auth_time": time(grant.auth_time), "created_at": time(grant.created_at),
            "expires_at": time(grant.expires_at), "revoked_at": grant.revoked_at.map(time),
        })
    });
    Ok(shown.collect())
}

async fn authenticator_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let found = conn.query("SELECT created_at, last_used_at FROM totp_factors WHERE user_id = $1").bind(user_id);
    let found = found.fetch_optional::<(Timestamp, Option<Timestamp>)>().await?;
    let shown = found.map(|(created_at, used_at)| json!({ "created_at": time(created_at), "last_used_at": used_at.map(time) }));
    Ok(shown.unwrap_or_default())
}

async fn recovery_codes_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let found = conn
        .query("SELECT created_at, used_at FROM recovery_codes WHERE user_id = $1 ORDER BY selector")
        .bind(user_id)
        .fetch_all::<(Timestamp, Option<Timestamp>)>()
        .await?;
    let shown =
        found.into_iter().map(|(created_at, used_at)| json!({ "created_at": time(created_at), "used_at": used_at.map(time) }));
    Ok(shown.collect())
}

async fn failures_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let found = conn
        .query(
            "SELECT consecutive, first_at, last_at, locked_at, locked_until FROM login_failures WHERE user_id = $1 ORDER BY last_at",
        )
        .bind(user_id)
        .fetch_all::<(i64, Timestamp, Timestamp, Option<Timestamp>, Option<Timestamp>)>()
        .await?;
    let shown = found.into_iter().map(|(count, first_at, last_at, locked_at, locked_until)| {
        json!({
            "count": count, "first_at": time(first_at), "last_at": time(last_at), "locked_at": locked_at.map(time),
            "locked_until": locked_until.map(time),
        })
    });
    Ok(shown.collect())
}

async fn codes_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let found = conn
        .query("SELECT purpose, address, created_at, expires_at FROM email_codes WHERE user_id = $1 ORDER BY created_at, id")
        .bind(user_id)
        .fetch_all::<(String, String, Timestamp, Timestamp)>()
        .await?;
    let shown = found.into_iter().map(|(purpose, address, created_at, expires_at)| {
        json!({ "purpose": purpose, "address": address, "created_at": time(created_at), "expires_at": time(expires_at) })
    });
    Ok(shown.collect())
}

async fn invitations_of(conn: &mut Conn, user_id: &UserId) -> Result<Value, Error> {
    let found = conn
        .query("SELECT address, created_at, used_at FROM invitations WHERE used_by = $1 ORDER BY created_at, id")
        .bind(user_id)
        .fetch_all::<(Option<String>, Timestamp, Option<Timestamp>)>()
        .await?;
    let shown = found.into_iter().map(|(address, created_at, used_at)| {
        json!({ "address": address, "created_at": time(created_at), "used_at": used_at.map(time) })
    });
    Ok(shown.collect())
}

fn as_json(value: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|_| Error::other("a stored value can't be written as JSON"))
}

/// RFC 3339.
fn time(at: Timestamp) -> String {
    at.rfc3339().unwrap_or_default()
}
