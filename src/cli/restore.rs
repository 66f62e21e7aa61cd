//! `ostiary restore`: an installation from a backup.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::audit::verify;
use super::backup::archive::{self, MASTER_KEY, Manifest, POSTGRES, SQLITE};
use super::backup::{identities, postgres};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::start::{self, Installation, Lock};
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::keys::age::Identity;
use crate::keys::master::{MasterKey, VARIABLE};
use crate::storage::audit::{Actor, Event};
use crate::storage::backup;
use crate::storage::db::DatabaseTarget;
use crate::storage::migrations;

pub const EXAMPLE: &str = "\
The data folder and the database that the configuration names must be empty. What was revoked before the backup stays revoked; what
was revoked after it is valid again, so end the sessions of the people in question.

Example:
  ostiary --config /etc/ostiary.toml restore /backups/2026-11-22.age --identity backup-key.txt";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backup.
    file: PathBuf,
    /// The file with the key that opens it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Serialize)]
struct Restored {
    /// Of the backup, RFC 3339.
    created_at: String,
    schema: i64,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let identities = identities(arguments.identity.as_deref())?;
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    let _lock = Lock::acquire(&config)?;
    let applied = migrations::inspect(&target).await.map_err(Failure::unusable)?;
    if !applied.is_empty() {
        return Err(Failure::conflict("the database is not empty: a backup is restored to a new one only"));
    }
    if let DatabaseTarget::Sqlite(database) = &target {
        // SQLite would take what is in it for the newest part of the restored database.
        for suffix in ["-wal", "-shm", "-journal"] {
            let log = start::beside(database, suffix);
            if log.exists() {
                return Err(Failure::conflict(format!("{} is left of another database: move it away", log.display())));
            }
        }
    }
    let unpacked = Unpacked::read(&arguments.file, &identities, &config, &target)?;
    unpacked.fits(&config)?;
    match &target {
        DatabaseTarget::Sqlite(database) => {
            if let Some(damage) = backup::damage(&unpacked.database)? {
                return Err(Failure::new(Exit::Failed, format!("the database in the backup is damaged: {damage}")));
            }
            let check = backup::fact(&unpacked.database, MasterKey::CHECK)?;
            if !check.is_none_or(|check| unpacked.master(&config).is_ok_and(|master| master.is_of(&check))) {
                return Err(Failure::conflict("the master key is not the one that the database in the backup was made with"));
            }
            unpacked.keep_key(&config)?;
            // Last, and in one step: until then the folder is as empty as it was.
            fs::rename(&unpacked.database, database).map_err(Failure::unusable)?;
            start::sync_folder_of(database).map_err(Failure::unusable)?;
        }
        DatabaseTarget::Postgres(url) => {
            unpacked.keep_key(&config)?;
            postgres::restore(url, &unpacked.database)?;
        }
    }
    let manifest = unpacked.manifest.clone();
    drop(unpacked);

    let installation = Installation::open(config).await?;
    let (report, _) = verify::of_database(&installation, &[]).await?;
    let mut event = Event { actor: Actor::CommandLine, ..audit::event(Kind::BackupRestored, installation.origin()) };
    event.details.insert("created_at".to_owned(), manifest.created_at.clone().into());
    installation.db.write(async |tx| crate::storage::audit::insert(tx, &event).await).await?;
    installation.db.close().await;
    if !report.intact {
        return Err(Failure::new(
            Exit::Tampered,
            format!(
                "the installation is as it was at {}, but somebody had changed its audit log: run `ostiary audit verify`",
                manifest.created_at
            ),
        ));
    }
    let restored = Restored { created_at: manifest.created_at, schema: migrations::newest() };
    output.answer(&restored, |restored| format!("The installation is as it was at {}.", restored.created_at))
}

/// A backup's files, beside where they belong. They go when this is dropped.
struct Unpacked {
    manifest: Manifest,
    database: PathBuf,
    key: PathBuf,
}

impl Unpacked {
    fn read(file: &Path, identities: &[Identity], config: &Config, target: &DatabaseTarget) -> Result<Self, Failure> {
        let folder = &config.server.data_dir;
        start::create_folder(folder)?;
        let database = match target {
            DatabaseTarget::Sqlite(database) => start::beside(database, ".restoring"),
            DatabaseTarget::Postgres(_) => folder.join("ostiary.dump.restoring"),
        };
        let wanted = if matches!(target, DatabaseTarget::Sqlite(_)) { SQLITE } else { POSTGRES };
        // Dropped when reading fails in the middle, so that nothing is left of it.
        let mut unpacked = Self { manifest: empty(), database, key: start::beside(&start::key_file(config), ".restoring") };
        for stale in [&unpacked.database, &unpacked.key] {
            _ = fs::remove_file(stale);
        }
        let mut files: Vec<File> = Vec::new();
        unpacked.manifest = archive::read(file, identities, |manifest, part| {
            refuse(manifest, wanted)?;
            let path = match part.name.as_str() {
                MASTER_KEY => &unpacked.key,
                name if name == wanted => &unpacked.database,
                name => {
                    return Err(Failure::new(Exit::Failed, format!("the backup holds {name}, which this version does not know")));
                }
            };
            let created = start::create_private(path).map_err(Failure::unusable)?;
            files.push(created.try_clone().map_err(Failure::unusable)?);
            Ok(Some(Box::new(created) as Box<dyn Write>))
        })?;
        for file in files {
            file.sync_all().map_err(Failure::unusable)?;
        }
        Ok(unpacked)
    }

    /// Whether there is a master key, and but one.
    fn fits(&self, config: &Config) -> Result<(), Failure> {
        let key_file = start::key_file(config);
        let from_environment = std::env::var_os(VARIABLE).is_some();
        if !self.key.exists() {
            return if key_file.exists() || from_environment {
                Ok(())
            } else {
                Err(Failure::unusable(format!(
                    "the backup is without the master key: put the one that belongs to it into {} first",
                    key_file.display()
                )))
            };
        }
        let same = |path: &Path| fs::read(path).map(zeroize::Zeroizing::new).map_err(Failure::unusable);
        if key_file.exists() && same(&key_file)?.trim_ascii() != same(&self.key)?.trim_ascii() {
            return Err(Failure::conflict(format!(
                "{} is another master key than the backup's: move it away",
                key_file.display()
            )));
        }
        Ok(())
    }

    /// The master key as it will be.
    fn master(&self, config: &Config) -> Result<MasterKey, Failure> {
        let key_file = start::key_file(config);
        let path = if key_file.exists() { &key_file } else { &self.key };
        MasterKey::obtain(path).map_err(Failure::unusable)
    }

    fn keep_key(&self, config: &Config) -> Result<(), Failure> {
        let key_file = start::key_file(config);
        if !self.key.exists() || key_file.exists() || std::env::var_os(VARIABLE).is_some() {
            return Ok(());
        }
        fs::rename(&self.key, &key_file).map_err(Failure::unusable)?;
        start::sync_folder_of(&key_file).map_err(Failure::unusable)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        for path in [&self.database, &self.key] {
            _ = fs::remove_file(path);
        }
    }
}

fn empty() -> Manifest {
    Manifest::new(String::new(), String::new(), 0, Vec::new())
}

/// What is known of a backup before anything of it is written.
fn refuse(manifest: &Manifest, wanted: &str) -> Result<(), Failure> {
    if manifest.part(wanted).is_none() {
        return Err(Failure::usage(format!(
            "the backup is of another kind of database: it holds no {wanted}. Name such a database in database.url"
        )));
    }
    if manifest.schema > migrations::newest() {
        return Err(Failure::unusable(format!(
            "the backup is of a newer version of Ostiary (schema {}; {}): restore it with that version, or a newer one",
            manifest.schema, manifest.version
        )));
    }
    Ok(())
}
