//! Who is there in the throw-away database: two people and three clients, with new secrets at each start.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::relying_party::Registration;
use crate::authn::password::Password;
use crate::cli::failure::{Exit, Failure};
use crate::keys::hash::TokenKind;
use crate::protocol::claims::Profile;
use crate::protocol::client::{Client, ClientSecret, ClientStatus};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::sign_in_name::SignInName;
use crate::protocol::time::Timestamp;
use crate::random;
use crate::state::AppState;
use crate::storage::db::Tx;
use crate::storage::users::{User, UserStatus};
use crate::storage::{clients, profiles, users};

/// Administers, and has a full profile.
pub const ALICE: &str = "alice";
/// Has no role and no profile: an id, a sign-in name and a password are all a person needs.
pub const BOB: &str = "bob";

/// Where the demonstration takes the answers of both clients.
pub const CALLBACK_PATH: &str = "/callback";

const PERSON_SCOPE: &str = "openid profile email address phone offline_access";
/// Of the management API.
const SERVICE_SCOPE: &str = "users:read clients:read";

/// Somebody who can log in.
pub struct Person {
    pub name: &'static str,
    pub password: SecretString,
    pub roles: &'static [&'static str],
    pub profile: Option<Value>,
}

/// Everybody.
pub struct Cast {
    pub people: [Person; 2],
    /// Confidential: a web application with a server.
    pub web: Registration,
    /// Public: an app that can keep no secret.
    pub spa: Registration,
    /// Speaks for itself and not for a person.
    pub service: Registration,
}

impl Cast {
    /// Draws the passwords and secrets. No two starts have the same ones.
    pub fn new() -> Self {
        let secret = || Some(SecretString::from(random::secret()));
        Self {
            people: [
                Person { name: ALICE, password: readable_password(), roles: &["admin"], profile: Some(alices_profile()) },
                Person { name: BOB, password: readable_password(), roles: &[], profile: None },
            ],
            web: Registration { client_id: "demo-web", secret: secret(), scope: PERSON_SCOPE },
            spa: Registration { client_id: "demo-spa", secret: None, scope: PERSON_SCOPE },
            service: Registration { client_id: "demo-service", secret: secret(), scope: SERVICE_SCOPE },
        }
    }

    /// Writes everybody into the database of `state`. `origin` is that of the demonstration.
    pub async fn enter(&self, state: &AppState, origin: &str) -> Result<(), Failure> {
        let now = state.clock.now();
        for person in &self.people {
            enter_person(state, person, now).await?;
        }
        for (registration, metadata) in [
            (&self.web, app_metadata("Demonstration", "client_secret_basic", origin)),
            (&self.spa, app_metadata("Demonstration (public client)", "none", origin)),
            (&self.service, service_metadata(&state.api_audience())),
        ] {
            enter_client(state, registration, metadata, now).await?;
        }
        Ok(())
    }
}

/// An application that people log in to. Everything else has its default.
fn app_metadata(name: &str, auth_method: &str, origin: &str) -> Value {
    json!({
        "client_name": name,
        "token_endpoint_auth_method": auth_method,
        "redirect_uris": [format!("{origin}{CALLBACK_PATH}")],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": PERSON_SCOPE,
    })
}

/// A program that calls the management API.
fn service_metadata(audience: &str) -> Value {
    json!({
        "client_name": "Demonstration service",
        "grant_types": ["client_credentials"],
        "scope": SERVICE_SCOPE,
        "audiences": [audience],
    })
}

fn alices_profile() -> Value {
    json!({
        "name": "Alice Example",
        "given_name": "Alice",
        "family_name": "Example",
        "nickname": "Al",
        "preferred_username": ALICE,
        "profile": "https://alice.example/about",
        "picture": "https://alice.example/alice.png",
        "website": "https://alice.example/",
        "email": "alice@alice.example",
        "email_verified": true,
        "gender": "female",
        "birthdate": "1990-04-01",
        "zoneinfo": "Europe/Paris",
        "locale": "en-GB",
        "phone_number": "+33142685300",
        "phone_number_verified": false,
        "address": {
            "formatted": "1 Rue de l'Exemple\n75001 Paris\nFrance",
            "street_address": "1 Rue de l'Exemple",
            "locality": "Paris",
            "postal_code": "75001",
            "country": "France",
        },
    })
}

async fn enter_person(state: &AppState, person: &Person, now: Timestamp) -> Result<(), Failure> {
    let password = Password::parse(person.password.expose_secret()).map_err(failed)?;
    let user = User {
        id: UserId::parse(random::uuid()).map_err(failed)?,
        sign_in_name: SignInName::parse(person.name).map_err(failed)?,
        password_hash: Some(state.passwords.hash(&password).await.map_err(failed)?),
        password_changed_at: Some(now),
        status: UserStatus::Active,
        roles: person.roles.iter().map(|role| (*role).to_owned()).collect(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let profile: Option<Profile> = person.profile.clone().map(serde_json::from_value).transpose().map_err(failed)?;
    let write = async |tx: &mut Tx| {
        users::insert(tx, &user).await?;
        if let Some(profile) = &profile {
            profiles::save(tx, &user.id, profile, now).await?;
        }
        Ok(())
    };
    state.db.write(write).await.map_err(failed)
}

async fn enter_client(state: &AppState, registration: &Registration, metadata: Value, now: Timestamp) -> Result<(), Failure> {
    let secret = registration.secret.as_ref().map(|secret| ClientSecret {
        id: random::identifier(),
        hash: state.tokens.hash(TokenKind::ClientSecret, secret.expose_secret()),
        sealed: None,
        created_at: now,
        expires_at: None,
    });
    let client = Client {
        id: ClientId::parse(registration.client_id).map_err(failed)?,
        status: ClientStatus::Active,
        metadata: serde_json::from_value(metadata).map_err(failed)?,
        secrets: secret.into_iter().collect(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    state.db.write(async |tx| clients::insert(tx, &client).await).await.map_err(failed)
}

/// Sixteen letters and digits that are not taken for one another, in groups of four: 79 bits, and no trouble to type.
fn readable_password() -> SecretString {
    const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut password = String::new();
    while password.len() < 19 {
        if password.len() % 5 == 4 {
            password.push('-');
        }
        let [byte] = random::bytes();
        // Bytes beyond the last whole multiple are drawn again, so that each letter is as likely as the others.
        if let Some(letter) = (byte < 248).then(|| LETTERS[usize::from(byte) % LETTERS.len()]) {
            password.push(char::from(letter));
        }
    }
    password.into()
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn failed(error: impl ToString) -> Failure {
    Failure::new(Exit::Failed, format!("the throw-away database can't be filled: {}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passwords_can_be_typed_and_differ_at_each_start() {
        let (first, second) = (Cast::new(), Cast::new());
        let people = first.people.iter().chain(&second.people);
        let passwords: BTreeSet<_> = people.map(|person| person.password.expose_secret()).collect();
        assert_eq!(passwords.len(), 4);
        for password in passwords {
            let groups: Vec<_> = password.split('-').map(str::len).collect();
            assert_eq!(groups, [4, 4, 4, 4]);
        }
    }

    #[test]
    fn the_profile_is_one_that_the_registry_takes() {
        let profile: Profile = serde_json::from_value(alices_profile()).expect("a profile");
        assert_eq!(profile.email_verified, Some(true));
    }
}
