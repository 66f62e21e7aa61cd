//! SQLite's write-ahead log: how what was committed comes to last, and how it gets from there to the database's file.
//!
//! With `synchronous = FULL` a COMMIT itself waits for the disk, with the connection in its hands, and nobody else can write meanwhile. With
//! `NORMAL` it adds its pages to the log and is done: they are safe from the end of this process, not yet from a power failure.
//! [`Log::sync`] makes them safe from that too, without the connection. After a power failure SQLite reads the log up to the first page
//! whose checksum is wrong, so of two commits the later one never lasts without the earlier (<https://sqlite.org/fileformat2.html#walformat>).
//!
//! The same goes for checkpoints, which copy pages from the log to the database's file: left to itself SQLite makes them in COMMIT.
//! Here another connection makes them beside the writer ([`Log::checkpoint`]). Before them SQLite itself syncs the log, and after
//! them the file (<https://sqlite.org/wal.html>). The log only begins anew when everything in it was copied, which never happens as long
//! as somebody writes meanwhile; so one that has become [`LONG`] is copied to its end in COMMIT.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::sqlite::{self, Access};
use crate::storage::error::Error;
use crate::storage::files::sync_folder_of;

/// After how many pages there is a checkpoint (4 MB).
const CHECKPOINT: i32 = 1000;

/// From how many pages on the log is to begin anew (16 MB).
const LONG: i32 = 4096;

/// How long is waited for those who read while the log is emptied.
const EMPTYING: Duration = Duration::from_millis(100);

thread_local! {
    /// How many pages the log had after the last COMMIT of this thread.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// The log of a database.
#[derive(Debug)]
pub(super) struct Log {
    database: PathBuf,
    /// Whether there is one. Where processes can't share memory, as on some network file systems, there is none, and a COMMIT waits for
    /// the disk.
    present: bool,
    file: Mutex<Option<File>>,
    /// Whether the disk failed to keep what was committed: nothing may rest on that.
    failed: AtomicBool,
    copier: Mutex<Copier>,
    /// How many pages it had when a checkpoint was last asked for.
    copied: AtomicI32,
}

/// What checkpoints are made with.
#[derive(Debug, Default)]
enum Copier {
    #[default]
    NotYet,
    Open(Connection),
    /// Whoever opened it again would keep the log's file from being deleted.
    Closed,
}

impl Log {
    /// The log of the database at `path`, to which `connection` will write.
    pub(super) fn of(path: &Path, connection: &Connection) -> rusqlite::Result<Self> {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let log = Self {
            database: path.to_owned(),
            present: mode == "wal",
            file: Mutex::default(),
            failed: AtomicBool::new(false),
            copier: Mutex::default(),
            copied: AtomicI32::new(0),
        };
        log.take_over(connection)?;
        Ok(log)
    }

    /// Opens another connection to write with.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        let connection = sqlite::open(&self.database, Access::Write)?;
        self.take_over(&connection)?;
        // When nobody had the database open the log was deleted, and comes anew.
        *lock(&self.file) = None;
        Ok(connection)
    }

    fn take_over(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.present {
            return Ok(());
        }
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.wal_hook(Some(|log, pages| {
            PAGES.set(pages);
            // One that can't be made now comes after the next commit.
            if pages >= LONG { log.checkpoint().or(Ok(())) } else { Ok(()) }
        }));
        Ok(())
    }

    /// Whether there should be a checkpoint, after a COMMIT on this thread. Says so once.
    pub(super) fn is_due(&self) -> bool {
        let pages = PAGES.get();
        // It began anew.
        let copied = self.copied.fetch_min(pages, Ordering::Relaxed).min(pages);
        let due = self.present && pages >= copied + CHECKPOINT;
        if due {
            self.copied.store(pages, Ordering::Relaxed);
        }
        due
    }

    /// Makes what is committed last. Once it has failed it fails until the log is [healed](Self::heal): the system tells of a failure
    /// once, and forgets what it could not write.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut file = lock(&self.file);
        if self.failed.load(Ordering::Relaxed) {
            return Err(io::Error::other("it failed before"));
        }
        self.sync_file(&mut file).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    fn sync_file(&self, file: &mut Option<File>) -> io::Result<()> {
        if !self.present {
            return Ok(());
        }
        if let Some(file) = file {
            return file.sync_data();
        }
        let mut path = self.database.clone().into_os_string();
        path.push("-wal");
        // For writing too: some systems sync nothing else.
        let opened = OpenOptions::new().read(true).write(true).open(&path)?;
        opened.sync_data()?;
        sync_folder_of(Path::new(&path))?;
        *file = Some(opened);
        Ok(())
    }

    /// Copies to the database's file what it can without anybody waiting for it.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<()> {
        let mut copier = lock(&self.copier);
        if matches!(*copier, Copier::NotYet) {
            *copier = Copier::Open(sqlite::open(&self.database, Access::Write)?);
        }
        match &*copier {
            Copier::Open(connection) => connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())),
            Copier::NotYet | Copier::Closed => Ok(()),
        }
    }

    /// After a failure takes everything from the log to the database's file, which lasts then whatever became of the log.
    pub(super) fn heal(&self, connection: &Connection) -> Result<(), Error> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        connection.busy_timeout(EMPTYING)?;
        match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0)) {
            Ok(false) => {
                self.failed.store(false, Ordering::Relaxed);
                Ok(())
            }
            Ok(true) => Err(Error::unavailable("the log of the database can't be emptied while others read")),
            Err(error) => Err(Error::unavailable(&format!("the log of the database can't be emptied: {error}"))),
        }
    }

    /// The writer closes its connection next.
    pub(super) fn close(&self) {
        *lock(&self.copier) = Copier::Closed;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
