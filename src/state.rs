//! What every request handler shares.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use url::Url;

use crate::audit;
use crate::authn::passkey::{RelyingParty, UnusableAuthorities as UnusablePasskeyAuthorities};
use crate::authn::password::{HashingError, PasswordHasher, Policy, UnusableList as UnusablePasswords};
use crate::authn::second_factor::Codes;
use crate::clock::Clock;
use crate::config::{ClientRegistrationMode, Config, RegistrationMode};
use crate::explain;
use crate::guard::limit::Action;
use crate::guard::{self, Guard, Subject, Verdict};
use crate::keys::certificate::{self, Authorities};
use crate::keys::client_secret::ClientSecrets;
use crate::keys::hash::TokenHasher;
use crate::keys::notification::Notifications;
use crate::keys::ring::KeyRing;
use crate::keys::root::Root;
use crate::keys::seal::Sealer;
use crate::keys::subject::Subjects;
use crate::outbound::client_keys::ClientKeys;
use crate::outbound::http::{Outbound, UnusableAuthorities};
use crate::outbound::mail::Outbox;
use crate::protocol::authentication::Acr;
use crate::protocol::authorization_request::ServerPolicy;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::id::ClientId;
use crate::protocol::metadata::{self, Capabilities};
use crate::protocol::resource::Resources;
use crate::protocol::scope::{InvalidScope, Scope};
use crate::protocol::time::Timestamp;
use crate::storage::client_cache::ClientCache;
use crate::storage::db::Db;
use crate::storage::error::Error as StorageError;
use crate::storage::resource_cache::ResourceCache;
use crate::storage::sessions::Ending;
use crate::telemetry::findings::note;
use crate::text::Text;
use crate::web::client::ClientRegistry;
use crate::web::client_documents::{Clients, Found, Terms};
use crate::web::context::RequestContext;
use crate::web::cookie::Cookies;
use crate::web::csrf::Csrf;
use crate::web::dpop::{JudgesProofs, Proofs};
use crate::web::error::Problem;
use crate::web::logos::Logos;
use crate::web::request_objects::RequestObjects;
use crate::web::software_statements::SoftwareStatements;
use crate::web::trusted_issuers::{TrustedIssuers, UnusableKeys};

/// The application's state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

#[derive(Debug)]
pub struct Shared {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    /// The keys that sign and verify.
    pub keys: Arc<KeyRing>,
    pub tokens: TokenHasher,
    /// Seals logins under way.
    pub flows: Sealer,
    /// Seals the secrets of authenticator apps.
    pub totp_secrets: Sealer,
    /// Seals what becomes true when a mailed code is right.
    pub codes: Sealer,
    pub passwords: PasswordHasher,
    /// What new passwords must be.
    pub password_policy: Policy,
    /// Takes passkeys, where there are any.
    pub passkeys: Option<RelyingParty>,
    /// Takes mail.
    pub outbound: Outbound,
    pub request_objects: RequestObjects,
    pub logos: Logos,
    pub outbox: Outbox,
    /// Says who may do what how often.
    pub guard: Guard,
    /// Clients as they are stored, from memory.
    pub clients: ClientCache,
    /// The clients that there are: see [`AppState::client`].
    known_clients: Clients,
    /// Their public keys.
    pub client_keys: ClientKeys,
    /// Who else may say whom they act for.
    pub trusted_issuers: TrustedIssuers,
    /// And those whose word on applications counts.
    pub software_statements: SoftwareStatements,
    /// Who vouches for their certificates.
    pub certificate_authorities: Option<Authorities>,
    /// Their secrets.
    pub client_secrets: ClientSecrets,
    /// Seals with what they are told of answers.
    pub notifications: Notifications,
    /// Says by which `sub` they know people.
    pub subjects: Subjects,
    /// Takes the audit events of refused requests.
    pub refusals: audit::Queue,
    /// Takes what there is to explain about them.
    pub explanations: explain::Queue,
    pub csrf: Csrf,
    /// Judges proofs of possession.
    pub proofs: Proofs,
    pub cookies: Cookies,
    /// What there is without resources: see [`AppState::policy`].
    policy: ServerPolicy,
    /// Registered resources, from memory.
    pub resources: ResourceCache,
    /// The metadata document, rendered.
    pub metadata: Bytes,
    /// The issuer's path, empty or `/path`: every link begins with it.
    pub base: String,
    /// The issuer, parsed.
    pub issuer: Url,
    /// The issuer's origin: `https://id.example`.
    pub origin: String,
    shutting_down: AtomicBool,
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Why the state can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("configuration: 'server.issuer' is not a URL")]
    Issuer,
    #[error("configuration: 'tokens.scopes' has a name that is not a scope value")]
    Scopes(#[from] InvalidScope),
    #[error("configuration: {0}")]
    Passwords(#[from] HashingError),
    #[error("configuration: {0}")]
    Outbound(#[from] UnusableAuthorities),
    #[error("configuration: {0}")]
    Passkeys(#[from] UnusablePasskeyAuthorities),
    #[error("configuration: {0}")]
    CertificateAuthorities(#[from] certificate::UnusableAuthorities),
    #[error("configuration: {0}")]
    TrustedIssuers(#[from] UnusableKeys),
    #[error("configuration: {0}")]
    Guard(#[from] guard::Unusable),
    #[error("configuration: the list of breached passwords, {0}")]
    BreachedPasswords(#[from] UnusablePasswords),
}

/// What the state is made of.
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub root: Root,
    pub keys: Arc<KeyRing>,
    pub refusals: audit::Queue,
    pub explanations: explain::Queue,
}

impl AppState {
    pub fn new(parts: Parts) -> Result<Self, StateError> {
        let Parts { config, clock, db, root, keys, refusals, explanations } = parts;
        let issuer = Url::parse(&config.server.issuer).map_err(|_| StateError::Issuer)?;
        let origin = issuer.origin().ascii_serialization();
        let scopes = configured_scopes(&config.tokens.scopes)?;
        let outbound = Outbound::new(&config.outbound, &clock)?;
        let tokens = TokenHasher::new(&root);
        let clients = ClientCache::new(&db);
        let resources = ResourceCache::new(&db);
        let policy = ServerPolicy {
            legacy_response_types: config.legacy.response_types,
            ..ServerPolicy::new(&scopes, anybody_may_register(&config), &config.server.issuer)
        };
        let terms = Terms {
            allowed: Scope::parse(&config.client_registration.scopes.join(" ")).unwrap_or_default(),
            policy: policy.clone(),
            resources: resources.clone(),
            keys: Arc::clone(&keys),
            api_audience: config.api_audience(),
        };
        Ok(Self(Arc::new(Shared {
            known_clients: Clients::new(&config, &db, &clients, &outbound, terms),
            proofs: Proofs::new(&root, &tokens, config.dpop.require_nonce, config.origins(&origin), &db),
            tokens,
            flows: Sealer::new(&root.derive("seal/flows")),
            codes: Sealer::new(&root.derive("seal/email-codes")),
            password_policy: Policy::new(&config.password, issuer.host_str().unwrap_or_default())?,
            totp_secrets: Sealer::new(&root.derive("seal/totp")),
            passwords: PasswordHasher::new(*root.password_pepper(), &config.password)?,
            passkeys: RelyingParty::new(&config.passkeys, &issuer)?,
            client_keys: ClientKeys::new(&outbound),
            request_objects: RequestObjects::new(&outbound),
            logos: Logos::new(&outbound),
            trusted_issuers: TrustedIssuers::load(&config.jwt_bearer.issuers)?,
            software_statements: SoftwareStatements::load(&config.client_registration)?,
            certificate_authorities: Authorities::load(&config.tls.client_ca_file)?,
            client_secrets: ClientSecrets::new(&root),
            notifications: Notifications::new(&root),
            subjects: Subjects::new(&root),
            outbound,
            outbox: Outbox::new(&root, &config.mail),
            guard: Guard::new(&config, &root, &db, &clock)?,
            clients,
            csrf: Csrf::new(&root.derive("csrf"), origin.clone()),
            cookies: Cookies::for_issuer(&config.server.issuer),
            metadata: document(&config, &keys, &scopes),
            policy,
            resources,
            base: metadata::issuer_path(&config.server.issuer).to_owned(),
            issuer,
            origin,
            shutting_down: AtomicBool::new(false),
            config,
            clock,
            db,
            keys,
            refusals,
            explanations,
        })))
    }

    /// What checks second factors that are typed.
    pub fn codes(&self) -> Codes<'_> {
        Codes { db: &self.db, secrets: &self.totp_secrets, hasher: &self.passwords }
    }

    /// The server's name as people see it in the address bar.
    pub fn host(&self) -> String {
        let host = self.issuer.host_str().unwrap_or_default();
        self.issuer.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// A path on this server, with the issuer's own path in front.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A scope value that means something: to the server, to a resource, or to this client.
    pub fn knows_scope(&self, value: &str, client: &Client, resources: &Resources) -> bool {
        self.policy.known_scope.contains(value) || client.metadata.scope.contains(value) || resources.knows_scope(value)
    }

    /// What authorization requests are judged by at this moment.
    pub async fn policy(&self) -> Result<ServerPolicy, StorageError> {
        Ok(ServerPolicy { resources: self.resources.current().await?, ..self.policy.clone() })
    }

    /// What the consent page says of scope values that aren't this server's own.
    pub async fn scope_sentences(&self) -> Result<BTreeMap<String, String>, StorageError> {
        let resources = self.resources.current().await?;
        let of_resources = resources.sentences().map(|(value, sentence)| (value.clone(), sentence.clone()));
        Ok(of_resources.chain(self.config.tokens.scopes.clone()).collect())
    }

    /// How sessions end that end now.
    pub fn ending(&self, now: Timestamp) -> Ending {
        Ending::new(now, &self.0.config.session)
    }

    /// The audience of the management API.
    pub fn api_audience(&self) -> String {
        self.config.api_audience()
    }

    /// The client as it is at this moment: as it is stored, or as its document says. Asking for a document counts as if the sender
    /// did it.
    pub async fn client(&self, id: &ClientId, context: &RequestContext) -> Result<Found, Problem> {
        if let Some(found) = self.known_clients.known(id, context.now).await? {
            return Ok(found);
        }
        let subject = Subject::new(context.address);
        match self.guard.admit(Action::FetchClientDocument, &subject, context.now).await {
            Verdict::Refused { retry_after } => Err(Problem::too_many(retry_after)),
            _ => Ok(self.known_clients.ask(id, context).await?),
        }
    }

    /// The same, of what is known already.
    pub async fn known_client(&self, id: &ClientId, now: Timestamp) -> Result<Option<Found>, Problem> {
        Ok(self.known_clients.known(id, now).await?)
    }

    /// From now on the server is not ready.
    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
        self.guard.close();
    }

    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::SeqCst)
    }
}

impl ClientRegistry for AppState {
    fn clients(&self) -> &ClientCache {
        &self.clients
    }

    async fn client(&self, id: &ClientId, context: &RequestContext) -> Result<Option<Arc<Client>>, Problem> {
        let found = Self::client(self, id, context).await?;
        Ok(found.inspect_err(|missing| note("client", "found", missing.reason)).ok())
    }

    fn token_hasher(&self) -> &TokenHasher {
        &self.tokens
    }

    fn issuer(&self) -> &str {
        &self.config.server.issuer
    }

    fn db(&self) -> &Db {
        &self.db
    }

    fn client_keys(&self) -> &ClientKeys {
        &self.client_keys
    }

    fn certificate_authorities(&self) -> Option<&Authorities> {
        self.certificate_authorities.as_ref()
    }

    fn client_secrets(&self) -> &ClientSecrets {
        &self.client_secrets
    }

    fn may_try(&self, id: &ClientId, context: &RequestContext) -> Result<(), Problem> {
        let subject = Subject::new(context.address).client(id.as_str());
        match self.guard.look(Action::FailClientAuthentication, &subject, context.now) {
            Verdict::Refused { retry_after } => Err(Problem::too_many(retry_after)),
            _ => Ok(()),
        }
    }

    async fn failed(&self, id: &ClientId, context: &RequestContext) {
        let subject = Subject::new(context.address).client(id.as_str());
        // The next one learns of it.
        let _ = self.guard.admit(Action::FailClientAuthentication, &subject, context.now).await;
    }
}

impl JudgesProofs for AppState {
    fn proofs(&self) -> &Proofs {
        &self.proofs
    }
}

fn configured_scopes(scopes: &BTreeMap<String, String>) -> Result<Scope, InvalidScope> {
    let names: Vec<&str> = scopes.keys().map(String::as_str).collect();
    if names.iter().any(|name| name.contains(' ')) {
        return Err(InvalidScope);
    }
    Scope::parse(&names.join(" "))
}

/// The grant types that there are here.
pub fn offered(config: &Config) -> Vec<GrantType> {
    let is_offered = |grant: &GrantType| *grant != GrantType::JwtBearer || !config.jwt_bearer.issuers.is_empty();
    GrantType::ALL.into_iter().filter(is_offered).collect()
}

fn anybody_may_register(config: &Config) -> bool {
    config.registration.mode == RegistrationMode::Open
}

/// The metadata document (RFC 8414 §2), rendered once: it says what the configuration and the keys allow.
fn document(config: &Config, keys: &KeyRing, scopes: &Scope) -> Bytes {
    let languages = Text::languages();
    let capabilities = Capabilities {
        algorithms: &keys.algorithms(),
        key_managements: &keys.key_managements(),
        scopes: scopes.iter().collect(),
        acr_values: &Acr::ALL.map(Acr::as_str),
        ui_locales: &languages.iter().map(String::as_str).collect::<Vec<_>>(),
        registration: anybody_may_register(config),
        pushed_requests_only: config.tokens.require_pushed_authorization_requests,
        client_registration: config.client_registration_mode() != ClientRegistrationMode::Off,
        client_documents: config.takes_client_documents(),
        check_session: config.session.check_session_iframe,
        mutual_tls: config.has_mutual_tls(),
        mutual_tls_origin: config.mutual_tls_origin(),
        grant_types: &offered(config),
        legacy_response_types: config.legacy.response_types,
        service_documentation: None,
    };
    metadata::document(&config.server.issuer, &capabilities).to_string().into()
}
