//! `ostiary apply`: makes the installation be as documents say.

use secrecy::ExposeSecret;

use super::client::{event as client_event, stored};
use super::failure::Failure;
use super::output::Output;
use super::plan::{self, Decision, decide};
use super::resource::event as resource_event;
use super::start::Installation;
use crate::audit::Kind;
use crate::config::Config;
use crate::declared::plan::{ClientChange, Edit, ResourceChange};
use crate::declared::shown::ShownPlan;
use crate::protocol::client::{Client, ClientSecret, ClientStatus};
use crate::protocol::resource::Resource;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::audit::{Event, insert as record};
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::{clients, resources};

pub const EXAMPLE: &str = "\
All of it is done, or nothing; a second time changes nothing. docs/configuration-as-code.md has the form of the documents.

Example:
  ostiary apply clients.toml resources.json --prune";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    plan: plan::Arguments,
    /// Change nothing: the same as `ostiary plan`.
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    if arguments.dry_run {
        return plan::run(arguments.plan, config, output).await;
    }
    let installation = Installation::open(config).await?;
    let decision = decide(&installation, &arguments.plan).await?;
    let shown = ShownPlan::from(&decision.plan);
    if !decision.plan.is_empty() {
        write(decision, &installation).await?;
    }
    output.answer(&shown, ShownPlan::text)
}

/// Does all of it, or nothing.
async fn write(mut decision: Decision, installation: &Installation) -> Result<(), Failure> {
    let resources = std::mem::take(&mut decision.resources);
    let writes = Write::all(decision, installation);
    let written = installation.db.write(async |tx| {
        // Also those that nothing is done to: clients were judged by their scopes.
        as_it_was(resources::all_held(tx).await? == resources)?;
        for write in &writes {
            write.run(tx).await?;
        }
        Ok(())
    });
    written.await.map_err(|error| match error {
        StorageError::Conflict => {
            Failure::conflict("somebody else changed something meanwhile, and nothing was done: plan again")
        }
        other => other.into(),
    })
}

const fn as_it_was(was: bool) -> Result<(), StorageError> {
    if was { Ok(()) } else { Err(StorageError::Conflict) }
}

/// One change with its events, ready to be written.
enum Write {
    InsertResource(Resource, Event),
    UpdateResource(Resource, Event),
    DeleteResource(Resource, Event),
    InsertClient(Client, Event),
    /// With the new secret and the end of the old one.
    UpdateClient(Client, Option<(ClientSecret, Timestamp)>, Vec<Event>),
    DeleteClient(Client, Event),
}

impl Write {
    /// In an order in which nothing stands in another's way: what goes, goes first.
    fn all(decision: Decision, installation: &Installation) -> Vec<Self> {
        let Decision { plan, secrets, .. } = decision;
        let clients = plan.clients.into_iter().map(|change| {
            let secret = secrets.get(&change.id).filter(|_| change.secret).map(ExposeSecret::expose_secret);
            Self::client(change, secret, installation)
        });
        let mut writes: Vec<_> =
            plan.resources.into_iter().map(|change| Self::resource(change, installation)).chain(clients).collect();
        writes.sort_by_key(|write| !matches!(write, Self::DeleteResource(..) | Self::DeleteClient(..)));
        writes
    }

    fn resource(change: ResourceChange, installation: &Installation) -> Self {
        let now = installation.clock.now();
        let identifier = change.identifier;
        match change.edit {
            Edit::Create(metadata) => {
                let id = random::identifier();
                let resource = Resource { id, identifier, metadata, created_at: now, updated_at: now, version: 1 };
                let event = resource_event(Kind::ResourceCreated, &resource, installation);
                Self::InsertResource(resource, event)
            }
            Edit::Change(before, metadata) => {
                let after = Resource { metadata, updated_at: now, ..before };
                let event = resource_event(Kind::ResourceUpdated, &after, installation);
                Self::UpdateResource(after, event)
            }
            Edit::Delete(before) => {
                let event = resource_event(Kind::ResourceDeleted, &before, installation);
                Self::DeleteResource(before, event)
            }
        }
    }

    fn client(change: ClientChange, secret: Option<&str>, installation: &Installation) -> Self {
        let now = installation.clock.now();
        let id = change.id;
        let event = |kind, id| client_event(kind, id, installation);
        match change.edit {
            Edit::Create((status, metadata)) => {
                let mut event = event(Kind::ClientCreated, &id);
                event.details.insert("scope".to_owned(), metadata.scope.to_string().into());
                event.details.insert("first_party".to_owned(), metadata.first_party.into());
                let mut client =
                    Client { id, status, metadata, secrets: Vec::new(), created_at: now, updated_at: now, version: 1 };
                client.secrets = secret.iter().map(|secret| stored(installation, &client, secret, now)).collect();
                Self::InsertClient(client, event)
            }
            Edit::Change(before, (status, metadata)) => {
                let mut events = Vec::new();
                let changed = metadata.differing(&before.metadata);
                if !changed.is_empty() {
                    let mut event = event(Kind::ClientUpdated, &id);
                    event.details.insert("changed".to_owned(), changed.into());
                    events.push(event);
                }
                if status != before.status {
                    let kind = if status == ClientStatus::Active { Kind::ClientEnabled } else { Kind::ClientDisabled };
                    events.push(event(kind, &id));
                }
                let after = Client { status, metadata, updated_at: now, ..before };
                let overlap = Seconds::hours(installation.config.tokens.client_secret_overlap_hours);
                let secret = secret.map(|secret| (stored(installation, &after, secret, now), now + overlap));
                if secret.is_some() {
                    let mut event = event(Kind::ClientSecretReset, &id);
                    event.details.insert("overlap".to_owned(), overlap.0.into());
                    events.push(event);
                }
                Self::UpdateClient(after, secret, events)
            }
            Edit::Delete(before) => Self::DeleteClient(before, event(Kind::ClientDeleted, &id)),
        }
    }

    /// Nothing is written over what somebody else has changed since it was read.
    async fn run(&self, tx: &mut Tx) -> Result<(), StorageError> {
        match self {
            Self::InsertResource(resource, event) => {
                resources::insert(tx, resource).await?;
                record(tx, event).await
            }
            Self::UpdateResource(resource, event) => {
                as_it_was(resources::update(tx, resource, resource.version).await?)?;
                record(tx, event).await
            }
            Self::DeleteResource(resource, event) => {
                as_it_was(resources::delete(tx, &resource.id, resource.version).await?)?;
                record(tx, event).await
            }
            Self::InsertClient(client, event) => {
                clients::insert(tx, client).await?;
                record(tx, event).await
            }
            Self::UpdateClient(client, secret, events) => {
                as_it_was(clients::update(tx, client, client.version).await?)?;
                if let Some((secret, old_expires_at)) = secret {
                    as_it_was(clients::add_secret(tx, &client.id, secret, *old_expires_at).await?)?;
                }
                for event in events {
                    record(tx, event).await?;
                }
                Ok(())
            }
            Self::DeleteClient(client, event) => {
                as_it_was(clients::update(tx, client, client.version).await?)?;
                as_it_was(clients::delete(tx, &client.id).await?)?;
                record(tx, event).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;
    use crate::protocol::resource::ResourceMetadata;

    /// An installation in a folder, and what would be done for it to be as a document says.
    struct Bench {
        folder: tempfile::TempDir,
        installation: Installation,
    }

    impl Bench {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut config = Config::default();
            config.server.data_dir = folder.path().join("data");
            Self { installation: Installation::open(config).await.unwrap(), folder }
        }

        async fn decide(&self, document: &str) -> Decision {
            let file = self.folder.path().join("a.toml");
            std::fs::write(&file, format!("version = 1\n{document}")).unwrap();
            decide(&self.installation, &plan::Arguments { files: vec![file], prune: false }).await.unwrap()
        }

        async fn write(&self, decision: Decision) -> Result<(), Failure> {
            write(decision, &self.installation).await
        }

        async fn resources(&self) -> Vec<Resource> {
            resources::all(&mut self.installation.db.read().await.unwrap()).await.unwrap()
        }
    }

    const FILES: &str = "[resources.'https://a.example/']\nname = 'First'\nscopes = { 'files:read' = 'Read' }\n";

    #[tokio::test]
    async fn what_somebody_else_changed_meanwhile_is_not_overwritten_and_nothing_else_is_done() {
        let bench = Bench::new().await;
        bench.write(bench.decide(FILES).await).await.unwrap();

        let document = format!("{}[resources.'https://b.example/']\nname = 'New'\n", FILES.replace("First", "Second"));
        let decision = bench.decide(&document).await;
        let before = bench.resources().await.remove(0);
        let metadata = ResourceMetadata { name: "Theirs".to_owned(), ..before.metadata.clone() };
        let theirs = Resource { metadata, ..before };
        assert!(bench.installation.db.write(async |tx| resources::update(tx, &theirs, theirs.version).await).await.unwrap());

        assert_eq!(bench.write(decision).await.unwrap_err().exit, Exit::Conflict);
        let all = bench.resources().await;
        assert_eq!(all.iter().map(|resource| resource.metadata.name.as_str()).collect::<Vec<_>>(), ["Theirs"]);
    }

    #[tokio::test]
    async fn a_client_is_not_made_for_a_resource_that_somebody_removed_meanwhile() {
        let bench = Bench::new().await;
        bench.write(bench.decide(FILES).await).await.unwrap();
        let client = "[clients.shop]\nclient_name = 'Shop'\nredirect_uris = ['https://shop.example/cb']\n\
                      token_endpoint_auth_method = 'none'\nscope = 'openid files:read'\n";
        let decision = bench.decide(client).await;
        let resource = bench.resources().await.remove(0);
        let delete = bench.installation.db.write(async |tx| resources::delete(tx, &resource.id, resource.version).await);
        assert!(delete.await.unwrap());

        assert_eq!(bench.write(decision).await.unwrap_err().exit, Exit::Conflict);
        assert!(plan::present(&bench.installation).await.unwrap().clients.is_empty());
    }
}
