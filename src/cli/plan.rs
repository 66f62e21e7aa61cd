//! `ostiary plan`: what would change for the installation to be as documents say.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::client::{policy_beside, stored};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::start::Installation;
use crate::config::Config;
use crate::declared::document::{Document, Form};
use crate::declared::path::{Complaint, Path as Place};
use crate::declared::plan::{Plan, Present, Rules, complained};
use crate::declared::shown::ShownPlan;
use crate::declared::{SecretReference, secret_problem};
use crate::outbound::http::Outbound;
use crate::protocol::client::{Client, ClientAuthMethod};
use crate::protocol::id::ClientId;
use crate::protocol::resource::Resource;
use crate::storage::clients::{self, ClientFilter};
use crate::storage::page::{MAX_LIMIT, Page};
use crate::storage::resources;
use crate::web::sector;

pub const EXAMPLE: &str = "\
Nothing is changed. It exits with 0 if all is as the documents say, and with 8 if something would change.
docs/configuration-as-code.md has the form of the documents.

Example:
  ostiary plan clients.toml resources.json";

/// The largest document, and the largest file with a secret, in bytes.
const MAX_DOCUMENT: u64 = 16 << 20;
const MAX_SECRET_FILE: u64 = 4_096;

#[derive(Debug, clap::Args)]
#[group(id = "documents")]
pub struct Arguments {
    /// Documents: JSON where the name ends in .json, else TOML. Together they are one.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// What stands in no document goes, of the kinds that the documents name.
    #[arg(long)]
    pub(super) prune: bool,
}

/// What was decided, and the secrets that clients get.
pub(super) struct Decision {
    pub(super) plan: Plan,
    pub(super) secrets: BTreeMap<ClientId, SecretString>,
    /// The resources that were there: what a client may be registered for rests on all of them.
    pub(super) resources: Vec<Resource>,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open_as_it_is(config).await?;
    show(&decide(&installation, &arguments).await?.plan, output)
}

/// Prints the plan. That something would change is an exit code of its own.
fn show(plan: &Plan, output: Output) -> Result<(), Failure> {
    output.answer(&ShownPlan::from(plan), ShownPlan::text)?;
    if plan.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Drift, "the installation is not as the documents say; `ostiary apply` makes it so"))
}

/// Reads the documents and what there is, and decides.
pub(super) async fn decide(installation: &Installation, arguments: &Arguments) -> Result<Decision, Failure> {
    let mut document = Document::default();
    let mut folders = BTreeMap::new();
    for file in &arguments.files {
        let text = read(file, MAX_DOCUMENT).map_err(|problem| Failure::usage(format!("{}: {problem}", file.display())))?;
        let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let form = if is_json { Form::Json } else { Form::Toml };
        document.read(file, form, &text).map_err(|complaints| refused(&document, &complaints))?;
        // A file with a secret is looked for beside the document that names it.
        for id in document.clients.iter().flatten().map(|(id, _)| id) {
            folders.entry(id.clone()).or_insert_with(|| file.parent().map(Path::to_owned).unwrap_or_default());
        }
    }
    let secrets = secrets(&document, &folders).map_err(|complaints| refused(&document, &complaints))?;
    let present = present(installation).await?;
    let knows_secret = |client: &Client| secrets.get(&client.id).is_some_and(|secret| knows(installation, client, secret));
    let rules = Rules {
        issuer: &installation.config.server.issuer,
        now: installation.clock.now(),
        prune: arguments.prune,
        policy: &|resources| policy_beside(resources, installation).map_err(|failure| failure.sentence),
        knows_secret: &knows_secret,
    };
    let plan = Plan::decide(&document, &present, &rules).map_err(|complaints| refused(&document, &complaints))?;
    look_at_sectors(installation, &plan).await.map_err(|complaints| refused(&document, &complaints))?;
    Ok(Decision { plan, secrets, resources: present.resources })
}

fn refused(document: &Document, complaints: &[Complaint]) -> Failure {
    let complaints: Vec<_> = complaints.iter().map(|complaint| document.located(complaint)).collect();
    Failure::new(Exit::Configuration, complaints.join("\n  "))
}

fn read(file: &Path, most: u64) -> Result<String, String> {
    let mut text = String::new();
    // Whatever its size is said to be: it may be a device, or still be written.
    let read = std::fs::File::open(file).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    match read.map_err(|error| error.to_string())? as u64 {
        size if size > most => Err(format!("it has more than {most} bytes")),
        _ => Ok(text),
    }
}

/// The secrets that the documents refer to.
fn secrets(
    document: &Document,
    folders: &BTreeMap<ClientId, PathBuf>,
) -> Result<BTreeMap<ClientId, SecretString>, Vec<Complaint>> {
    let (mut secrets, mut complaints) = (BTreeMap::new(), Vec::new());
    for (id, client) in document.clients.iter().flatten() {
        let Some(reference) = &client.secret else { continue };
        let found = match reference {
            SecretReference::Env(name) => match std::env::var(name) {
                Ok(secret) => Ok(secret),
                Err(_) => Err(format!("names the environment variable {name}, which is not there")),
            },
            SecretReference::File(name) => {
                let file = folders.get(id).map_or_else(|| name.into(), |folder| folder.join(name));
                let text = read(&file, MAX_SECRET_FILE);
                text.map(without_line_break)
                    .map_err(|problem| format!("names {}, which can't be read: {problem}", file.display()))
            }
        };
        let sound = found.and_then(|secret| match secret_problem(&secret) {
            None => Ok(SecretString::from(secret)),
            Some(problem) => Err(problem),
        });
        match sound {
            Ok(secret) => _ = secrets.insert(id.clone(), secret),
            Err(problem) => complaints.push(Complaint::new(Place::of("clients", id.as_str()).member("client_secret"), problem)),
        }
    }
    if complaints.is_empty() { Ok(secrets) } else { Err(complaints) }
}

/// Editors and `echo` end a file with one.
fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// Whether it is the secret that the client has for good, kept as its method needs it.
fn knows(installation: &Installation, client: &Client, secret: &SecretString) -> bool {
    let asked = stored(installation, client, secret.expose_secret(), installation.clock.now());
    let is_key = client.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt;
    client
        .secrets
        .iter()
        .any(|known| known.expires_at.is_none() && known.hash == asked.hash && (known.sealed.is_some() || !is_key))
}

/// Everything that a document could name.
pub(super) async fn present(installation: &Installation) -> Result<Present, Failure> {
    let mut present = Present { resources: resources::all(&mut installation.db.read().await?).await?, ..Present::default() };
    let mut page = Page::first(MAX_LIMIT);
    loop {
        let listed = clients::list(&mut installation.db.read().await?, &ClientFilter::default(), &page).await?;
        present.clients.extend(listed.items);
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(present),
        }
    }
}

/// Asks for the documents of sectors, as whenever a client is registered.
async fn look_at_sectors(installation: &Installation, plan: &Plan) -> Result<(), Vec<Complaint>> {
    let mut complaints = Vec::new();
    for change in &plan.clients {
        let Some((_, metadata)) = change.edit.after() else { continue };
        let is_same = change.edit.before().is_some_and(|before| before.metadata == *metadata);
        if metadata.sector_identifier_uri.is_none() || is_same {
            continue;
        }
        let place = Place::of("clients", change.id.as_str());
        match Outbound::new(&installation.config.outbound, &installation.clock) {
            Ok(outbound) => {
                complaints.extend(complained(&place, sector::check(&outbound, metadata).await.err().into_iter().collect()));
            }
            Err(error) => complaints.push(Complaint::new(place, error.to_string())),
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}
