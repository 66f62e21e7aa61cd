//! `ostiary resource`: the APIs that clients may ask for tokens for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::client::policy;
use super::failure::Failure;
use super::output::{Output, table};
use super::start::Installation;
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::protocol::client::AccessTokenFormat;
use crate::protocol::resource::{DetailType, Resource, ResourceMetadata, Resources};
use crate::protocol::resource_registration::{taken_types, validate};
use crate::random;
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::error::Error as StorageError;
use crate::storage::resources;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register an API.
    #[command(after_help = "\
Example:
  ostiary resource create https://files.example/ --name 'Your files' --scope 'files:read=Read your files'")]
    Create(Box<Create>),
    /// List the registered APIs.
    #[command(after_help = "Example:\n  ostiary resource list")]
    List,
    /// Show everything that is registered for an API.
    #[command(after_help = "Example:\n  ostiary resource show https://files.example/")]
    Show { identifier: String },
    /// Delete an API. What was granted for it is given no more.
    #[command(after_help = "Example:\n  ostiary resource delete https://files.example/")]
    Delete { identifier: String },
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The value of 'resource' in requests, and of 'aud' in tokens: an absolute URI.
    #[arg(value_name = "URI")]
    identifier: String,
    /// The name that people see on the consent page.
    #[arg(long)]
    name: String,
    /// A scope value of its own and what the consent page says of it; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE=SENTENCE", value_parser = scope)]
    scopes: Vec<(String, String)>,
    /// Any client may ask for it, and for its scopes, without being registered for them.
    #[arg(long)]
    open: bool,
    /// Its access tokens are opaque, for introspection alone.
    #[arg(long)]
    opaque: bool,
    /// How long its access tokens last.
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<i64>,
    /// A file with its types of authorization_details (RFC 9396): a JSON object, each type with 'description' and 'schema'.
    #[arg(long = "details-types-file", value_name = "FILE")]
    details: Option<PathBuf>,
}

fn scope(text: &str) -> Result<(String, String), String> {
    let (value, sentence) = text.split_once('=').ok_or("write SCOPE=SENTENCE")?;
    Ok((value.to_owned(), sentence.to_owned()))
}

fn types(file: &Path) -> Result<BTreeMap<String, DetailType>, Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::usage(format!("--details-types-file: {}: {error}", file.display()));
    let text = std::fs::read(file).map_err(|error| unusable(&error))?;
    serde_json::from_slice(&text).map_err(|error| unusable(&error))
}

/// A resource as this command prints it.
#[derive(Serialize)]
struct Printed {
    id: String,
    identifier: String,
    #[serde(flatten)]
    metadata: ResourceMetadata,
}

impl From<Resource> for Printed {
    fn from(resource: Resource) -> Self {
        Self { id: resource.id, identifier: resource.identifier, metadata: resource.metadata }
    }
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open(config).await?;
    match command {
        Command::Create(create) => {
            let created = register(&installation, *create).await?;
            output.answer(&Printed::from(created), |resource| format!("{} is registered.", resource.identifier))
        }
        Command::List => {
            let all = resources::all(&mut installation.db.read().await?).await?;
            let row = |resource: &Printed| [resource.identifier.clone(), resource.metadata.name.clone()];
            output.answer(&all.into_iter().map(Printed::from).collect::<Vec<_>>(), |all| {
                table(["identifier", "name"], &all.iter().map(row).collect::<Vec<_>>())
            })
        }
        Command::Show { identifier } => output.always_json(&Printed::from(find(&installation, &identifier).await?)),
        Command::Delete { identifier } => {
            let resource = find(&installation, &identifier).await?;
            let event = event(Kind::ResourceDeleted, &resource, &installation);
            let deleted = installation.db.write(async |tx| {
                if !resources::delete(tx, &resource.id, resource.version).await? {
                    return Err(StorageError::Conflict);
                }
                record(tx, &event).await
            });
            deleted.await?;
            output.answer(&Printed::from(resource), |resource| format!("{} is deleted.", resource.identifier))
        }
    }
}

async fn register(installation: &Installation, create: Create) -> Result<Resource, Failure> {
    let now = installation.clock.now();
    let metadata = ResourceMetadata {
        name: create.name,
        scopes: create.scopes.into_iter().collect(),
        open: create.open,
        access_token_format: create.opaque.then_some(AccessTokenFormat::Opaque),
        access_token_signed_response_alg: None,
        access_token_lifetime: create.lifetime,
        authorization_details_types: create.details.as_deref().map_or_else(|| Ok(BTreeMap::new()), types)?,
    };
    let (id, identifier) = (random::identifier(), create.identifier);
    let mut problems = validate(&identifier, &metadata, &policy(installation).await?, &installation.config.server.issuer);
    let resource = Resource { id, identifier, metadata, created_at: now, updated_at: now, version: 1 };
    problems.extend(taken_types(&resource, &Resources::new(resources::all(&mut installation.db.read().await?).await?)));
    if !problems.is_empty() {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        return Err(Failure::usage(problems.join("\n  ")));
    }
    let event = event(Kind::ResourceCreated, &resource, installation);
    let written = installation.db.write(async |tx| {
        resources::settle_types(tx, &resource).await?;
        resources::insert(tx, &resource).await?;
        record(tx, &event).await
    });
    match written.await {
        Err(StorageError::Conflict) => Err(Failure::conflict(format!(
            "{} is registered already, or a type of its authorization details is",
            resource.identifier
        ))),
        other => other.map(|()| resource).map_err(Failure::from),
    }
}

async fn find(installation: &Installation, identifier: &str) -> Result<Resource, Failure> {
    let found = resources::by_identifier(&mut installation.db.read().await?, identifier).await?;
    found.ok_or_else(|| Failure::not_found(format!("there is no resource {identifier}")))
}

pub(super) fn event(kind: Kind, resource: &Resource, installation: &Installation) -> Event {
    let mut event = Event { actor: Actor::CommandLine, ..audit::event(kind, installation.origin()) };
    event.details.insert("identifier".to_owned(), resource.identifier.as_str().into());
    event
}
