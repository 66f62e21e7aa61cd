//! What was typed on the login page and was wrong, as far as it has to be remembered over a restart: how often in a row at an
//! account, and what was locked for it.
//!
//! A row's key is a keyed hash: names that nobody has are counted like those that somebody has.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::page::{Listed, Page};
use super::value::{Hash, words};
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};

/// What is counted, and may be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account, or a name that nobody has. Locked: the password opens nothing on devices that are not known.
    Account,
    /// A known device at an account. Locked: it is known no more.
    Device,
    /// An address. Locked: nobody logs in from there.
    Address,
}

words!(Kind { Account = "account", Device = "device", Address = "address", });

/// What an administrator decided about a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Released,
    Kept,
}

words!(Review { Released = "released", Kept = "kept", });

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFailures {
    pub key: [u8; 32],
    pub kind: Kind,
    /// Whose account; `None` where nobody has the name, and for addresses.
    pub user_id: Option<UserId>,
    /// For [`Kind::Address`]: an IPv4 address, or an IPv6 /64 or /48.
    pub address: Option<String>,
    /// Without a success between them.
    pub consecutive: i64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub locked_at: Option<Timestamp>,
    /// When the lock ends by itself.
    pub locked_until: Option<Timestamp>,
    pub review: Option<Review>,
    pub reviewed_by: Option<String>,
    pub reviewed_at: Option<Timestamp>,
}

impl LoginFailures {
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_at.is_some() && self.locked_until.is_none_or(|until| now < until)
    }
}

impl Record for LoginFailures {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            key: columns.read::<Hash>()?.0,
            kind: columns.read()?,
            user_id: columns.read()?,
            address: columns.read()?,
            consecutive: columns.read()?,
            first_at: columns.read()?,
            last_at: columns.read()?,
            locked_at: columns.read()?,
            locked_until: columns.read()?,
            review: columns.read()?,
            reviewed_by: columns.read()?,
            reviewed_at: columns.read()?,
        })
    }
}

macro_rules! columns {
    () => {
        "key, kind, user_id, address, consecutive, first_at, last_at, locked_at, locked_until, review, reviewed_by, reviewed_at"
    };
}

/// The rows of an attempt, in one query that takes as long whether there are any or not.
pub async fn load(conn: &mut Conn, keys: [&[u8; 32]; 4]) -> Result<Vec<LoginFailures>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM login_failures WHERE key IN ($1, $2, $3, $4)"))
        .bind(Hash(*keys[0]))
        .bind(Hash(*keys[1]))
        .bind(Hash(*keys[2]))
        .bind(Hash(*keys[3]))
        .fetch_all()
        .await
}

pub async fn by_key(conn: &mut Conn, key: &[u8; 32]) -> Result<Option<LoginFailures>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM login_failures WHERE key = $1")).bind(Hash(*key)).fetch_optional().await
}

/// Failures that came since the last ones were written.
#[derive(Clone, Debug)]
pub struct More {
    pub key: [u8; 32],
    pub kind: Kind,
    pub user_id: Option<UserId>,
    pub count: i64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Adds them, and says how the row stands.
pub async fn add(tx: &mut Tx, more: &More) -> Result<LoginFailures, Error> {
    tx.query(concat!(
        "INSERT INTO login_failures (key, kind, user_id, consecutive, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (key) DO UPDATE SET consecutive = login_failures.consecutive + excluded.consecutive, \
         last_at = excluded.last_at RETURNING ",
        columns!()
    ))
    .bind(Hash(more.key))
    .bind(more.kind)
    .bind(more.user_id.as_ref())
    .bind(more.count)
    .bind(more.first_at)
    .bind(more.last_at)
    .fetch_one()
    .await
}

/// Locks what is not locked yet: `true` for the one who did it.
pub async fn lock(tx: &mut Tx, key: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE login_failures SET locked_at = $2, locked_until = NULL, review = NULL, reviewed_by = NULL, reviewed_at = NULL \
             WHERE key = $1 AND locked_at IS NULL",
        )
        .bind(Hash(*key))
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Keeps an address out until then: `true` for the one who did it, `false` when it was out already.
pub async fn block(tx: &mut Tx, key: &[u8; 32], address: &str, now: Timestamp, until: Timestamp) -> Result<bool, Error> {
    let changed = tx
        .query(
            "INSERT INTO login_failures (key, kind, address, consecutive, first_at, last_at, locked_at, locked_until) \
             VALUES ($1, 'address', $2, 0, $3, $3, $3, $4) ON CONFLICT (key) DO UPDATE SET \
             locked_at = excluded.locked_at, locked_until = excluded.locked_until, last_at = excluded.last_at, \
             review = NULL, reviewed_by = NULL, reviewed_at = NULL \
             WHERE login_failures.locked_at IS NULL OR login_failures.locked_until <= excluded.locked_at",
        )
        .bind(Hash(*key))
        .bind(address)
        .bind(now)
        .bind(until)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Forgets the failures of one key after a success. A lock stays unless `locked_too`: who is told that they may come in
/// from anywhere has reset the password, or used a passkey.
pub async fn forget(tx: &mut Tx, key: &[u8; 32], locked_too: bool) -> Result<(), Error> {
    tx.query("DELETE FROM login_failures WHERE key = $1 AND (locked_at IS NULL OR $2)")
        .bind(Hash(*key))
        .bind(locked_too)
        .execute()
        .await?;
    Ok(())
}

/// Forgets everything that failed at an account, and unlocks it: for a reset of the password, or a login with a passkey.
/// Whether anything was locked.
pub async fn clear(tx: &mut Tx, user_id: &UserId) -> Result<bool, Error> {
    let (locked,) = tx
        .query("SELECT EXISTS (SELECT 1 FROM login_failures WHERE user_id = $1 AND kind = 'account' AND locked_at IS NOT NULL)")
        .bind(user_id)
        .fetch_one::<(bool,)>()
        .await?;
    tx.query("DELETE FROM login_failures WHERE user_id = $1").bind(user_id).execute().await?;
    Ok(locked)
}

/// Which locks to list.
#[derive(Clone, Debug)]
pub struct LockoutFilter {
    pub now: Timestamp,
    pub kind: Option<Kind>,
    pub user_id: Option<UserId>,
    /// Only those that nobody has looked at yet.
    pub unreviewed: bool,
}

/// Accounts and addresses that are locked, in the order of their keys.
pub async fn list(conn: &mut Conn, filter: &LockoutFilter, page: &Page) -> Result<Listed<LoginFailures>, Error> {
    let rows = conn
        .query(concat!(
            "SELECT ",
            columns!(),
            " FROM login_failures WHERE key > $1 AND (kind = 'address' OR (kind = 'account' AND user_id IS NOT NULL)) AND locked_at IS NOT NULL \
             AND (locked_until IS NULL OR locked_until > $2) AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
             AND (CAST($4 AS TEXT) IS NULL OR user_id = $4) AND (review IS NULL OR NOT $5) ORDER BY key LIMIT $6"
        ))
        .bind(after(page))
        .bind(filter.now)
        .bind(filter.kind)
        .bind(filter.user_id.as_ref())
        .bind(filter.unreviewed)
        .bind(page.rows())
        .fetch_all()
        .await?;
    Ok(Listed::cut(rows, page, |row: &LoginFailures| hex(&row.key)))
}

/// What a row is called outside: its key, in hexadecimal.
pub fn hex(key: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(key)
}

/// The key of a row that [`hex`] named.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Below every key where the page begins anew, or with something that is no key.
fn after(page: &Page) -> Vec<u8> {
    from_hex(page.after()).map(Vec::from).unwrap_or_default()
}

/// Writes down what an administrator decided: a released row counts from nothing. `false`: it is not locked.
pub async fn review(tx: &mut Tx, key: &[u8; 32], review: Review, by: Option<&str>, now: Timestamp) -> Result<bool, Error> {
    let sql = match review {
        Review::Kept => {
            "UPDATE login_failures SET review = $2, reviewed_by = $3, reviewed_at = $4 \
             WHERE key = $1 AND locked_at IS NOT NULL AND (locked_until IS NULL OR locked_until > $4)"
        }
        Review::Released => {
            "UPDATE login_failures SET review = $2, reviewed_by = $3, reviewed_at = $4, consecutive = 0, locked_at = NULL, \
             locked_until = NULL WHERE key = $1 AND locked_at IS NOT NULL AND (locked_until IS NULL OR locked_until > $4)"
        }
    };
    Ok(tx.query(sql).bind(Hash(*key)).bind(review).bind(by).bind(now).execute().await? == 1)
}

/// Deletes up to `limit` rows that say nothing any more: names that nobody has after a day, blocks that ended, devices after
/// `devices`, and what is left of people who are gone.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp, devices: Seconds, limit: i64) -> Result<u64, Error> {
    tx.query(
        "DELETE FROM login_failures WHERE key IN (SELECT key FROM login_failures WHERE \
         (kind = 'account' AND user_id IS NULL AND last_at <= $1) OR (kind = 'address' AND (locked_until IS NULL OR locked_until <= $2)) \
         OR (kind = 'device' AND last_at <= $3) \
         OR (user_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = login_failures.user_id)) LIMIT $4)",
    )
    .unprepared()
    .bind(now - Seconds::days(1))
    .bind(now)
    .bind(now - devices)
    .bind(limit)
    .execute()
    .await
}
