//! `ostiary backup`: a copy of everything, taken while the server runs.

pub(super) mod archive;
pub(super) mod postgres;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::archive::{MASTER_KEY, Manifest, POSTGRES, Part, SQLITE};
use super::failure::{Exit, Failure};
use super::output::{Output, instant};
use super::start::{self, Installation};
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::keys::age::{Identity, Recipient};
use crate::keys::master::VARIABLE;
use crate::storage::audit::{Actor, Event};
use crate::storage::backup;
use crate::storage::db::DatabaseTarget;
use crate::storage::migrations;

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
    /// Read a backup to its end and compare it with its checksums.
    #[command(after_help = "Example:\n  ostiary backup verify /backups/2026-11-22.age --identity backup-key.txt")]
    Verify {
        /// The backup.
        file: PathBuf,
        /// The file with the key that opens it.
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
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
struct NewKey {
    file: PathBuf,
    recipient: String,
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    match command {
        Command::Key { file } => key(file, output),
        Command::Create { file, recipients, .. } => Box::pin(create(file, &recipients, config, output)).await,
        Command::Verify { file, identity } => {
            let manifest = archive::read(&file, &identities(identity.as_deref())?, |_, _| Ok(None))?;
            output.answer(&manifest, |manifest| {
                let parts: Vec<_> = manifest.parts.iter().map(|part| format!("{}, {} bytes", part.name, part.bytes)).collect();
                format!("The backup of {} is whole ({}; schema {}).", manifest.created_at, parts.join("; "), manifest.schema)
            })
        }
    }
}

/// The keys in a file that the command line named.
pub(super) fn identities(file: Option<&Path>) -> Result<Vec<Identity>, Failure> {
    let Some(path) = file else { return Ok(Vec::new()) };
    let unreadable = |error| Failure::usage(format!("the key file {} can't be read: {error}", path.display()));
    let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
    Identity::parse_file(&text)
        .ok_or_else(|| Failure::usage(format!("{} holds no key of age (AGE-SECRET-KEY-1…)", path.display())))
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
    let installation = Installation::open(config).await?;
    let config = &installation.config;

    let name = if matches!(target, DatabaseTarget::Sqlite(_)) { SQLITE } else { POSTGRES };
    let snapshot = Snapshot::take(&target, config)?;
    let mut sources = vec![(name, snapshot.path.as_path())];
    let key_file = start::key_file(config);
    let in_file = std::env::var_os(VARIABLE).is_none() && key_file.is_file();
    if !recipients.is_empty() && in_file {
        sources.insert(0, (MASTER_KEY, &key_file));
    }
    let parts = sources.iter().map(|(name, path)| Part::of(name, path)).collect::<Result<_, _>>().map_err(Failure::failed)?;
    let manifest = Manifest::new(instant(installation.clock.now()), config.server.issuer.clone(), schema, parts);
    let (bytes, sha256) = write(&file, &manifest, &sources, recipients)?;

    let mut event = Event { actor: Actor::CommandLine, ..audit::event(Kind::BackupCreated, installation.origin()) };
    event.details.insert("sha256".to_owned(), sha256.clone().into());
    event.details.insert("encrypted".to_owned(), (!recipients.is_empty()).into());
    installation.db.write(async |tx| crate::storage::audit::insert(tx, &event).await).await?;
    installation.db.close().await;
    let created = Created { file, bytes, sha256, encrypted: !recipients.is_empty(), manifest };
    output.answer(&created, |created| {
        let without = "\nIt is not encrypted, and without the master key, which has to be kept elsewhere.";
        let more = if created.encrypted { "" } else { without };
        format!("{} ({} bytes, SHA-256 {}){more}", created.file.display(), created.bytes, created.sha256)
    })
}

/// Under another name first: what has the backup's name is whole.
fn write(
    file: &Path,
    manifest: &Manifest,
    sources: &[(&str, &Path)],
    recipients: &[Recipient],
) -> Result<(u64, String), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("{} can't be written: {error}", file.display()));
    let partial = start::beside(file, ".partial");
    let open = start::create_private(&partial).map_err(failed)?;
    let written = archive::write(&open, manifest, sources, recipients);
    let written = written.and_then(|written| fs::rename(&partial, file).map(|()| written));
    if written.is_err() {
        _ = fs::remove_file(&partial);
    }
    let written = written.map_err(failed)?;
    start::sync_folder_of(file).map_err(failed)?;
    Ok(written)
}

/// The database as it was at one moment, in a file that goes when this is dropped.
struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    fn take(target: &DatabaseTarget, config: &Config) -> Result<Self, Failure> {
        let path = config.server.data_dir.join("backup.snapshot");
        let busy = |error: std::io::Error| {
            Failure::unusable(format!(
                "{0} can't be made: {error}. If no other backup is under way, one was killed: delete that file",
                path.display()
            ))
        };
        drop::<File>(start::create_private(&path).map_err(busy)?);
        let snapshot = Self { path };
        match target {
            DatabaseTarget::Sqlite(database) => {
                backup::snapshot(database, &snapshot.path)?;
                if let Some(damage) = backup::damage(&snapshot.path)? {
                    return Err(Failure::unusable(format!("the database is damaged: {damage}. Restore it from a backup")));
                }
            }
            DatabaseTarget::Postgres(url) => postgres::dump(url, &snapshot.path)?,
        }
        Ok(snapshot)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}
