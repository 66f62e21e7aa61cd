//! What `ostiary dev` prints when it is ready: addresses, people, clients.

use secrecy::ExposeSecret;
use serde::Serialize;

use super::cast::{Cast, Person};
use super::relying_party::Registration;
use crate::cli::output::table;

/// Everything that one needs to begin. Its secrets are for this start only, and are printed on purpose.
#[derive(Serialize)]
pub struct Summary<'a> {
    demonstration: &'a str,
    issuer: &'a str,
    discovery: String,
    account: String,
    administration: String,
    people: Vec<PersonLine<'a>>,
    clients: Vec<ClientLine<'a>>,
}

#[derive(Serialize)]
struct PersonLine<'a> {
    sign_in_name: &'a str,
    password: &'a str,
    roles: &'a [&'a str],
    has_profile: bool,
}

#[derive(Serialize)]
struct ClientLine<'a> {
    client_id: &'a str,
    client_secret: Option<&'a str>,
    #[serde(skip)]
    about: &'static str,
    scope: &'a str,
}

impl<'a> Summary<'a> {
    pub fn new(demonstration: &'a str, issuer: &'a str, cast: &'a Cast) -> Self {
        let clients = [
            (&cast.web, "confidential: a web application"),
            (&cast.spa, "public: no secret, PKCE alone"),
            (&cast.service, "service: client credentials"),
        ];
        Self {
            demonstration,
            issuer,
            discovery: format!("{issuer}/.well-known/openid-configuration"),
            account: format!("{issuer}/account"),
            administration: format!("{issuer}/admin"),
            people: cast.people.iter().map(PersonLine::new).collect(),
            clients: clients.map(|(client, about)| ClientLine::new(client, about)).into(),
        }
    }

    pub fn text(&self) -> String {
        let people = self.people.iter().map(|person| {
            let roles = if person.roles.is_empty() { "-".to_owned() } else { person.roles.join(" ") };
            let profile = if person.has_profile { "full" } else { "none" };
            [String::new(), person.sign_in_name.to_owned(), person.password.to_owned(), roles, profile.to_owned()]
        });
        let clients = self.clients.iter().map(|client| {
            let secret = client.client_secret.unwrap_or("-").to_owned();
            [String::new(), client.client_id.to_owned(), secret, client.about.to_owned()]
        });
        let rows = [
            ("Begin here", self.demonstration),
            ("Provider (issuer)", self.issuer),
            ("Discovery", &self.discovery),
            ("Account", &self.account),
            ("Administration", &self.administration),
        ];
        let addresses: Vec<_> = rows.iter().map(|(name, url)| format!("  {name:18} {url}")).collect();
        format!(
            "Ostiary to try out. All of it is in a temporary folder, and is gone when it stops.\n\n\
             {}\n\nPeople\n{}\n\nClients\n{}\n\n\
             A token for the service, and a call with it\n  {}\n  {}\n\n\
             Mails are printed here. Stop with Ctrl+C.",
            addresses.join("\n"),
            table(["", "sign-in name", "password", "roles", "profile"], &people.collect::<Vec<_>>()),
            table(["", "client_id", "client_secret", ""], &clients.collect::<Vec<_>>()),
            self.token_command(),
            self.api_command(),
        )
    }

    fn token_command(&self) -> String {
        let service = self.clients.last();
        let credentials = service.map(|service| format!("{}:{}", service.client_id, service.client_secret.unwrap_or_default()));
        format!("curl -u {} -d grant_type=client_credentials {}/token", credentials.unwrap_or_default(), self.issuer)
    }

    fn api_command(&self) -> String {
        format!("curl -H \"Authorization: Bearer ACCESS_TOKEN\" {}/api/v1/admin/users", self.issuer)
    }
}

impl<'a> PersonLine<'a> {
    fn new(person: &'a Person) -> Self {
        let password = person.password.expose_secret();
        Self { sign_in_name: person.name, password, roles: person.roles, has_profile: person.profile.is_some() }
    }
}

impl<'a> ClientLine<'a> {
    fn new(client: &'a Registration, about: &'static str) -> Self {
        let client_secret = client.secret.as_ref().map(ExposeSecret::expose_secret);
        Self { client_id: client.client_id, client_secret, about, scope: client.scope }
    }
}
