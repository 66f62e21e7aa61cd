//! `ostiary backup`: a copy of everything, taken while the server runs.

pub(super) mod archive;
pub(super) mod postgres;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::archive::{Head, MASTER_KEY, Manifest, Opening, POSTGRES, Part, SQLITE, Source};
use super::failure::{Exit, Failure};
use super::output::{Output, instant, printable};
use super::scratch::{Scratch, clean_up_on_signals};
use super::start::{self, Installation};
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::keys::age::{Identity, Recipient};
use crate::keys::master::VARIABLE;
use crate::keys::root::SealedRoot;
use crate::storage::audit::{Actor, Event};
use crate::storage::backup;
use crate::storage::db::DatabaseTarget;
use crate::storage::{master_keys, migrations};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key for backups: what it prints encrypts them, what it writes to FILE opens them.
    #[command(after_help = "\
Keep FILE somewhere else than the server and its backups. Whoever has it and a backup has every secret of the installation. It is
a key of age (https://age-encryption.org): age-keygen makes the same.

Example:
  ostiary backup key backup-key.txt")]
    Key {
        /// Where to put the secret half. It must not exist.
        file: PathBuf,
    },
    /// Write a backup of the running installation: the database as it is at one moment, and the master key.
    #[command(after_help = "\
With SQLite the data folder needs room for a second database meanwhile. With PostgreSQL pg_dump is run, which has to be installed. A
backup that is not encrypted has no master key in it: keep that apart.

Examples:
  ostiary backup create /backups/2026-11-22.age --recipient age1…
  ostiary backup create /backups/2026-11-22.tar --unencrypted")]
    Create {
        /// The file to write. It must not exist; while it is written it has another name.
        file: PathBuf,
        /// Encrypt it for this key (`ostiary backup key`, age-keygen); may be given several times.
        #[arg(long = "recipient", value_name = "AGE_KEY", value_parser = recipient, required_unless_present = "unencrypted")]
        recipients: Vec<Recipient>,
        /// Don't encrypt it.
        #[arg(long, conflicts_with = "recipients")]
        unencrypted: bool,
    },
    /// Read a backup to its end and compare it with its checksums and, with --public-key, with the signature.
    #[command(after_help = "\
Example:
  ostiary audit key >audit-key.jwk
  ostiary backup verify /backups/2026-11-22.age --identity backup-key.txt --public-key audit-key.jwk")]
    Verify {
        /// The backup.
        file: PathBuf,
        #[command(flatten)]
        opening: Opening,
    },
}

fn recipient(text: &str) -> Result<Recipient, &'static str> {
    Recipient::parse(text).ok_or("not a recipient of age, which begins with age1")
}

#[derive(Serialize)]
struct Created {
    file: PathBuf,
    bytes: u64,
    sha256: String,
    encrypted: bool,
    #[serde(flatten)]
    manifest: Manifest,
}

#[derive(Serialize)]
struct Verified {
    /// Whether it was compared: without --public-key anybody may have made it.
    signature: &'static str,
    #[serde(flatten)]
    manifest: Manifest,
}

#[derive(Serialize)]
struct NewKey {
    file: PathBuf,
    recipient: String,
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    match command {
        Command::Key { file } => key(file, output),
        Command::Create { file, recipients, .. } => Box::pin(create(file, &recipients, config, output)).await,
        Command::Verify { file, opening } => {
            let keys = opening.keys()?;
            let manifest = archive::read(&file, &keys, |_, _| Ok(None))?.manifest;
            let signature = if keys.signer.is_some() { "good" } else { "not compared" };
            output.answer(&Verified { signature, manifest: manifest.shown() }, |Verified { signature, manifest }| {
                let parts: Vec<_> = manifest.parts.iter().map(|part| format!("{}, {} bytes", part.name, part.bytes)).collect();
                let parts = parts.join("; ");
                // Nobody may have vouched for it.
                printable(&format!(
                    "The backup of {} is whole ({parts}; schema {}). Its signature is {signature}.",
                    manifest.created_at, manifest.schema
                ))
            })
        }
    }
}

fn key(file: PathBuf, output: Output) -> Result<(), Failure> {
    let identity = Identity::generate();
    let recipient = identity.recipient().ok_or_else(|| Failure::failed("the key can't be made"))?.to_string();
    let text = zeroize::Zeroizing::new(format!("# public key: {recipient}\n{}\n", identity.secret_text().as_str()));
    start::new_private_file(&file, text.as_bytes())?;
    output.answer(&NewKey { file, recipient }, |key| format!("Backups are encrypted with --recipient {}", key.recipient))
}

async fn create(file: PathBuf, recipients: &[Recipient], config: Config, output: Output) -> Result<(), Failure> {
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    let applied = migrations::inspect(&target).await.map_err(Failure::unusable)?;
    let Some(schema) = applied.newest() else {
        return Err(Failure::unusable("there is no database yet: there is nothing to save"));
    };
    if schema != migrations::newest() {
        return Err(Failure::unusable(format!(
            "the database is of schema {schema}, and this program is of schema {}: make the backup with the version that runs on it",
            migrations::newest()
        )));
    }
    if file.exists() {
        return Err(Failure::conflict(format!("{} exists already", file.display())));
    }
    clean_up_on_signals()?;
    let installation = Installation::open(config).await?;
    let config = &installation.config;

    let name = if matches!(target, DatabaseTarget::Sqlite(_)) { SQLITE } else { POSTGRES };
    let accepted = master_keys::list(&mut installation.db.read().await?).await?;
    let snapshot = snapshot(&target, config)?;
    if master_keys::list(&mut installation.db.read().await?).await? != accepted {
        return Err(Failure::conflict("a master key was added or dropped meanwhile: take the backup again"));
    }
    let mut sources = vec![(name, Source::File(snapshot.path()))];
    if !recipients.is_empty() && std::env::var_os(VARIABLE).is_none() {
        // The one that was read: its file may be another one by now.
        sources.insert(0, (MASTER_KEY, Source::Secret(installation.master.text())));
    }
    let parts = sources.iter().map(|(name, source)| Part::of(name, source)).collect::<Result<_, _>>().map_err(Failure::failed)?;
    let manifest = Manifest {
        root: SealedRoot::from(accepted.as_slice()),
        ..Manifest::new(instant(installation.clock.now()), config.server.issuer.clone(), schema, parts)
    };
    let head = Head::new(manifest, &installation.root, &installation.evidence)?;
    let (bytes, sha256) = write(&file, &head, &sources, recipients)?;
    drop(snapshot);

    let mut event = Event { actor: Actor::CommandLine, ..audit::event(Kind::BackupCreated, installation.origin()) };
    event.details.insert("sha256".to_owned(), sha256.clone().into());
    event.details.insert("encrypted".to_owned(), (!recipients.is_empty()).into());
    installation.db.write(async |tx| crate::storage::audit::insert(tx, &event).await).await?;
    installation.db.close().await;
    let created = Created { file, bytes, sha256, encrypted: !recipients.is_empty(), manifest: head.manifest.shown() };
    output.answer(&created, |created| {
        let without = "\nIt is not encrypted, and without the master key, which has to be kept elsewhere.";
        let more = if created.encrypted { "" } else { without };
        format!("{} ({} bytes, SHA-256 {}){more}", created.file.display(), created.bytes, created.sha256)
    })
}

/// Under another name first: what has the backup's name is whole.
fn write(file: &Path, head: &Head, sources: &[(&str, Source<'_>)], recipients: &[Recipient]) -> Result<(u64, String), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::conflict(format!("{} was made by somebody else meanwhile", file.display())),
        io::ErrorKind::WouldBlock => Failure::unusable(format!("another backup to {} is under way", file.display())),
        _ => Failure::new(Exit::Failed, format!("{} can't be written: {error}", file.display())),
    };
    let partial = Scratch::claim(start::beside(file, ".partial")).map_err(failed)?;
    let written = archive::write(partial.file(), head, sources, recipients).map_err(failed)?;
    partial.publish(file).map_err(failed)?;
    Ok(written)
}

/// The database as it was at one moment, in a file that goes when it is dropped.
fn snapshot(target: &DatabaseTarget, config: &Config) -> Result<Scratch, Failure> {
    let path = config.server.data_dir.join("backup.snapshot");
    let snapshot = Scratch::claim(path.clone()).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::unusable("another backup is under way: wait until it has ended"),
        _ => Failure::unusable(format!("{} can't be made: {error}", path.display())),
    })?;
    match target {
        DatabaseTarget::Sqlite(database) => {
            backup::snapshot(database, snapshot.path())?;
            if let Some(damage) = backup::damage(snapshot.path())? {
                return Err(Failure::unusable(format!("the database is damaged: {damage}. Restore it from a backup")));
            }
        }
        DatabaseTarget::Postgres(url) => postgres::dump(url, snapshot.file())?,
    }
    Ok(snapshot)
}
