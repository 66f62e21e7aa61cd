//! `ostiary client`: the applications and services that use this server.

mod backchannel;
mod exchange;
mod keys;
mod known;
mod logout;
pub mod registration_token;
mod requests;

use std::sync::Arc;

use serde::Serialize;

use self::backchannel::Backchannel;
use self::exchange::Exchange;
use self::keys::{CREATE_EXAMPLES, Keys};
pub(super) use self::known::event;
use self::known::{delete, find, reset_secret, set_status};
use self::logout::Logout;
use self::registration_token::RegistrationToken;
use self::requests::{Requests, required_acr};
use super::failure::{Exit, Failure};
use super::output::{Output, table};
use super::start::Installation;
use crate::audit::Kind;
use crate::config::Config;
use crate::keys::client_secret::ClientSecrets;
use crate::keys::store::signing_algorithms;
use crate::outbound::http::Outbound;
use crate::protocol::authentication::Acr;
use crate::protocol::authorization_request::ServerPolicy;
use crate::protocol::client::{
    AccessTokenFormat, Algorithm, ApplicationType, Client, ClientAuthMethod, ClientMetadata, ClientSecret, ClientStatus,
    GrantType, SubjectType,
};
use crate::protocol::client_registration::{RegistrationPolicy, check_id, validate};
use crate::protocol::id::ClientId;
use crate::protocol::resource::{Resource, Resources};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::random;
use crate::storage::audit::insert as record;
use crate::storage::clients::{self, ClientFilter};
use crate::storage::error::Error as StorageError;
use crate::storage::page::{MAX_LIMIT, Page};
use crate::storage::resources;
use crate::web::sector;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register a client. Its secret, if it has one, is shown this once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Box<Create>),
    /// List the clients.
    #[command(after_help = "Example:\n  ostiary client list")]
    List,
    /// Show everything that is registered for a client.
    #[command(after_help = "Example:\n  ostiary client show V1StGXR8Z5jdHi6BmyTq2A")]
    Show { client_id: String },
    /// Disable a client: it may do nothing, and its tokens count no longer.
    #[command(after_help = "Example:\n  ostiary client disable V1StGXR8Z5jdHi6BmyTq2A")]
    Disable { client_id: String },
    /// Enable a disabled client again.
    #[command(after_help = "Example:\n  ostiary client enable V1StGXR8Z5jdHi6BmyTq2A")]
    Enable { client_id: String },
    /// Give a client a new secret, shown this once. The present one works on for tokens.client_secret_overlap_hours.
    #[command(after_help = "Example:\n  ostiary client reset-secret V1StGXR8Z5jdHi6BmyTq2A")]
    ResetSecret { client_id: String },
    /// Let somebody register clients (RFC 7591): prints an initial access token, this once.
    #[command(after_help = "Example:\n  ostiary client registration-token --uses 5 --days 30")]
    RegistrationToken(RegistrationToken),
    /// Delete a client, with its tokens and the consents that people gave it.
    #[command(after_help = "Example:\n  ostiary client delete V1StGXR8Z5jdHi6BmyTq2A")]
    Delete { client_id: String },
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The name that people see on the consent page.
    #[arg(long)]
    name: String,
    /// The client_id; a random one otherwise.
    #[arg(long, value_name = "CLIENT_ID")]
    id: Option<String>,
    /// Where people are sent back to, exactly as the client will name it; may be given several times.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// It can't keep a secret: it runs in a browser.
    #[arg(long, conflicts_with = "service")]
    public: bool,
    /// It is installed on people's devices: public, and a loopback redirect URI may have any port.
    #[arg(long, conflicts_with = "service")]
    native: bool,
    /// It acts for itself, with client credentials. With --redirect-uri it may log people in too.
    #[arg(long)]
    service: bool,
    /// It has no browser: people connect it with a code that it shows. With --redirect-uri it may log people in too.
    #[arg(long)]
    device: bool,
    /// Scope values that it may ask for; may be given several times. For logins 'openid profile email offline_access' otherwise.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// 'aud' of its access tokens; may be given several times. The issuer otherwise.
    #[arg(long = "audience", value_name = "URI")]
    audiences: Vec<String>,
    /// Origin whose scripts may call the token, revocation and userinfo endpoints; may be given several times.
    #[arg(long = "origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// It is ours: people are not asked for consent.
    #[arg(long)]
    first_party: bool,
    /// Its access tokens are opaque, for introspection alone.
    #[arg(long)]
    opaque: bool,
    /// The least 'acr' of its logins: 2 for two factors or a passkey that verified its user, phr for a passkey.
    #[arg(long, value_name = "ACR", value_parser = required_acr)]
    required_acr: Option<Acr>,
    /// It sends its secret in the body of the request (client_secret_post), not in the header.
    #[arg(long, conflicts_with_all = ["public", "native"])]
    secret_in_body: bool,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    requests: Requests,
    #[command(flatten)]
    logout: Logout,
    #[command(flatten)]
    exchange: Exchange,
    #[command(flatten)]
    backchannel: Backchannel,
}

impl Create {
    fn metadata(self) -> Result<ClientMetadata, Failure> {
        let logs_in = !(self.service || self.device || self.backchannel.ciba) || !self.redirect_uris.is_empty();
        if logs_in && self.redirect_uris.is_empty() {
            return Err(Failure::usage(
                "give at least one --redirect-uri, or --service, --device or --ciba for a client without a browser",
            ));
        }
        let of_people = logs_in || self.device || self.backchannel.ciba;
        let requests = &self.requests;
        let has_code = logs_in && (requests.response_types.is_empty() || requests.wants(GrantType::AuthorizationCode));
        let grant_types = [
            (has_code, GrantType::AuthorizationCode),
            (requests.wants(GrantType::Implicit), GrantType::Implicit),
            (has_code || self.device || self.backchannel.ciba, GrantType::RefreshToken),
            (self.service, GrantType::ClientCredentials),
            (self.device, GrantType::DeviceCode),
            (self.backchannel.ciba, GrantType::Ciba),
        ];
        let grant_types = grant_types.into_iter().chain(self.exchange.grant_types());
        let scope = if self.scopes.is_empty() && of_people {
            "openid profile email offline_access".to_owned()
        } else {
            self.scopes.join(" ")
        };
        // All that this command has no option for.
        let mut usual: ClientMetadata = serde_json::from_value(serde_json::json!({ "client_name": self.name }))
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        self.requests.sign_as_asked(&mut usual);
        Ok(ClientMetadata {
            application_type: if self.native { ApplicationType::Native } else { ApplicationType::Web },
            token_endpoint_auth_method: match (self.public || self.native, self.secret_in_body) {
                (true, _) => ClientAuthMethod::None,
                (false, true) => ClientAuthMethod::ClientSecretPost,
                (false, false) => self.keys.method(),
            },
            redirect_uris: self.redirect_uris,
            grant_types: grant_types.filter_map(|(wanted, grant)| wanted.then_some(grant)).collect(),
            scope: Scope::parse(&scope).map_err(|error| Failure::usage(format!("--scope: {error}")))?,
            audiences: self.audiences,
            access_token_format: if self.opaque { AccessTokenFormat::Opaque } else { AccessTokenFormat::Jwt },
            first_party: self.first_party,
            required_acr: self.required_acr,
            allowed_origins: self.allowed_origins,
            post_logout_redirect_uris: self.logout.post_logout_redirect_uris,
            jwks: self.keys.jwks()?,
            jwks_uri: self.keys.jwks_uri,
            legacy_assertion_audience: self.keys.legacy_assertion_audience,
            require_pushed_authorization_requests: self.requests.pushed_only,
            require_signed_request_object: self.requests.signed_only,
            subject_type: if self.requests.pairwise { SubjectType::Pairwise } else { SubjectType::Public },
            sector_identifier_uri: self.requests.sector_identifier_uri,
            request_uris: self.requests.request_uris,
            authorization_details_types: self.requests.authorization_details_types,
            dpop_bound_access_tokens: self.requests.require_dpop,
            backchannel_logout_session_required: self.logout.backchannel_logout_uri.is_some(),
            backchannel_logout_uri: self.logout.backchannel_logout_uri,
            frontchannel_logout_session_required: self.logout.frontchannel_logout_uri.is_some(),
            frontchannel_logout_uri: self.logout.frontchannel_logout_uri,
            token_exchange: self.exchange.policy(),
            backchannel_token_delivery_mode: self.backchannel.delivery_mode(),
            backchannel_client_notification_endpoint: self.backchannel.ciba_notification_endpoint,
            tls_client_auth_subject_dn: self.keys.certificate_dn,
            tls_client_auth_san_dns: self.keys.certificate_dns,
            tls_client_certificate_bound_access_tokens: self.requests.require_certificate,
            response_types: self.requests.response_types,
            userinfo_signed_response_alg: self.requests.encrypt_answers.map(|_| Algorithm::RS256),
            id_token_encrypted_response_alg: self.requests.encrypt_answers,
            userinfo_encrypted_response_alg: self.requests.encrypt_answers,
            authorization_encrypted_response_alg: self.requests.encrypt_answers,
            introspection_encrypted_response_alg: self.requests.encrypt_answers,
            profile: self.requests.profile,
            ..usual
        })
    }
}

/// A client as this command prints it. The secret is there once, when it was made.
#[derive(Serialize)]
struct Printed {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    status: ClientStatus,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

impl Printed {
    fn new(client: &Client, secret: Option<String>) -> Self {
        let client_id = client.id.as_str().to_owned();
        Self { client_id, client_secret: secret, status: client.status, metadata: client.metadata.clone() }
    }

    /// What somebody needs who configures the client.
    fn credentials(&self) -> String {
        let mut lines = vec![format!("client_id      {}", self.client_id)];
        if let Some(secret) = &self.client_secret {
            lines.push(format!("client_secret  {secret}"));
            lines.push("The secret is not shown again.".to_owned());
        }
        lines.join("\n")
    }
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open(config).await?;
    match command {
        Command::Create(create) => {
            let (client, secret) = register(&installation, *create).await?;
            output.answer(&Printed::new(&client, secret), Printed::credentials)
        }
        Command::List => list(&installation, output).await,
        Command::Show { client_id } => {
            let client = find(&installation, &client_id).await?;
            output.always_json(&Printed::new(&client, None))
        }
        Command::Disable { client_id } => {
            let client = set_status(&installation, &client_id, ClientStatus::Disabled).await?;
            output.answer(&Printed::new(&client, None), |client| format!("{} is disabled.", client.metadata.client_name))
        }
        Command::Enable { client_id } => {
            let client = set_status(&installation, &client_id, ClientStatus::Active).await?;
            output.answer(&Printed::new(&client, None), |client| format!("{} is enabled.", client.metadata.client_name))
        }
        Command::ResetSecret { client_id } => {
            let (client, secret) = reset_secret(&installation, &client_id).await?;
            output.answer(&Printed::new(&client, Some(secret)), Printed::credentials)
        }
        Command::RegistrationToken(wish) => registration_token::run(&installation, &wish, output).await,
        Command::Delete { client_id } => {
            let client = delete(&installation, &client_id).await?;
            output.answer(&Printed::new(&client, None), |client| format!("{} is deleted.", client.metadata.client_name))
        }
    }
}

async fn register(installation: &Installation, create: Create) -> Result<(Client, Option<String>), Failure> {
    let id = create.id.clone().unwrap_or_else(random::identifier);
    let id = ClientId::parse(id).map_err(|error| Failure::usage(format!("--id: {error}")))?;
    if let Some(problem) = check_id(&id) {
        return Err(Failure::usage(format!("--id: {}", problem.message)));
    }
    let metadata = create.metadata()?;
    validate(&metadata, &policy(installation).await?).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Failure::usage(problems.join("\n  "))
    })?;
    let outbound = Outbound::new(&installation.config.outbound, &installation.clock).map_err(Failure::unusable)?;
    sector::check(&outbound, &metadata).await.map_err(|problem| Failure::usage(problem.to_string()))?;
    let now = installation.clock.now();
    let mut client =
        Client { id, status: ClientStatus::Active, metadata, secrets: Vec::new(), created_at: now, updated_at: now, version: 1 };
    let secret = client.has_secret().then(random::secret);
    client.secrets = secret.iter().map(|secret| stored(installation, &client, secret, now)).collect();
    let event = event(Kind::ClientCreated, &client.id, installation);
    let written = installation.db.write(async |tx| {
        clients::insert(tx, &client).await?;
        record(tx, &event).await
    });
    match written.await {
        Err(StorageError::Conflict) => Err(Failure::conflict(format!("there is a client {} already", client.id))),
        other => other.map(|()| (client, secret)).map_err(Failure::from),
    }
}

/// What this server lets any client be registered for.
pub(super) async fn policy(installation: &Installation) -> Result<RegistrationPolicy, Failure> {
    let resources = resources::all(&mut installation.db.read().await?).await?;
    policy_beside(resources, installation)
}

/// The same, if these were the registered resources.
pub(super) fn policy_beside(resources: Vec<Resource>, installation: &Installation) -> Result<RegistrationPolicy, Failure> {
    let config = &installation.config;
    let names: Vec<_> = config.tokens.scopes.keys().map(String::as_str).collect();
    let configured = Scope::parse(&names.join(" "))
        .map_err(|error| Failure::new(Exit::Configuration, format!("configuration: 'tokens.scopes': {error}")))?;
    let api_audience = config.api_audience();
    let policy = ServerPolicy::new(&configured, false, &config.server.issuer);
    let known_scope = ServerPolicy { resources: Arc::new(Resources::new(resources)), ..policy }.every_scope();
    Ok(RegistrationPolicy {
        known_scope,
        algorithms: signing_algorithms(&config.keys),
        legacy_response_types: config.legacy.response_types,
        api_audience,
        private_hosts: config.outbound.private_hosts.clone(),
    })
}

pub(super) fn stored(installation: &Installation, client: &Client, secret: &str, now: Timestamp) -> ClientSecret {
    ClientSecrets::new(&installation.root).stored(client, random::identifier(), secret, now)
}

async fn list(installation: &Installation, output: Output) -> Result<(), Failure> {
    let mut page = Page::first(MAX_LIMIT);
    let mut printed = Vec::new();
    loop {
        let listed = clients::list(&mut installation.db.read().await?, &ClientFilter::default(), &page).await?;
        printed.extend(listed.items.iter().map(|client| Printed::new(client, None)));
        match listed.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    output.answer(&printed, |clients| {
        let row = |client: &Printed| {
            let status = if client.status == ClientStatus::Active { "active" } else { "disabled" };
            [client.client_id.clone(), client.metadata.client_name.clone(), status.to_owned()]
        };
        table(["client_id", "name", "status"], &clients.iter().map(row).collect::<Vec<_>>())
    })
}
