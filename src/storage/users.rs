//! People.

use secrecy::{ExposeSecret, SecretString};

use super::db::{Columns, Conn, Record, Tx, locking};
use super::error::Error;
use super::instance;
use super::login_failures;
use super::page::{Listed, Page};
use super::value::{Json, containing, words};
use crate::protocol::confusable;
use crate::protocol::id::UserId;
use crate::protocol::sign_in_name::SignInName;
use crate::protocol::time::Timestamp;

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub sign_in_name: SignInName,
    /// Argon2id, in PHC string format. `None`: no password was set, and none is right.
    pub password_hash: Option<SecretString>,
    pub password_changed_at: Option<Timestamp>,
    pub status: UserStatus,
    pub roles: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the changes: the ETag of the management API.
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    Active,
    /// Can't log in; their sessions don't count and their tokens are inactive.
    Disabled,
}

words!(UserStatus { Active = "active", Disabled = "disabled", });

impl User {
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }
}

/// The columns of a [`User`], of the table `users` called `u`.
macro_rules! user_columns {
    () => {
        "u.id, u.sign_in_name, u.canonical_name, u.password_hash, u.password_changed_at, u.status, u.roles, u.created_at, \
         u.updated_at, u.version"
    };
}
pub(super) use user_columns;

impl Record for User {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            sign_in_name: SignInName::from_stored(columns.read()?, columns.read()?),
            password_hash: columns.read::<Option<String>>()?.map(SecretString::from),
            password_changed_at: columns.read()?,
            status: columns.read()?,
            roles: columns.read::<Json<_>>()?.0,
            created_at: columns.read()?,
            updated_at: columns.read()?,
            version: columns.read()?,
        })
    }
}

/// # Errors
/// [`Error::Conflict`]: the sign-in name, in one of its spellings or one that looks like it, or the id is taken.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<(), Error> {
    check_roles(&user.roles)?;
    let skeleton = claim_name(tx, &user.id, &user.sign_in_name).await?;
    let inserted = tx
        .query(
            "INSERT INTO users (id, sign_in_name, canonical_name, password_hash, password_changed_at, status, roles, \
             created_at, updated_at, version, skeleton) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&user.id)
        .bind(user.sign_in_name.as_str())
        .bind(user.sign_in_name.canonical())
        .bind(user.password_hash.as_ref().map(|hash| hash.expose_secret().to_owned()))
        .bind(user.password_changed_at)
        .bind(user.status)
        .bind(Json(user.roles.clone()))
        .bind(user.created_at)
        .bind(user.updated_at)
        .bind(user.version)
        .bind(skeleton)
        .execute()
        .await?;
    if inserted == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// The kinds of hashes that so many people have, the next ones `after` an id: one hash of each kind (`None`: no password), how many of
/// them have it, and the last id of all of them.
///
/// Hashes are of one kind that are equally long and begin alike, up to the salt: the last two pieces between dollar signs are salt
/// and hash. Of bcrypt they are one piece, and its cost stands before it. Nearly all are 16 bytes of salt and 32 of hash, and are known by
/// where the dollar signs stand: that takes a third of the time.
pub async fn password_kinds(conn: &mut Conn, after: &str, people: i64) -> Result<Vec<PasswordKind>, Error> {
    let rows = conn
        .query(
            "SELECT MIN(password_hash), COUNT(*), MAX(MAX(id)) OVER () \
             FROM (SELECT id, password_hash FROM users WHERE id > $1 ORDER BY id LIMIT $2) people GROUP BY length(password_hash), \
             CASE WHEN substr(password_hash, length(password_hash) - 43, 1) = '$' \
             AND substr(password_hash, length(password_hash) - 66, 1) = '$' THEN substr(password_hash, 1, length(password_hash) - 66) \
             WHEN password_hash LIKE '%$2_$%' THEN rtrim(password_hash, $3) \
             ELSE rtrim(rtrim(rtrim(password_hash, $3), '$'), $3) END",
        )
        .bind(after)
        .bind(people)
        .bind("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/.=_-")
        .fetch_all::<(Option<String>, i64, String)>()
        .await?;
    let kind =
        |(hash, people, last): (Option<String>, i64, String)| PasswordKind { hash: hash.map(SecretString::from), people, last };
    Ok(rows.into_iter().map(kind).collect())
}

/// See [`password_kinds`].
#[derive(Debug)]
pub struct PasswordKind {
    pub hash: Option<SecretString>,
    pub people: i64,
    pub last: String,
}

pub async fn by_id(conn: &mut Conn, id: &UserId) -> Result<Option<User>, Error> {
    conn.query(concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id = $1")).bind(id).fetch_optional().await
}

/// By [`SignInName::canonical`].
pub async fn by_canonical_name(conn: &mut Conn, name: &str) -> Result<Option<User>, Error> {
    conn.query(concat!("SELECT ", user_columns!(), " FROM users u WHERE u.canonical_name = $1")).bind(name).fetch_optional().await
}

/// Whoever signs in with this: by sign-in name in any spelling, else by an e-mail address that they proved. However somebody
/// writes who they are, it is one person, and one count of their failures.
pub async fn find_by_login_name(conn: &mut Conn, typed: &str) -> Result<Option<User>, Error> {
    let Ok(name) = SignInName::parse(typed) else { return Ok(None) };
    conn.query(concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u WHERE u.canonical_name = $1 \
            OR u.id = (SELECT e.user_id FROM email_addresses e WHERE e.canonical = $1 AND e.verified_at IS NOT NULL) \
         ORDER BY CASE WHEN u.canonical_name = $1 THEN 0 ELSE 1 END LIMIT 1"
    ))
    .bind(name.canonical())
    .fetch_optional()
    .await
}

/// Makes transactions that give somebody a name or an address to sign in with follow one another, until this one ends: no
/// index could see that two of them clash.
pub(super) async fn lock_names(tx: &mut Tx) -> Result<(), Error> {
    instance::lock(tx, "names").await
}

/// Takes a sign-in name for somebody, and says what it looks like.
///
/// # Errors
/// [`Error::Conflict`]: it looks like somebody else's name, or is an address that somebody else proved.
async fn claim_name(tx: &mut Tx, id: &UserId, name: &SignInName) -> Result<String, Error> {
    lock_names(tx).await?;
    let skeleton = confusable::skeleton(name);
    let alike = tx
        .query("SELECT sign_in_name, canonical_name FROM users WHERE skeleton = $1 AND id <> $2")
        .bind(skeleton.as_str())
        .bind(id)
        .fetch_all::<(String, String)>()
        .await?;
    let clashes = |(text, canonical): (String, String)| confusable::may_clash(name, &SignInName::from_stored(text, canonical));
    let (proved_by_other,) = tx
        .query("SELECT EXISTS (SELECT 1 FROM email_addresses WHERE canonical = $1 AND verified_at IS NOT NULL AND user_id <> $2)")
        .bind(name.canonical())
        .bind(id)
        .fetch_one::<(bool,)>()
        .await?;
    if proved_by_other || alike.into_iter().any(clashes) { Err(Error::Conflict) } else { Ok(skeleton) }
}

/// Writes name, status, roles and `updated_at`; the version becomes the next one. `false`: the stored version isn't
/// `expected_version`, or there is no such user.
///
/// # Errors
/// [`Error::Conflict`]: the new sign-in name is taken, or looks like one that is.
pub async fn update(tx: &mut Tx, user: &User, expected_version: i64) -> Result<bool, Error> {
    check_roles(&user.roles)?;
    let is_new_name = by_id(tx, &user.id).await?.is_some_and(|stored| stored.sign_in_name.as_str() != user.sign_in_name.as_str());
    let skeleton = if is_new_name { Some(claim_name(tx, &user.id, &user.sign_in_name).await?) } else { None };
    let updated = tx
        .query(
            "UPDATE users SET sign_in_name = $2, canonical_name = $3, status = $4, roles = $5, updated_at = $6, \
             skeleton = coalesce($8, skeleton), version = version + 1 WHERE id = $1 AND version = $7",
        )
        .bind(&user.id)
        .bind(user.sign_in_name.as_str())
        .bind(user.sign_in_name.canonical())
        .bind(user.status)
        .bind(Json(user.roles.clone()))
        .bind(user.updated_at)
        .bind(expected_version)
        .bind(skeleton)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Sets a new password. The caller ends the sessions and the grants that the old one opened.
pub async fn set_password(tx: &mut Tx, id: &UserId, hash: &SecretString, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3, version = version + 1 \
             WHERE id = $1",
        )
        .bind(id)
        .bind(hash.expose_secret())
        .bind(now)
        .execute()
        .await?;
    // What was guessed at the old one says nothing about the new one.
    login_failures::clear(tx, id).await?;
    Ok(updated == 1)
}

/// Takes the password away: none is right from now on. `false`: there was none.
pub async fn remove_password(tx: &mut Tx, id: &UserId, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE users SET password_hash = NULL, password_changed_at = $2, updated_at = $2, version = version + 1 \
             WHERE id = $1 AND password_hash IS NOT NULL",
        )
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Whether the person is still active and has the same password as when `user` was read; it stays so until this transaction
/// ends. What a password opens is stored after this: a new password, or disabling, then either comes first and is seen here,
/// or comes later and ends what was opened.
pub async fn stands(tx: &mut Tx, user: &User) -> Result<bool, Error> {
    let found = tx
        .lock(locking!("SELECT id FROM users WHERE id = $1 AND status = $2 AND coalesce(password_hash, '') = $3"))
        .bind(&user.id)
        .bind(UserStatus::Active)
        .bind(user.password_hash.as_ref().map_or("", |hash| hash.expose_secret()))
        .fetch_optional::<(UserId,)>()
        .await?;
    Ok(found.is_some())
}

/// Replaces the hash by another one of the same password, unless the password was changed meanwhile.
pub async fn rehash(tx: &mut Tx, id: &UserId, old_hash: &SecretString, new_hash: &SecretString) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
        .bind(id)
        .bind(old_hash.expose_secret())
        .bind(new_hash.expose_secret())
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Writes down that a person is to be deleted. Whoever wants to stay logs in before that: see [`take_back_deletion`].
pub async fn schedule_deletion(tx: &mut Tx, id: &UserId, due_at: Timestamp) -> Result<bool, Error> {
    let updated = tx.query("UPDATE users SET deletion_due_at = $2 WHERE id = $1").bind(id).bind(due_at).execute().await?;
    Ok(updated == 1)
}

/// `false`: the person was not to be deleted.
pub async fn take_back_deletion(tx: &mut Tx, id: &UserId) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE users SET deletion_due_at = NULL WHERE id = $1 AND deletion_due_at IS NOT NULL")
        .bind(id)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// When the person is to be deleted.
pub async fn deletion_due_at(conn: &mut Conn, id: &UserId) -> Result<Option<Timestamp>, Error> {
    let found = conn.query("SELECT deletion_due_at FROM users WHERE id = $1").bind(id).fetch_optional::<(Option<Timestamp>,)>();
    Ok(found.await?.and_then(|(due_at,)| due_at))
}

/// The first `limit` people whose time has come, whoever is due the longest before all.
pub async fn due_for_deletion(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<User>, Error> {
    conn.query(concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u WHERE u.deletion_due_at <= $1 ORDER BY u.deletion_due_at, u.id LIMIT $2"
    ))
    .bind(now)
    .bind(limit)
    .fetch_all()
    .await
}

/// Deletes a person whose time has come, unless they came back meanwhile.
pub async fn delete_due(tx: &mut Tx, id: &UserId, now: Timestamp) -> Result<bool, Error> {
    let deleted = tx.query("DELETE FROM users WHERE id = $1 AND deletion_due_at <= $2").bind(id).bind(now).execute().await?;
    Ok(deleted == 1)
}

/// Deletes a person with everything that is theirs; the audit log stays.
pub async fn delete(tx: &mut Tx, id: &UserId) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM users WHERE id = $1").bind(id).execute().await? == 1)
}

/// Which people to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of the sign-in name, in any case.
    pub name_contains: Option<String>,
    pub status: Option<UserStatus>,
    pub role: Option<String>,
}

/// In the order of canonical names.
pub async fn list(conn: &mut Conn, filter: &UserFilter, page: &Page) -> Result<Listed<User>, Error> {
    let users = conn
        .query(concat!(
            "SELECT ",
            user_columns!(),
            r" FROM users u
            WHERE u.canonical_name > $1
                AND ($2 IS NULL OR u.canonical_name LIKE $2 ESCAPE '\')
                AND ($3 IS NULL OR u.status = $3)
                AND ($4 IS NULL OR replace(u.roles, $4, '') <> u.roles)
            ORDER BY u.canonical_name LIMIT $5"
        ))
        .bind(page.after())
        // Canonical names have no upper case.
        .bind(filter.name_contains.as_ref().map(|part| containing(&part.to_lowercase())))
        .bind(filter.status)
        .bind(filter.role.as_ref().map(|role| Json(role.clone())))
        .bind(page.rows())
        .fetch_all::<User>()
        .await?;
    Ok(Listed::cut(users, page, |user| user.sign_in_name.canonical().to_owned()))
}

/// How many people are registered.
pub async fn count(conn: &mut Conn) -> Result<i64, Error> {
    let (count,) = conn.query("SELECT COUNT(*) FROM users").fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Makes transactions that take roles away follow one another, until this one ends: each sees what the one before did.
pub async fn lock_administrators(tx: &mut Tx) -> Result<(), Error> {
    instance::lock(tx, "administrators").await
}

/// Whether an active person other than this one has the role, and means to stay.
pub async fn has_other_with_role(conn: &mut Conn, role: &str, user: &UserId) -> Result<bool, Error> {
    let (found,) = conn
        .query(
            "SELECT EXISTS (SELECT 1 FROM users WHERE status = $1 AND id <> $3 AND deletion_due_at IS NULL \
             AND replace(roles, $2, '') <> roles)",
        )
        .bind(UserStatus::Active)
        .bind(Json(role.to_owned()))
        .bind(user)
        .fetch_one::<(bool,)>()
        .await?;
    Ok(found)
}

/// Whether an active person has the role. The search ends at the first, who is usually among those who came first.
pub async fn has_with_role(conn: &mut Conn, role: &str) -> Result<bool, Error> {
    // Not LIKE: that would take Admin for admin on SQLite.
    let (found,) = conn
        .query("SELECT EXISTS (SELECT 1 FROM users WHERE status = $1 AND replace(roles, $2, '') <> roles)")
        .bind(UserStatus::Active)
        .bind(Json(role.to_owned()))
        .fetch_one::<(bool,)>()
        .await?;
    Ok(found)
}

/// A role is found by its JSON text in the list's, so it must not be able to hold another one's.
fn check_roles(roles: &[String]) -> Result<(), Error> {
    let sound = |role: &String| !role.is_empty() && !role.chars().any(|c| matches!(c, '"' | '\\') || c.is_control());
    if roles.iter().all(sound) { Ok(()) } else { Err(Error::other("a role holds a quote, a backslash or a control character")) }
}
