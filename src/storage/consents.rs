//! What each person allowed each client.

use std::collections::BTreeSet;

use super::db::{Columns, Conn, Record, Tx, locking, sharing};
use super::error::Error;
use super::value::Json;
use crate::protocol::authorize::ConsentedScope;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// What a person allowed a client, all occasions taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub user_id: UserId,
    pub client_id: ClientId,
    pub scope: Scope,
    /// Names of claims beyond the scope, asked for by the `claims` parameter.
    pub claims: BTreeSet<String>,
    /// What was agreed to together, the latest last: who lets an application read at one API and write at another did not let it
    /// write at the first.
    pub agreements: Vec<ConsentedScope>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

macro_rules! consent_columns {
    () => {
        "user_id, client_id, scope, claims, agreements, created_at, updated_at"
    };
}
pub(super) use consent_columns;

impl Record for Consent {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        let user_id = columns.read()?;
        Self::of(user_id, columns)
    }
}

/// Of a LEFT JOIN.
impl Record for Option<Consent> {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        columns.read::<Option<UserId>>()?.map(|user_id| Consent::of(user_id, columns)).transpose()
    }
}

/// How many agreements with different APIs are remembered: for more, the person is asked again.
const MOST_AGREEMENTS: usize = 32;

impl Consent {
    /// The row whose first column was read.
    fn of(user_id: UserId, columns: &mut Columns<'_>) -> Result<Self, Error> {
        let mut consent = Self {
            user_id,
            client_id: columns.read()?,
            scope: columns.read()?,
            claims: columns.read::<Json<_>>()?.0,
            agreements: columns.read::<Json<_>>()?.0,
            created_at: columns.read()?,
            updated_at: columns.read()?,
        };
        if consent.agreements.is_empty() {
            let (scope, claims) = (consent.scope.clone(), consent.claims.clone());
            consent.agreements.push(ConsentedScope { scope, claims, reach: Reach::default() });
        }
        Ok(consent)
    }

    /// All resources that an agreement names.
    pub fn resources(&self) -> BTreeSet<String> {
        self.agreements.iter().flat_map(|agreement| &agreement.reach.resources).cloned().collect()
    }

    fn agree(&mut self, other: &Self) {
        self.scope = self.scope.union(&other.scope);
        self.claims.extend(other.claims.iter().cloned());
        for new in other.agreements.iter().map(ConsentedScope::remembered) {
            match self.agreements.iter_mut().find(|known| known.reach == new.reach) {
                Some(known) => {
                    known.scope = known.scope.union(&new.scope);
                    known.claims.extend(new.claims);
                }
                None => self.agreements.push(new),
            }
        }
        let surplus = self.agreements.len().saturating_sub(MOST_AGREEMENTS);
        self.agreements.drain(..surplus);
    }
}

pub async fn load(conn: &mut Conn, user: &UserId, client: &ClientId) -> Result<Option<Consent>, Error> {
    conn.query(concat!("SELECT ", consent_columns!(), " FROM consents WHERE user_id = $1 AND client_id = $2"))
        .bind(user)
        .bind(client)
        .fetch_optional()
        .await
}

/// Adds what was agreed to now to what was allowed before.
pub async fn save(tx: &mut Tx, consent: &Consent) -> Result<(), Error> {
    // The update of a row that is there locks it on PostgreSQL: of two unions at once none is lost.
    let stored = tx
        .query(concat!(
            "INSERT INTO consents (user_id, client_id, scope, claims, agreements, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, client_id) DO UPDATE SET updated_at = excluded.updated_at RETURNING ",
            consent_columns!()
        ))
        .bind(&consent.user_id)
        .bind(&consent.client_id)
        .bind(consent.scope.clone())
        .bind(Json(consent.claims.clone()))
        .bind(Json(consent.agreements.iter().map(ConsentedScope::remembered).collect::<Vec<_>>()))
        .bind(consent.created_at)
        .bind(consent.updated_at)
        .fetch_one::<Consent>()
        .await?;
    let mut whole = stored.clone();
    whole.agree(consent);
    if whole != stored {
        tx.query("UPDATE consents SET scope = $3, claims = $4, agreements = $5 WHERE user_id = $1 AND client_id = $2")
            .bind(&consent.user_id)
            .bind(&consent.client_id)
            .bind(whole.scope)
            .bind(Json(whole.claims))
            .bind(Json(whole.agreements))
            .execute()
            .await?;
    }
    Ok(())
}

/// What is allowed at this moment; it stays so until this transaction ends. What rests on it is stored after this: taking
/// it back then either comes first and is seen here, or comes later and ends what was given. Nobody else holds it meanwhile, so that it
/// may be [written anew](write_anew).
pub async fn load_for_use(tx: &mut Tx, user: &UserId, client: &ClientId) -> Result<Option<Consent>, Error> {
    tx.lock(locking!("SELECT ", consent_columns!(), " FROM consents WHERE user_id = $1 AND client_id = $2"))
        .bind(user)
        .bind(client)
        .fetch_optional()
        .await
}

/// The same of a consent that was looked at before: the transaction is undone if these are not the agreements any more
/// ([`Tx::require`]).
pub async fn must_stand(tx: &mut Tx, user: &UserId, client: &ClientId, agreements: &[ConsentedScope]) -> Result<(), Error> {
    tx.require(sharing!("SELECT client_id FROM consents WHERE user_id = $1 AND client_id = $2 AND agreements = $3"))
        .bind(user)
        .bind(client)
        .bind(Json(agreements.to_vec()))
        .run()
        .await
}

/// Writes the agreements down as this version does, if an older one wrote the same otherwise: [`must_stand`] compares the text.
pub async fn write_anew(tx: &mut Tx, consent: &Consent) -> Result<(), Error> {
    tx.query("UPDATE consents SET agreements = $3 WHERE user_id = $1 AND client_id = $2 AND agreements <> $3")
        .bind(&consent.user_id)
        .bind(&consent.client_id)
        .bind(Json(consent.agreements.clone()))
        .execute()
        .await
        .map(drop)
}

/// Takes a consent back. The caller revokes the grants that rest on it, after this ([`load_for_use`]).
pub async fn delete(tx: &mut Tx, user: &UserId, client: &ClientId) -> Result<bool, Error> {
    let deleted =
        tx.query("DELETE FROM consents WHERE user_id = $1 AND client_id = $2").bind(user).bind(client).execute().await?;
    Ok(deleted == 1)
}

/// Everything a person allowed, in the order of client identifiers.
pub async fn list_for_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Consent>, Error> {
    conn.query(concat!("SELECT ", consent_columns!(), " FROM consents WHERE user_id = $1 ORDER BY client_id"))
        .bind(user)
        .fetch_all()
        .await
}
