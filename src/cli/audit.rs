//! `ostiary audit`: what happened, and the proof that nobody changed what is written about it.

mod filter;
pub(super) mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::filter::Filter;
use super::failure::{Exit, Failure};
use super::output::{Output, instant, printable, table};
use super::start::{Installation, create_private};
use crate::audit::export::{Export, Format};
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::storage::audit::{Actor, Entry, Event, insert as record, list};
use crate::storage::page::{MAX_LIMIT, Page};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List entries, the newest first.
    #[command(after_help = "\
Examples:
  ostiary audit list --type user.login --outcome refused
  ostiary audit list --user 0b9cf7c2-6d0e-4b7c-9f5a-0d6f3a1c2b4e --from 2026-11-01T00:00:00Z")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// The most that are listed.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
        limit: i64,
    },
    /// Write entries out, the oldest first: as JSON lines, from which the whole log can be verified elsewhere, or as CSV.
    #[command(after_help = "\
Examples:
  ostiary audit export --output audit.jsonl
  ostiary audit export --format csv --from 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z >november.csv")]
    Export {
        #[command(flatten)]
        filter: Filter,
        /// `jsonl` or `csv`.
        #[arg(long, default_value = "jsonl", value_parser = format)]
        format: Format,
        /// The file to write, which must not exist; standard output otherwise.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Verify that nobody edited, deleted or inserted entries, or cut off the end. Exits with 7 when somebody did.
    #[command(after_help = verify::EXAMPLE)]
    Verify(verify::Arguments),
    /// Show the public key that checkpoints are signed with, as a JWK.
    #[command(after_help = "Example:\n  ostiary audit key")]
    Key,
}

fn format(text: &str) -> Result<Format, String> {
    Format::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| "not 'jsonl' or 'csv'".to_owned())
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    match command {
        Command::List { filter, limit } => {
            let installation = Installation::open(config).await?;
            let found = newest(&installation, filter, limit).await?;
            output.answer(&found, |found| listing(found))
        }
        Command::Export { filter, format, output } => {
            let installation = Installation::open(config).await?;
            export(&installation, filter, format, output.as_deref()).await
        }
        Command::Verify(arguments) => Box::pin(verify::run(arguments, config, output)).await,
        Command::Key => {
            let installation = Installation::open(config).await?;
            output.always_json(installation.evidence.public())
        }
    }
}

/// An entry as this command prints it.
#[derive(Serialize)]
struct Printed {
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    id: String,
    occurred_at: String,
    r#type: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    actor_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    trace_id: String,
    count: i64,
    details: serde_json::Map<String, serde_json::Value>,
}

impl From<Entry> for Printed {
    fn from(entry: Entry) -> Self {
        Self {
            sequence: entry.sequence,
            id: entry.id,
            occurred_at: instant(entry.at),
            r#type: entry.kind,
            outcome: entry.outcome.as_str(),
            reason: entry.reason,
            actor_type: entry.actor.kind(),
            actor_id: entry.actor.id().map(str::to_owned),
            client_id: entry.client_id.map(String::from),
            user_id: entry.user_id.map(String::from),
            address: entry.address,
            trace_id: entry.trace_id,
            count: entry.count,
            details: entry.details,
        }
    }
}

async fn newest(installation: &Installation, filter: Filter, limit: i64) -> Result<Vec<Printed>, Failure> {
    let filter = filter.read()?;
    let mut page = Page::first(limit.min(MAX_LIMIT));
    let mut found: Vec<Printed> = Vec::new();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    loop {
        let listed = list(&mut installation.db.read().await?, &filter, &page).await?;
        found.extend(listed.items.into_iter().map(Printed::from));
        page.after = listed.next;
        if page.after.is_none() || found.len() >= wanted {
            found.truncate(wanted);
            return Ok(found);
        }
    }
}

fn listing(found: &[Printed]) -> String {
    let row = |entry: &Printed| {
        let who = entry.actor_id.as_ref().map_or_else(|| entry.actor_type.to_owned(), |id| format!("{} {id}", entry.actor_type));
        let text = |text: &Option<String>| printable(text.as_deref().unwrap_or_default());
        [
            entry.occurred_at.clone(),
            printable(&entry.r#type),
            entry.outcome.to_owned(),
            text(&entry.reason),
            printable(&who),
            text(&entry.user_id),
            text(&entry.client_id),
            text(&entry.address),
            printable(&entry.trace_id),
        ]
    };
    let titles = ["time", "type", "outcome", "reason", "by", "user", "client", "address", "trace id"];
    table(titles, &found.iter().map(row).collect::<Vec<_>>())
}

async fn export(installation: &Installation, filter: Filter, format: Format, to: Option<&Path>) -> Result<(), Failure> {
    let filter = filter.read()?;
    let origin = installation.origin();
    let mut event = Event { actor: Actor::CommandLine, ..audit::event(Kind::AuditExported, origin.clone()) };
    event.details.insert("format".to_owned(), format.as_str().into());
    let unwritable = |error: io::Error| Failure::new(Exit::Failed, format!("the export can't be written: {error}"));
    let mut target: Box<dyn Write> = match to {
        Some(path) => Box::new(io::BufWriter::new(create_private(path).map_err(unwritable)?)),
        None => Box::new(io::stdout().lock()),
    };
    installation.db.write(async |tx| record(tx, &event).await).await?;
    let mut export = Export::open(&installation.db, filter, format, Some(&installation.evidence), origin.at).await?;
    while let Some(lines) = export.next().await? {
        match target.write_all(lines.as_bytes()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(unwritable)?,
        }
    }
    target.flush().map_err(unwritable)
}
