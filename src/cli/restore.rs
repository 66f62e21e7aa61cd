//! `ostiary restore`: an installation from a backup.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::audit::verify;
use super::backup::archive::{self, Head, Keys, MASTER_KEY, Manifest, Opening, POSTGRES, SQLITE};
use super::backup::postgres;
use super::failure::{Exit, Failure};
use super::output::{Output, printable};
use super::scratch::{Scratch, clean_up_on_signals};
use super::start::{self, Installation, Lock};
use crate::config::Config;
use crate::keys::master::{MasterKey, VARIABLE};
use crate::keys::root::{CHECK, SealedRoot};
use crate::storage::backup;
use crate::storage::db::DatabaseTarget;
use crate::storage::migrations;

pub const EXAMPLE: &str = "\
The data folder and the database that the configuration names must be empty. What was revoked before the backup stays revoked; what
was revoked after it is valid again, so end the sessions of the people in question.

Example:
  ostiary --config /etc/ostiary.toml restore /backups/2026-11-22.age --identity backup-key.txt --public-key audit-key.jwk";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Serialize)]
struct Restored {
    /// Of the backup, RFC 3339.
    created_at: String,
    schema: i64,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let keys = arguments.opening.keys()?;
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    let _lock = Lock::acquire(&config)?;
    let applied = migrations::inspect(&target).await.map_err(Failure::unusable)?;
    if !applied.is_empty() {
        return Err(Failure::conflict("the database is not empty: a backup is restored to a new one only"));
    }
    if let DatabaseTarget::Sqlite(database) = &target {
        // SQLite would take what is in it for the newest part of the restored database.
        for log in LOGS.map(|suffix| start::beside(database, suffix)) {
            if log.exists() {
                return Err(Failure::conflict(format!("{} is left of another database: move it away", log.display())));
            }
        }
    }
    clean_up_on_signals()?;
    let unpacked = Unpacked::read(&arguments.file, &keys, &config, &target)?;
    unpacked.has_key(&config)?;
    let created_at = printable(&unpacked.head.manifest.created_at);
    match &target {
        DatabaseTarget::Sqlite(database) => {
            if let Some(damage) = backup::damage(unpacked.database.path())? {
                return Err(Failure::new(Exit::Failed, format!("the database in the backup is damaged: {damage}")));
            }
            let accepted = backup::accepted(unpacked.database.path())?;
            if !unpacked.head.has_proof() {
                let schema = schema(unpacked.database.path()).await?;
                if accepted.is_some() || schema != Some(unpacked.head.manifest.schema) {
                    return Err(Failure::conflict(
                        "the database in the backup is of another version than the manifest says, for which nothing vouches: somebody \
                         changed the backup",
                    ));
                }
            }
            let accepted = accepted.unwrap_or_default();
            let check = backup::fact(unpacked.database.path(), CHECK)?;
            unpacked.opens(&SealedRoot::from(accepted.as_slice()), check.as_deref(), &config)?;
            backup::mark_restored(unpacked.database.path(), &created_at)?;
            let unpacked = unpacked.keep_key(&config)?;
            // Last, and in one step: until then the folder is as empty as it was.
            publish(unpacked, database)?;
        }
        DatabaseTarget::Postgres(url) => {
            unpacked.opens(&unpacked.head.manifest.root, None, &config)?;
            let restriction = postgres::restriction(url)?;
            if restriction.is_none() && !unpacked.is_proved(&keys, &config) {
                return Err(Failure::unusable(
                    "psql on this machine is so old that whoever made the backup could have it run commands here, and it is not proved \
                     that this was your installation: name its public key with --public-key, or install PostgreSQL's client programs \
                     of August 2026 or newer",
                ));
            }
            let unpacked = unpacked.keep_key(&config)?;
            postgres::restore(url, unpacked.path(), restriction.as_deref(), &backup::mark_restored_sql(&created_at))?;
        }
    }

    // It writes down that this was done, if it comes so far; else whoever opens it next does.
    let installation = Installation::open(config).await?;
    let (report, _) = verify::of_database(&installation, &[]).await?;
    installation.db.close().await;
    if !report.intact {
        return Err(Failure::new(
            Exit::Tampered,
            format!(
                "the installation is as it was at {created_at}, but somebody had changed its audit log: run `ostiary audit verify`"
            ),
        ));
    }
    let restored = Restored { created_at, schema: migrations::newest() };
    output.answer(&restored, |restored| format!("The installation is as it was at {}.", restored.created_at))
}

/// A backup's files, beside where they belong. They go when this is dropped.
struct Unpacked {
    head: Head,
    database: Scratch,
    /// If the backup has one.
    key: Option<Scratch>,
}

impl Unpacked {
    fn read(file: &Path, keys: &Keys, config: &Config, target: &DatabaseTarget) -> Result<Self, Failure> {
        let folder = &config.server.data_dir;
        start::create_folder(folder)?;
        let (path, wanted) = match target {
            DatabaseTarget::Sqlite(database) => (start::beside(database, ".restoring"), SQLITE),
            DatabaseTarget::Postgres(_) => (folder.join("ostiary.dump.restoring"), POSTGRES),
        };
        // SQLite would take it for a part of what is unpacked.
        for left in LOGS.map(|suffix| start::beside(&path, suffix)) {
            _ = fs::remove_file(left);
        }
        let (database, mut key) = (claim(&path)?, None);
        let head = archive::read(file, keys, |manifest, part| {
            refuse(manifest, wanted)?;
            let to = match part.name.as_str() {
                // Beside its place, but only if it is going there: that folder may be one that nothing can be written to.
                MASTER_KEY if start::has_master_key(config) => key.insert(claim(&folder.join("master.key.restoring"))?),
                MASTER_KEY => key.insert(claim(&start::beside(&start::key_file(config), ".restoring"))?),
                name if name == wanted => &database,
                name => {
                    let name = printable(name);
                    return Err(Failure::new(Exit::Failed, format!("the backup holds {name}, which this version does not know")));
                }
            };
            Ok(Some(Box::new(to.file().try_clone().map_err(Failure::unusable)?) as Box<dyn Write>))
        })?;
        for unpacked in [Some(&database), key.as_ref()].into_iter().flatten() {
            unpacked.file().sync_all().map_err(Failure::unusable)?;
        }
        Ok(Self { head, database, key })
    }

    /// Whether there is a master key, here or in the backup.
    fn has_key(&self, config: &Config) -> Result<(), Failure> {
        if self.key.is_some() || start::has_master_key(config) {
            return Ok(());
        }
        Err(Failure::unusable(format!(
            "the backup is without the master key: put one that belongs to it into {} first",
            start::key_file(config).display()
        )))
    }

    /// Whether it is as this installation made it, once it opens: a key that came with it proves nothing.
    fn is_proved(&self, keys: &Keys, config: &Config) -> bool {
        keys.signer.is_some() || self.head.has_proof() && start::has_master_key(config)
    }

    /// Whether the master key as it will be opens the database: this root of it, or in a database of before there were several keys
    /// the one of this check value.
    fn opens(&self, root: &SealedRoot, check: Option<&[u8]>, config: &Config) -> Result<(), Failure> {
        let master = self.master(config)?;
        let opened = root.open(&master);
        let fits = match (check, &opened) {
            // Of a dump that an older version made nothing is known before it is restored but the key that comes with it.
            (None, _) if root.is_empty() => self.key.as_ref().is_none_or(|key| {
                MasterKey::load_or_create(key.path()).is_ok_and(|key| key.fingerprint() == master.fingerprint())
            }),
            (check, Ok(root)) => check.is_none_or(|check| root.is_of(check)),
            (_, Err(_)) => false,
        };
        if fits {
            return match opened {
                Ok(root) if !self.head.is_of(&root) => {
                    Err(Failure::conflict("somebody changed the backup, or made it elsewhere"))
                }
                _ => Ok(()),
            };
        }
        let (key_file, given) = (start::key_file(config), master.fingerprint());
        let place = match std::env::var_os(VARIABLE) {
            Some(_) => VARIABLE.to_owned(),
            None => key_file.display().to_string(),
        };
        Err(Failure::conflict(if self.key.is_some() {
            format!("{place} is another master key than the backup's (fingerprint {given}): move it away")
        } else {
            format!("{place} (fingerprint {given}) is not a master key that the database in the backup accepts")
        }))
    }

    /// The master key as it will be.
    fn master(&self, config: &Config) -> Result<MasterKey, Failure> {
        let key_file = start::key_file(config);
        let path = self.key.as_ref().filter(|_| !key_file.exists()).map_or(key_file.as_path(), Scratch::path);
        MasterKey::obtain(path).map_err(Failure::unusable)
    }

    /// Puts the key where it belongs, unless there is one, and gives the database.
    fn keep_key(self, config: &Config) -> Result<Scratch, Failure> {
        let key_file = start::key_file(config);
        match self.key {
            Some(key) if !start::has_master_key(config) => publish(key, &key_file)?,
            _ => {}
        }
        Ok(self.database)
    }
}

/// The newest migration of a database.
async fn schema(database: &Path) -> Result<Option<i64>, Failure> {
    let applied = migrations::inspect(&DatabaseTarget::Sqlite(database.to_owned())).await;
    Ok(applied.map_err(Failure::unusable)?.newest())
}

/// What SQLite puts beside a database.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

fn claim(path: &Path) -> Result<Scratch, Failure> {
    Scratch::claim(path.to_owned()).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::unusable("another restore is under way in this folder: wait until it has ended"),
        _ => Failure::unusable(format!("{} can't be made: {error}", path.display())),
    })
}

fn publish(scratch: Scratch, name: &Path) -> Result<(), Failure> {
    scratch.publish(name).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::conflict(format!("{} was made by somebody else meanwhile", name.display())),
        _ => Failure::unusable(format!("{} can't be made: {error}", name.display())),
    })
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
            manifest.schema,
            printable(&manifest.version)
        )));
    }
    Ok(())
}
