//! Copies of checkpoints outside the database: whoever rewrites the database does not reach them.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::config::AuditConfig;
use crate::outbound::syslog::Collector;
use crate::protocol::time::Timestamp;

/// The most that wait for a file that can't be written. The newest vouch for the oldest.
const MOST: usize = 1_000;

/// Where copies go, and those that are still to be written.
#[derive(Debug)]
pub struct Copies {
    file: Option<PathBuf>,
    waiting: VecDeque<String>,
    collector: Option<Collector>,
    unsent: VecDeque<String>,
    failing: bool,
}

impl Copies {
    pub fn new(config: &AuditConfig) -> Self {
        let file = &config.checkpoint_file;
        Self {
            file: (!file.as_os_str().is_empty()).then(|| file.clone()),
            waiting: VecDeque::new(),
            collector: Collector::parse(&config.checkpoint_syslog),
            unsent: VecDeque::new(),
            failing: false,
        }
    }

    /// Takes a checkpoint in.
    pub(super) fn add(&mut self, signed: String) {
        if self.collector.is_some() {
            push(&mut self.unsent, signed.clone());
        }
        if self.file.is_some() {
            push(&mut self.waiting, signed);
        }
    }

    /// Writes what waits. What can't be written is tried again.
    pub(super) async fn write(&mut self, now: Timestamp) {
        let (to_file, to_collector) = (self.append().await, self.send(now).await);
        match to_file.and(to_collector) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(%error, "a checkpoint of the audit log can't be copied; it is tried again");
            }
            Err(_) => {}
        }
    }

    async fn append(&mut self) -> io::Result<()> {
        let Some(path) = self.file.clone().filter(|_| !self.waiting.is_empty()) else { return Ok(()) };
        let lines: Vec<String> = self.waiting.iter().cloned().collect();
        let written = tokio::task::spawn_blocking(move || append(&path, &lines)).await;
        written.map_err(io::Error::other)??;
        self.waiting.clear();
        Ok(())
    }

    async fn send(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(collector) = &self.collector else { return Ok(()) };
        while let Some(signed) = self.unsent.front() {
            collector.send(now, "checkpoint", signed).await?;
            self.unsent.pop_front();
        }
        Ok(())
    }
}

fn push(queue: &mut VecDeque<String>, signed: String) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(signed);
}

/// Appends lines, and returns when they are on the disk. A line that a crash left unfinished is ended first.
fn append(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = String::new();
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(file: PathBuf) -> Copies {
        Copies::new(&AuditConfig { checkpoint_file: file, ..AuditConfig::default() })
    }

    #[tokio::test]
    async fn checkpoints_are_appended_for_their_owner_alone_and_after_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        let mut copies = copies(path.clone());
        for signed in ["one", "two"] {
            copies.add(signed.to_owned());
            copies.write(Timestamp::from_seconds(0)).await;
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "one\ntw").unwrap();
        copies.add("three".to_owned());
        copies.write(Timestamp::from_seconds(0)).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("not-yet");
        let mut copies = copies(inner.join("checkpoints"));
        copies.add("one".to_owned());
        copies.write(Timestamp::from_seconds(0)).await;
        assert!(copies.failing);
        std::fs::create_dir(&inner).unwrap();
        copies.add("two".to_owned());
        copies.write(Timestamp::from_seconds(0)).await;
        assert_eq!(std::fs::read_to_string(inner.join("checkpoints")).unwrap(), "one\ntwo\n");
        assert!(!copies.failing);
    }
}
