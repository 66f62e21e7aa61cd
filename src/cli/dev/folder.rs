//! The folder that a throw-away provider keeps its data in, and that is gone afterwards.

use std::path::{Path, PathBuf};

use crate::random;

/// A folder below the system's temporary one; removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Draws a name that nobody can have taken. Whoever opens the data folder creates it, for its owner alone.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("ostiary-dev-{}", random::identifier())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It may not have been created yet. What can't be removed is the system's to clean: it holds no secret that still counts.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
