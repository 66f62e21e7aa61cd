//! Copies of checkpoints outside the database: whoever rewrites the database does not reach them.
//!
//! Each place has a task of its own. A collector that takes nothing in, or a mount that hangs, holds up neither the sealer nor the end of
//! the server: what it keeps waiting is tried again, and counted.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::config::AuditConfig;
use crate::outbound::syslog::Collector;
use crate::telemetry::metrics::{JOB_RUNS, job_ran};

/// The most that wait for a place that can't be written. The newest vouch for the oldest.
const MOST: usize = 1_000;

/// How long one copy may take before it is said that it does not work.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before what could not be copied is tried again, the first time; then twice as long each time, up to [`LONGEST_PAUSE`]. A file system
/// that writes and never confirms gets the same lines again each time: what a failed sync leaves may be lost.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The job's name in the figures.
const JOB: &str = "checkpoint_copies";

/// Where copies go, and those that are still to be written.
#[derive(Debug)]
pub struct Copies {
    clock: Clock,
    places: Vec<Arc<Place>>,
    /// One task for each place, from the first copy on.
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Place {
    to: To,
    queue: Mutex<Queue>,
    /// Something waits, or nothing does any more.
    changed: Notify,
}

#[derive(Debug)]
enum To {
    File(PathBuf),
    Collector(Collector),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<String>,
    /// Whether something was taken out of it that is not written yet.
    is_writing: bool,
}

impl Copies {
    pub fn new(config: &AuditConfig, clock: &Clock) -> Self {
        let file = &config.checkpoint_file;
        let file = (!file.as_os_str().is_empty()).then(|| To::File(file.clone()));
        let collector = Collector::parse(&config.checkpoint_syslog).map(To::Collector);
        let place = |to| Arc::new(Place { to, queue: Mutex::default(), changed: Notify::new() });
        Self { clock: clock.clone(), places: file.into_iter().chain(collector).map(place).collect(), tasks: JoinSet::new() }
    }

    /// Takes a checkpoint in; it is written as soon as may be.
    pub(super) fn add(&mut self, signed: &str) {
        if self.tasks.is_empty() {
            for place in &self.places {
                // An alert waits for the first failure: there must be none before it.
                JOB_RUNS.add(JOB, "failure", 0);
                self.tasks.spawn(Arc::clone(place).run(self.clock.clone()));
            }
        }
        for place in &self.places {
            place.queue().push(signed.to_owned());
            place.changed.notify_waiters();
        }
    }

    /// Waits until everything is written: with bounds of the caller's.
    pub(super) async fn written(&self) {
        for place in &self.places {
            loop {
                let changed = place.changed.notified();
                if place.queue().is_empty() {
                    break;
                }
                changed.await;
            }
        }
    }
}

impl Queue {
    fn push(&mut self, signed: String) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(signed);
    }

    fn take(&mut self) -> Option<VecDeque<String>> {
        self.is_writing = !self.waiting.is_empty();
        self.is_writing.then(|| std::mem::take(&mut self.waiting))
    }

    /// Adds what waits to a batch that is not written yet.
    fn join(&mut self, batch: &mut VecDeque<String>) {
        batch.append(&mut self.waiting);
        batch.drain(..batch.len().saturating_sub(MOST));
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing
    }
}

impl Place {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, clock: Clock) {
        let mut failing = false;
        loop {
            let mut batch = self.next().await;
            let mut pause = PAUSE;
            while !batch.is_empty() {
                let outcome = self.copy(&mut batch, &clock, &mut failing).await;
                self.note(&outcome, &clock, &mut failing);
                if outcome.is_err() {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // Those that came meanwhile need not wait until these are written.
                    self.queue().join(&mut batch);
                }
            }
            self.queue().is_writing = false;
            self.changed.notify_waiters();
        }
    }

    /// Everything that waits, once something does.
    async fn next(&self) -> VecDeque<String> {
        loop {
            let changed = self.changed.notified();
            if let Some(batch) = self.queue().take() {
                return batch;
            }
            changed.await;
        }
    }

    /// Writes what is in the batch, and takes out of it what is written.
    async fn copy(&self, batch: &mut VecDeque<String>, clock: &Clock, failing: &mut bool) -> io::Result<()> {
        match &self.to {
            To::File(path) => {
                let mut writing = append_apart(path.clone(), batch.iter().cloned().collect())?;
                // A thread can't be called back from a mount that hangs: another one would hang there too.
                let written = loop {
                    match timeout(PATIENCE, &mut writing).await {
                        Ok(written) => break written,
                        Err(_) => self.note(&Err(late()), clock, failing),
                    }
                };
                written.map_err(io::Error::other)??;
                batch.clear();
            }
            To::Collector(collector) => {
                while let Some(signed) = batch.front() {
                    timeout(PATIENCE, collector.send(clock.now(), "checkpoint", signed)).await.map_err(|_| late())??;
                    batch.pop_front();
                }
            }
        }
        Ok(())
    }

    fn note(&self, outcome: &io::Result<()>, clock: &Clock, failing: &mut bool) {
        job_ran(JOB, clock.now(), outcome);
        let has_failed = std::mem::replace(failing, outcome.is_err());
        if let Err(error) = outcome
            && !has_failed
        {
            let place = match self.to {
                To::File(_) => "audit.checkpoint_file",
                To::Collector(_) => "audit.checkpoint_syslog",
            };
            tracing::error!(%error, place, "a checkpoint of the audit log can't be copied; it is tried again");
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("it takes longer than {} s", PATIENCE.as_secs()))
}

/// Appends lines in a thread of its own, which the process does not wait for when it ends.
fn append_apart(path: PathBuf, lines: Vec<String>) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("checkpoints".to_owned()).spawn(move || {
        // Nobody waits for it any more when the server has stopped.
        _ = done.send(append(&path, &lines));
    })?;
    Ok(outcome)
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
    use crate::protocol::time::Timestamp;

    fn copies(file: PathBuf, syslog: &str) -> Copies {
        let config = AuditConfig { checkpoint_file: file, checkpoint_syslog: syslog.to_owned(), ..AuditConfig::default() };
        Copies::new(&config, &Clock::fixed(Timestamp::from_seconds(0)))
    }

    async fn written(copies: &Copies) {
        timeout(Duration::from_secs(20), copies.written()).await.expect("written");
    }

    fn failures() -> u64 {
        let all = JOB_RUNS.all();
        all.iter().find(|(words, _)| *words == (JOB, "failure")).map_or(0, |(_, count)| *count)
    }

    #[tokio::test]
    async fn checkpoints_are_appended_for_their_owner_alone_and_after_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        let mut copies = copies(path.clone(), "");
        for signed in ["one", "two"] {
            copies.add(signed);
            written(&copies).await;
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "one\ntw").unwrap();
        copies.add("three");
        written(&copies).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_counted_and_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("not-yet");
        let mut copies = copies(inner.join("checkpoints"), "");
        let before = failures();
        copies.add("one");
        while failures() == before {
            tokio::task::yield_now().await;
        }
        std::fs::create_dir(&inner).unwrap();
        copies.add("two");
        written(&copies).await;
        assert_eq!(std::fs::read_to_string(inner.join("checkpoints")).unwrap(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn so_many_wait_for_a_place_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        let mut copies = copies(path.clone(), "");
        (0..MOST + 5).for_each(|number| copies.add(&number.to_string()));
        assert_eq!(copies.places[0].queue().waiting.len(), MOST);
        written(&copies).await;
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("5\n6\n") && text.ends_with("1004\n"), "{text}");
    }

    #[test]
    fn what_came_meanwhile_joins_what_could_not_be_written() {
        let (mut queue, mut batch) = (Queue::default(), VecDeque::from(["old".to_owned()]));
        (0..MOST).for_each(|number| queue.push(number.to_string()));
        queue.join(&mut batch);
        assert_eq!((batch.len(), batch.front().map(String::as_str)), (MOST, Some("0")));
        assert!(queue.is_empty());
    }

    /// A socket that is full takes nothing in.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_place_that_takes_nothing_in_keeps_neither_another_nor_the_sealer_waiting() {
        const MORE_THAN_FIT: usize = 600;
        let folder = tempfile::tempdir().unwrap();
        let (path, socket) = (folder.path().join("checkpoints"), folder.path().join("log"));
        let receiver = tokio::net::UnixDatagram::bind(&socket).unwrap();
        let mut copies = copies(path.clone(), &format!("unix:{}", socket.display()));
        (0..MORE_THAN_FIT).for_each(|number| copies.add(&format!("{number}x")));
        while std::fs::read_to_string(&path).map_or(0, |text| text.lines().count()) < MORE_THAN_FIT {
            tokio::task::yield_now().await;
        }
        assert!(timeout(Duration::from_millis(50), copies.written()).await.is_err(), "the socket holds fewer");
        let mut buffer = [0; 512];
        for number in 0..MORE_THAN_FIT {
            let length = receiver.recv(&mut buffer).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            assert!(text.ends_with(&format!(" checkpoint - {number}x")), "{number}: {text}");
        }
        written(&copies).await;
    }
}
