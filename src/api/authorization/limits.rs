//! Nobody grants more than they hold: who may touch whom, and what may be given.

use super::Caller;
use crate::api::error::ApiError;
use crate::config::AdminConfig;
use crate::protocol::client::ClientMetadata;
use crate::protocol::scope::{self, Scope};
pub use crate::storage::administrators::{last_holders, scopes_of};

/// What setting `first_party` needs: such a client acts for people without asking them, so whoever makes one must be allowed
/// to act on people's accounts.
const FIRST_PARTY: &str = "users:write";

/// What a client can do through the API without asking anybody, or by the consent of one person who may.
fn power_of(metadata: &ClientMetadata) -> Scope {
    let management = metadata.scope.intersection(&scope::management());
    let first_party = scope::management().filter(|value| metadata.first_party && value == FIRST_PARTY);
    management.union(&first_party)
}

impl Caller {
    /// Whether the caller may change, delete or log out a person with these roles, or give somebody these roles.
    pub fn reaches(&self, roles: &[String], config: &AdminConfig) -> Result<(), ApiError> {
        self.covers(&scopes_of(roles, config))
    }

    /// Whether the caller may register a client with this metadata, or touch one that has it: who can reset its secret, or
    /// point it somewhere else, can do whatever the client can.
    pub fn reaches_client(&self, metadata: &ClientMetadata) -> Result<(), ApiError> {
        self.covers(&power_of(metadata))
    }

    fn covers(&self, scope: &Scope) -> Result<(), ApiError> {
        if scope.is_subset(&self.holds) { Ok(()) } else { Err(ApiError::exceeds_caller()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::authorization::Identity;
    use crate::protocol::id::ClientId;
    use std::collections::BTreeMap;

    fn config() -> AdminConfig {
        let role = |scope: &str| Scope::parse(scope).unwrap();
        AdminConfig {
            roles: BTreeMap::from([
                ("admin".to_owned(), scope::management()),
                ("helpdesk".to_owned(), role("users:read users:write")),
                ("registrar".to_owned(), role("clients:read clients:write photos:write")),
            ]),
        }
    }

    fn caller(holds: &str) -> Caller {
        Caller { identity: Identity::Service(ClientId::parse("service").unwrap()), holds: Scope::parse(holds).unwrap() }
    }

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn roles_give_what_is_configured_for_them_and_other_roles_give_nothing() {
        assert_eq!(
            scopes_of(&roles(&["helpdesk", "registrar"]), &config()).to_string(),
            "clients:read clients:write users:read users:write"
        );
        assert!(scopes_of(&roles(&["accountant"]), &config()).is_empty());
        assert!(!scopes_of(&roles(&["registrar"]), &config()).contains("photos:write"), "not a scope of this API");
    }

    #[test]
    fn a_role_is_given_and_touched_only_by_who_holds_all_of_it() {
        let helpdesk = caller("users:read users:write");
        assert!(helpdesk.reaches(&roles(&["helpdesk", "accountant"]), &config()).is_ok());
        assert!(helpdesk.reaches(&roles(&["admin"]), &config()).is_err());
        assert!(helpdesk.reaches(&roles(&["helpdesk", "registrar"]), &config()).is_err());
        assert!(caller(&scope::management().to_string()).reaches(&roles(&["admin"]), &config()).is_ok());
    }

    #[test]
    fn a_client_has_no_more_power_than_who_registers_it() {
        let metadata = |scope: &str, first_party: bool| {
            let mut metadata: ClientMetadata = serde_json::from_value(serde_json::json!({"client_name": "app"})).unwrap();
            metadata.scope = Scope::parse(scope).unwrap();
            metadata.first_party = first_party;
            metadata
        };
        let registrar = caller("clients:read clients:write");
        assert!(registrar.reaches_client(&metadata("openid profile account:write", false)).is_ok());
        assert!(registrar.reaches_client(&metadata("openid clients:read", false)).is_ok());
        assert!(registrar.reaches_client(&metadata("openid users:read", false)).is_err());
        assert!(registrar.reaches_client(&metadata("openid", true)).is_err());
        assert!(caller("clients:write users:write").reaches_client(&metadata("openid", true)).is_ok());
    }
}
