//! What the standard library has no name for.

use std::fs::File;
use std::io;
use std::path::Path;

/// Waits until a new name in the folder of `path` is on the disk: syncing a file makes its content last, not its name.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
