//! Opens what every command works on: the data folder, the master key, the database. Each failure is a sentence that says
//! what to do.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use crate::audit::{self, Kind, Origin};
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::evidence::EvidenceKey;
use crate::keys::master::{MasterKey, VARIABLE};
use crate::keys::root::Root;
use crate::storage::audit::{Actor, Event, insert};
use crate::storage::db::{DatabaseTarget, Db};
use crate::storage::{adoption, backup, migrations};
use crate::telemetry::TraceId;

/// An installation, opened.
#[derive(Debug)]
pub struct Installation {
    pub config: Config,
    pub clock: Clock,
    /// The one that this configuration names, of those that the database accepts.
    pub master: MasterKey,
    pub root: Root,
    pub db: Db,
    /// Of the audit log.
    pub evidence: Arc<EvidenceKey>,
}

impl Installation {
    /// Opens the installation that `config` describes, and creates what is missing of it.
    pub async fn open(config: Config) -> Result<Self, Failure> {
        let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
        create_folder(&config.server.data_dir)?;
        warn_of_readers(&config.server.data_dir);
        refuse_half_an_installation(&target, &config)?;
        let master = MasterKey::obtain(&key_file(&config)).map_err(Failure::unusable)?;
        keep_private(&target)?;
        let db = Db::open(&target, &config.database).await.map_err(Failure::unusable)?;
        let clock = Clock::system();
        let root = Box::pin(Root::open(&db, &master, clock.now())).await.map_err(Failure::unusable)?;
        let evidence = Box::pin(EvidenceKey::open(&db, &root)).await.map_err(Failure::unusable)?;
        adoption::adopt(&db, clock.now()).await?;
        let installation = Self { config, clock, master, root, db, evidence };
        Box::pin(installation.record_restoration()).await?;
        Ok(installation)
    }

    /// Writes down that the database was restored from a backup: once, also when whoever restored it was stopped right after.
    async fn record_restoration(&self) -> Result<(), Failure> {
        if !backup::is_restored(&mut self.db.read().await?).await? {
            return Ok(());
        }
        let event = Event { actor: Actor::CommandLine, ..audit::event(Kind::BackupRestored, self.origin()) };
        let recorded = self.db.write(async |tx| {
            let Some(created_at) = backup::take_restored(tx).await? else { return Ok(()) };
            let mut event = event.clone();
            event.details.insert("created_at".to_owned(), created_at.into());
            insert(tx, &event).await
        });
        recorded.await.map_err(Failure::from)
    }

    /// Opens it for a command that makes none: what is missing is not made, and the schema stays what it is.
    pub async fn open_as_it_is(config: Config) -> Result<Self, Failure> {
        let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
        if !migrations::plan(&target).await.map_err(Failure::unusable)?.is_empty() {
            return Err(Failure::unusable(
                "there is no database yet, or one of an older version, and this command neither makes nor updates one: `ostiary migrate \
                 --plan` says what there is to do, and `ostiary migrate` does it; if there is one, name it (server.data_dir, database.url)",
            ));
        }
        master_key(&config)?;
        Box::pin(Self::open(config)).await
    }

    /// For the audit log: done on this machine, now.
    pub fn origin(&self) -> Origin {
        Origin { at: self.clock.now(), address: None, trace_id: TraceId::random().to_string() }
    }
}

/// Whether there is a master key, in the environment or in its file.
pub fn has_master_key(config: &Config) -> bool {
    std::env::var_os(VARIABLE).is_some() || key_file(config).exists()
}

/// The master key, for work that needs no database: none is made.
pub fn master_key(config: &Config) -> Result<MasterKey, Failure> {
    let file = key_file(config);
    if !has_master_key(config) {
        return Err(Failure::unusable(format!(
            "there is no master key, {}: name its file with keys.master_key_file",
            file.display()
        )));
    }
    MasterKey::obtain(&file).map_err(Failure::unusable)
}

/// Held by the one server of an SQLite database as long as it runs; the commands beside it don't need it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] Option<File>);

impl Lock {
    /// Nodes on PostgreSQL are many: they need no lock.
    pub fn acquire(config: &Config) -> Result<Self, Failure> {
        let DatabaseTarget::Sqlite(database) = DatabaseTarget::new(&config.database.url, &config.server.data_dir) else {
            return Ok(Self(None));
        };
        create_folder(&config.server.data_dir)?;
        let mut path = database.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = private_file(&path).map_err(|error| unwritable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(Failure::unusable(format!(
                "another server uses {} already: stop it, or give this one its own server.data_dir (several nodes need PostgreSQL)",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unwritable(&path, &error)),
        }
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    for_its_owner().create(true).truncate(false).open(path)
}

fn for_its_owner() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Where the master key is, unless it is in the environment.
pub(super) fn key_file(config: &Config) -> PathBuf {
    let file = &config.keys.master_key_file;
    if file.as_os_str().is_empty() { config.server.data_dir.join("master.key") } else { file.clone() }
}

/// The folder for everything that is secret: nobody else may look into it, and whoever may write to it could put another
/// master key or database in the place of ours.
pub(super) fn create_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return match rights_of_others(folder) & 0o022 {
            0 => Ok(()),
            _ => {
                Err(Failure::unusable(format!("others may write to the data folder {0}: run `chmod 700 {0}`", folder.display())))
            }
        };
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| unwritable(folder, &error))
}

/// What is in the folder has modes of its own, so others see no more than its names: that is worth a line, and no refusal.
fn warn_of_readers(folder: &Path) {
    if rights_of_others(folder) != 0 {
        tracing::warn!("others may look into the data folder {0}: run `chmod 700 {0}`", folder.display());
    }
}

/// The files of an SQLite database are for their owner alone, whatever the folder allows. SQLite gives those that it puts beside
/// the database the same mode.
fn keep_private(target: &DatabaseTarget) -> Result<(), Failure> {
    let DatabaseTarget::Sqlite(database) = target else { return Ok(()) };
    if !database.exists() {
        // Why it can't be made, if it can't, is said when it is opened.
        _ = private_file(database);
        return Ok(());
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(suffix);
        let path = PathBuf::from(path);
        if path.is_file() && rights_of_others(&path) != 0 {
            take_rights_of_others(&path).map_err(|error| {
                let path = path.display();
                Failure::unusable(format!("others may read {path}, and that can't be changed ({error}): run `chmod 600 {path}`"))
            })?;
        }
    }
    Ok(())
}

/// The permissions of group and world.
#[cfg(unix)]
pub(super) fn rights_of_others(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o077)
}

#[cfg(not(unix))]
pub(super) fn rights_of_others(_: &Path) -> u32 {
    0
}

#[cfg(unix)]
fn take_rights_of_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn take_rights_of_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// `path` with more at its end: a file in the same folder, so that it can be renamed to the first.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// A new file for its owner alone.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    for_its_owner().create_new(true).open(path)
}

/// The same, with this in it, on the disk.
pub(super) fn new_private_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file =
        create_private(path).map_err(|error| Failure::unusable(format!("{} can't be made: {error}", path.display())))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Failure::unusable)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::unusable(format!("can't write {}: {error}. Check its owner and permissions, or set server.data_dir", path.display()))
}

/// A database without its master key is of no use, and a new key would make it look like a fresh one: refuse before that.
fn refuse_half_an_installation(target: &DatabaseTarget, config: &Config) -> Result<(), Failure> {
    let DatabaseTarget::Sqlite(database) = target else { return Ok(()) };
    let has_database = fs::metadata(database).is_ok_and(|metadata| metadata.len() > 0);
    if has_database && !has_master_key(config) {
        return Err(Failure::unusable(format!(
            "there is a database, {}, and no master key, {}: restore the key from a backup, or move the database away to start anew",
            database.display(),
            key_file(config).display()
        )));
    }
    Ok(())
}
