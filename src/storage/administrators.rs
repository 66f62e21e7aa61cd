//! Who administers, and who is the last who does.

use super::db::Tx;
use super::error::Error;
use super::users;
use crate::config::AdminConfig;
use crate::protocol::id::UserId;
use crate::protocol::scope::{self, Scope};

/// The scopes of the management API that these roles give.
pub fn scopes_of(roles: &[String], config: &AdminConfig) -> Scope {
    let given = roles.iter().filter_map(|role| config.roles.get(role));
    given.fold(Scope::default(), |sum, role| sum.union(role)).intersection(&scope::management())
}

/// Those of the scopes that no active person but `user` holds who means to stay. Who loses such a scope takes it from everybody:
/// as nobody grants more than they hold, nobody could give it back.
///
/// Waits for other transactions that ask the same, so that of two last administrators who remove each other one stays.
pub async fn last_holders(tx: &mut Tx, user: &UserId, scopes: &Scope, config: &AdminConfig) -> Result<Scope, Error> {
    let mut missing = scopes.clone();
    if missing.is_empty() {
        return Ok(missing);
    }
    users::lock_administrators(tx).await?;
    for (role, given) in &config.roles {
        if !given.intersection(&missing).is_empty() && users::has_other_with_role(tx, role, user).await? {
            missing = missing.difference(given);
        }
    }
    Ok(missing)
}
