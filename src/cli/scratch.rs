//! Files that stand in for others while a command works. They go when it ends, also by a signal; what a killed command left is taken
//! over by the next one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::start::create_private;
use crate::storage::files::sync_folder_of;

/// Those of this process.
static FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Such a file. Nobody else writes to it meanwhile.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Locked: nobody takes it over.
    file: File,
}

impl Scratch {
    /// A new file for its owner alone. [`io::ErrorKind::WouldBlock`]: another process has it.
    pub fn claim(path: PathBuf) -> io::Result<Self> {
        loop {
            match create_private(&path) {
                Ok(file) => {
                    lock(&file)?;
                    // Whoever took it for one that was left may have removed it before it was locked.
                    if is_at(&file, &path) {
                        files().push(path.clone());
                        return Ok(Self { path, file });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match remove_left(&path, error) {
                    // It went by itself.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed?,
                },
                Err(error) => return Err(error),
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, durably, in place of nothing: what has this name already stays as it is.
    pub fn publish(self, name: &Path) -> io::Result<()> {
        match renameat_with(CWD, &self.path, CWD, name, RenameFlags::NOREPLACE) {
            // A file system that can't: it has two names for a moment.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::hard_link(&self.path, name)?,
            renamed => renamed?,
        }
        sync_folder_of(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
        files().retain(|path| *path != self.path);
    }
}

fn files() -> MutexGuard<'static, Vec<PathBuf>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file that nobody holds any more. It is never written to: it may be a trap of somebody else's.
fn remove_left(path: &Path, taken: io::Error) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(taken);
    }
    let left = File::open(path)?;
    lock(&left)?;
    if is_at(&left, path) { fs::remove_file(path) } else { Ok(()) }
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let here = file.metadata().map(place).ok();
    here.is_some() && here == fs::symlink_metadata(path).map(place).ok()
}

/// From now on SIGTERM, SIGINT and SIGHUP remove what there is of such files, and then end the program as they would have.
pub fn clean_up_on_signals() -> Result<(), Failure> {
    const KINDS: [SignalKind; 3] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    for kind in KINDS {
        let mut signals = signal(kind).map_err(|error| Failure::failed(format!("can't wait for signals: {error}")))?;
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                // Held to the end: no other one is begun.
                let files = files();
                files.iter().for_each(|path| _ = fs::remove_file(path));
                std::process::exit(128 + kind.as_raw_value());
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_one_owners_alone_and_what_is_left_of_one_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.partial");
        fs::write(&path, "of one that was killed").unwrap();
        let scratch = Scratch::claim(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(Scratch::claim(path.clone()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(scratch);
        assert!(!path.exists());
        let scratch = Scratch::claim(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(scratch);
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert_eq!(Scratch::claim(path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn it_takes_the_place_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, name) = (folder.path().join("x.partial"), folder.path().join("x"));
        let scratch = Scratch::claim(path.clone()).unwrap();
        scratch.file().write_all(b"new").unwrap();
        fs::write(&name, "made meanwhile").unwrap();
        assert_eq!(scratch.publish(&name).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&name).unwrap(), "made meanwhile");
        assert!(!path.exists());
        let scratch = Scratch::claim(path.clone()).unwrap();
        scratch.file().write_all(b"new").unwrap();
        fs::remove_file(&name).unwrap();
        scratch.publish(&name).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "new");
        assert!(!path.exists());
    }
}
