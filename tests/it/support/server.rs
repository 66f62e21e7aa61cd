//! The real router, driven in-process, on a database of its own, with a clock that the test moves.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use ostiary::clock::Clock;
use ostiary::config::{Config, MailTransport};
use ostiary::jobs::key_rotation::by_the_server;
use ostiary::keys::ring::KeyRing;
use ostiary::keys::root::Root;
use ostiary::outbound::mail::Mail;
use ostiary::protocol::client::{Client, ClientMetadata, ClientStatus};
use ostiary::protocol::id::{ClientId, UserId};
use ostiary::protocol::profile::Profile;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::state::{AppState, Parts};
use ostiary::storage::db::Db;
use ostiary::storage::users::{User, UserStatus};
use ostiary::storage::{clients, outbox, profiles, users};
use ostiary::web::shell::Shell;
use ostiary::{app, audit, explain, random};
use serde_json::{Value, json};
use tower::Service;

use super::browser::{Answer, Browser, read};
use super::database::TestDatabase;
use super::keys::key_ring;

/// When every test begins.
pub const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The password of every test person.
pub const PASSWORD: &str = "correct horse battery staple";

/// A server of a test's own.
#[derive(Clone)]
pub struct TestServer {
    pub state: AppState,
    pub clock: Clock,
    pub shell: Shell,
    database: Arc<TestDatabase>,
}

impl std::fmt::Debug for TestServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TestServer")
    }
}

impl TestServer {
    pub async fn start(database: TestDatabase) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// With the configuration that `change` makes of the default one. Hashing is made cheap first.
    pub async fn start_with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.issuer = "https://id.example".to_owned();
        config.password.memory_kib = 64;
        config.password.iterations = 1;
        config.mail.transport = MailTransport::Log;
        // A test hammers from one address; those about limits turn them on.
        config.limits.enabled = false;
        change(&mut config);
        let clock = Clock::fixed(START);
        let (refusals, worker) = audit::queue();
        tokio::spawn(worker.run(database.db.clone(), clock.clone(), std::future::pending()));
        let (explanations, worker) = explain::queue(&config.explain);
        tokio::spawn(worker.run(database.db.clone(), clock.clone(), std::future::pending()));
        let root = Root::from_bytes([7; 32]);
        let keys = key_ring(&database, &root, &config).await;
        let parts = Parts { config, clock: clock.clone(), db: database.db.clone(), root, keys, refusals, explanations };
        let state = AppState::new(parts).expect("a state");
        Self { shell: app::shell(&state), state, clock, database: Arc::new(database) }
    }

    /// The same installation, started anew: what was in memory is gone.
    pub async fn restarted(&self) -> Self {
        self.restarted_with(|_| {}).await
    }

    /// Another node of the same installation, with connections of its own.
    pub async fn another_node(&self) -> Self {
        self.started_on(self.database.another_node().await, |_| {}).await
    }

    /// With another configuration.
    pub async fn restarted_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        self.started_on(self.state.db.clone(), change).await
    }

    /// The same installation, whose keys are opened anew with this root.
    pub async fn reopened(&self, root: Root) -> Self {
        let (config, event) = (&self.state.config, by_the_server(self.clock.now()));
        let keys = KeyRing::open(&self.state.db, &root, &config.keys, &config.tokens, &event).await.expect("keys");
        self.started_with(self.state.db.clone(), root, keys, |_| {}).await
    }

    async fn started_on(&self, db: Db, change: impl FnOnce(&mut Config)) -> Self {
        self.started_with(db, Root::from_bytes([7; 32]), self.state.keys.clone(), change).await
    }

    async fn started_with(&self, db: Db, root: Root, keys: Arc<KeyRing>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.state.config.clone();
        change(&mut config);
        self.state.guard.write_failures().await.expect("written");
        let (refusals, worker) = audit::queue();
        tokio::spawn(worker.run(db.clone(), self.clock.clone(), std::future::pending()));
        let (explanations, worker) = explain::queue(&self.state.config.explain);
        tokio::spawn(worker.run(db.clone(), self.clock.clone(), std::future::pending()));
        let parts = Parts { config, clock: self.clock.clone(), db, root, keys, refusals, explanations };
        let state = AppState::new(parts).expect("a state");
        Self { shell: app::shell(&state), state, clock: self.clock.clone(), database: self.database.clone() }
    }

    pub fn issuer(&self) -> &str {
        &self.state.config.server.issuer
    }

    pub fn origin(&self) -> &str {
        &self.state.origin
    }

    /// What of a URL goes into the request line.
    pub fn path_of(&self, url: &str) -> String {
        url.strip_prefix(self.origin()).unwrap_or(url).to_owned()
    }

    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        request.headers_mut().entry(header::HOST).or_insert(header::HeaderValue::from_static("id.example"));
        let url = request.uri().to_string();
        let response = self.shell.clone().call(request).await.unwrap_or_else(|never| match never {});
        read(url, response).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form post with these header fields.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A form post by a client that authenticates as it is registered.
    pub async fn post_as(&self, client: &TestClient, path: &str, fields: &[(&str, &str)]) -> Answer {
        if let Some(secret) = &client.secret {
            return self.post_with(path, &[("authorization", &basic(client.id(), secret))], fields).await;
        }
        let id = [("client_id", client.id())];
        self.post_with(path, &[], &[&id, fields].concat()).await
    }

    pub async fn token(&self, client: &TestClient, fields: &[(&str, &str)]) -> Answer {
        self.post_as(client, "/token", fields).await
    }

    pub async fn introspect(&self, client: &TestClient, token: &str) -> Value {
        self.post_as(client, "/introspect", &[("token", token)]).await.json()
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self)
    }

    /// A person with [`PASSWORD`].
    pub async fn person(&self, name: &str) -> User {
        self.person_with(name, &[], None).await
    }

    pub async fn person_with(&self, name: &str, roles: &[&str], profile: Option<Value>) -> User {
        let sign_in_name = SignInName::parse(name).expect("a sign-in name");
        let password = ostiary::authn::password::Password::parse(PASSWORD).expect("a password");
        let user = User {
            id: UserId::parse(random::uuid()).expect("an id"),
            sign_in_name,
            password_hash: Some(self.state.passwords.hash(&password).await.expect("a hash")),
            password_changed_at: Some(START),
            status: UserStatus::Active,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            created_at: START,
            updated_at: START,
            version: 1,
        };
        let profile: Option<Profile> = profile.map(|profile| serde_json::from_value(profile).expect("a profile"));
        self.state
            .db
            .write(async |tx| {
                users::insert(tx, &user).await?;
                if let Some(profile) = &profile {
                    profiles::save(tx, &user.id, profile, START).await?;
                }
                Ok(())
            })
            .await
            .expect("stored");
        user
    }

    /// Disables a person as an administrator would, with all that follows from it.
    pub async fn disable(&self, user: &User) {
        let changed = User { status: UserStatus::Disabled, ..user.clone() };
        let updated = self.state.db.write(async |tx| users::update(tx, &changed, user.version).await).await;
        assert!(updated.expect("stored"));
    }

    /// A client with the metadata of `persona`, changed by `change`.
    pub async fn client(&self, persona: Persona, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
        let mut metadata = persona.metadata();
        change(&mut metadata);
        let mut client = Client {
            id: ClientId::parse(format!("{}-{}", persona.name(), random::identifier())).expect("an id"),
            status: ClientStatus::Active,
            secrets: Vec::new(),
            metadata,
            created_at: START,
            updated_at: START,
            version: 1,
        };
        let secret = client.has_secret().then(random::secret);
        let stored = |secret: &String| self.state.client_secrets.stored(&client, random::uuid(), secret, START);
        client.secrets = secret.iter().map(stored).collect();
        self.state.db.write(async |tx| clients::insert(tx, &client).await).await.expect("stored");
        TestClient { client, secret }
    }

    /// Stores a changed registration.
    pub async fn update_client(&self, client: &TestClient, change: impl FnOnce(&mut Client)) {
        let mut changed = {
            let mut conn = self.state.db.read().await.expect("a connection");
            clients::load(&mut conn, &client.client.id).await.expect("readable").expect("there")
        };
        let version = changed.version;
        change(&mut changed);
        assert!(self.state.db.write(async |tx| clients::update(tx, &changed, version).await).await.expect("stored"));
    }

    /// Where its database is, for another program.
    pub fn target(&self) -> &ostiary::storage::db::DatabaseTarget {
        &self.database.target
    }

    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Every explanation that is kept, as it is stored.
    pub async fn explanations(&self) -> Vec<String> {
        self.state.explanations.flush().await;
        let mut conn = self.state.db.read().await.expect("a connection");
        let rows = conn.query("SELECT decision FROM explanations").fetch_all::<(String,)>().await.expect("rows");
        rows.into_iter().map(|(decision,)| decision).collect()
    }

    /// Everything in the audit log, oldest first, the queued refusals too.
    pub async fn audit(&self) -> Vec<ostiary::storage::audit::Entry> {
        self.state.refusals.flush().await;
        let mut conn = self.state.db.read().await.expect("a connection");
        let filter = ostiary::storage::audit::AuditFilter::default();
        let page = ostiary::storage::page::Page::first(1_000);
        let mut entries = ostiary::storage::audit::list(&mut conn, &filter, &page).await.expect("readable").items;
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        entries
    }

    /// Like [`Self::every_mail`], without the notices of logins from browsers that were not seen before: every browser of a test is
    /// new.
    pub async fn mails(&self) -> Vec<Mail> {
        let mails = self.every_mail().await.into_iter();
        mails.filter(|mail| mail.message.kind() != "new_device").collect()
    }

    /// The mails that wait to be sent, oldest first; they are taken out of the outbox. Nobody sends any by itself here.
    pub async fn every_mail(&self) -> Vec<Mail> {
        let due = {
            let mut conn = self.state.db.read().await.expect("a connection");
            outbox::due(&mut conn, self.clock.now(), 1_000).await.expect("readable")
        };
        let mut waiting = Vec::new();
        for id in &due {
            let until = self.clock.now() + Seconds(1);
            let claimed = self.state.db.write(async |tx| {
                let claimed = outbox::claim(tx, id, self.clock.now(), until).await?;
                outbox::delete(tx, id).await?;
                Ok(claimed)
            });
            waiting.extend(claimed.await.expect("stored"));
        }
        waiting.sort_by_key(|mail| mail.created_at);
        waiting.iter().map(|waiting| self.state.outbox.open(waiting).expect("a mail that opens")).collect()
    }

    /// `(type, outcome, reason)` of the newest event of a type.
    pub async fn last_reason(&self, kind: &str) -> Option<String> {
        self.audit().await.into_iter().rev().find(|entry| entry.kind == kind).and_then(|entry| entry.reason)
    }
}

/// What kinds of clients there are.
#[derive(Clone, Copy, Debug)]
pub enum Persona {
    /// A confidential web application.
    Web,
    /// A public single-page application.
    Spa,
    /// A public native application with a loopback redirect.
    Native,
    /// A service without people.
    Service,
}

impl Persona {
    const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Spa => "spa",
            Self::Native => "native",
            Self::Service => "service",
        }
    }

    fn metadata(self) -> ClientMetadata {
        let all = "openid profile email address phone offline_access";
        let metadata = match self {
            Self::Web => json!({
                "client_name": "Web Shop", "redirect_uris": ["https://app.example/cb"],
                "grant_types": ["authorization_code", "refresh_token"], "scope": all,
            }),
            Self::Spa => json!({
                "client_name": "Single Page", "token_endpoint_auth_method": "none", "redirect_uris": ["https://spa.example/cb"],
                "grant_types": ["authorization_code", "refresh_token"], "scope": all, "allowed_origins": ["https://spa.example"],
            }),
            Self::Native => json!({
                "client_name": "Native", "token_endpoint_auth_method": "none", "application_type": "native",
                "redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"],
                "grant_types": ["authorization_code", "refresh_token"], "scope": all,
            }),
            Self::Service => json!({
                "client_name": "Report Service", "grant_types": ["client_credentials"], "scope": "reports:read reports:write",
                "audiences": ["https://api.example"],
            }),
        };
        serde_json::from_value(metadata).expect("metadata")
    }
}

/// A registered client and its secret.
#[derive(Clone, Debug)]
pub struct TestClient {
    pub client: Client,
    pub secret: Option<String>,
}

impl TestClient {
    pub fn id(&self) -> &str {
        self.client.id.as_str()
    }

    pub fn redirect_uri(&self) -> &str {
        &self.client.metadata.redirect_uris[0]
    }
}

/// `Authorization: Basic …` (RFC 6749 §2.3.1: both parts form-urlencoded first).
pub fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}
