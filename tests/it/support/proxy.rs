//! What stands between a program and its database, and fails on command: it cuts, keeps silent, takes its time, or loses an answer.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What it does with every byte, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mood {
    Passes,
    /// Ends every connection, and each new one at once.
    Cuts,
    /// Takes what comes, and hands nothing on: neither side learns that the other is gone.
    IsSilent,
    /// Hands it on so much later.
    IsSlow(Duration),
}

/// A proxy on a port of its own. It ends with this.
pub struct Proxy {
    pub port: u16,
    mood: watch::Sender<Mood>,
    /// How often every connection was ended.
    ends: watch::Sender<u32>,
    /// How often those that there were then were forgotten.
    forgets: watch::Sender<u32>,
    target: watch::Sender<PathBuf>,
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    questions: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// To a Unix socket.
    pub async fn to(target: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (mood, feels) = watch::channel(Mood::Passes);
        let (ends, ended) = watch::channel(0);
        let (forgets, forgotten) = watch::channel(0);
        let (target, leads) = watch::channel(target);
        let (loses, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let questions = Arc::new(AtomicU32::new(0));
        let task = tokio::spawn({
            let (loses, lost, questions) = (Arc::clone(&loses), Arc::clone(&lost), Arc::clone(&questions));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let target = leads.borrow().clone();
                    let (mut ended, mut forgotten) = (ended.clone(), forgotten.clone());
                    ended.borrow_and_update();
                    forgotten.borrow_and_update();
                    let questions = Arc::clone(&questions);
                    let connection =
                        connection(client, target, feels.clone(), (Arc::clone(&loses), Arc::clone(&lost)), questions);
                    tokio::spawn(async move {
                        let mut connection = std::pin::pin!(connection);
                        tokio::select! {
                            () = &mut connection => {}
                            _ = ended.changed() => {}
                            // Open at both ends, and nobody between them.
                            Ok(()) = forgotten.changed() => drop(ended.changed().await),
                        }
                    });
                }
            }
        });
        Self { port, mood, ends, forgets, target, loses, lost, questions, task }
    }

    /// How often a client sent something and waits for what comes back.
    pub fn questions(&self) -> u32 {
        self.questions.load(Ordering::SeqCst)
    }

    pub fn pass(&self) {
        self.mood.send_replace(Mood::Passes);
    }

    pub fn cut(&self) {
        self.mood.send_replace(Mood::Cuts);
        self.end_connections();
    }

    pub fn keep_silent(&self) {
        self.mood.send_replace(Mood::IsSilent);
    }

    pub fn slow_down(&self, delay: Duration) {
        self.mood.send_replace(Mood::IsSlow(delay));
    }

    /// New connections lead elsewhere; those that there are end.
    pub fn lead_to(&self, target: PathBuf) {
        self.target.send_replace(target);
        self.end_connections();
    }

    /// As a firewall does with connections that were idle: what they carry goes nowhere from now on, and new ones work.
    pub fn forget_connections(&self) {
        self.forgets.send_modify(|times| *times += 1);
    }

    fn end_connections(&self) {
        self.ends.send_modify(|times| *times += 1);
    }

    /// The next COMMIT, or a statement that writes and is a transaction by itself, reaches the server; its answer gets lost, and the
    /// connection with it.
    pub fn lose_the_next_commits_answer(&self) {
        self.lost.store(false, Ordering::SeqCst);
        self.loses.store(true, Ordering::SeqCst);
    }

    /// Whether that has happened.
    pub fn has_lost_it(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn connection(
    client: TcpStream,
    target: PathBuf,
    mood: watch::Receiver<Mood>,
    (loses, lost): (Arc<AtomicBool>, Arc<AtomicBool>),
    questions: Arc<AtomicU32>,
) {
    if *mood.borrow() == Mood::Cuts {
        return;
    }
    let Ok(server) = UnixStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (swallows, said) = (AtomicBool::new(false), Mutex::new(Said::default()));
    let there = pump(from_client, to_server, mood.clone(), |bytes| {
        questions.fetch_add(1, Ordering::SeqCst);
        let commits = said.lock().unwrap().commits(bytes);
        if commits && loses.swap(false, Ordering::SeqCst) {
            swallows.store(true, Ordering::SeqCst);
        }
        true
    });
    let back = pump(from_server, to_client, mood.clone(), |_| {
        let swallowed = swallows.load(Ordering::SeqCst);
        lost.fetch_or(swallowed, Ordering::SeqCst);
        !swallowed
    });
    // Ended by either side.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

/// What a client of PostgreSQL has said so far on one connection (documentation, 54.7 "Message Formats").
#[derive(Default)]
struct Said {
    /// The names of the prepared statements that write.
    writing: HashSet<Vec<u8>>,
    in_transaction: bool,
}

impl Said {
    /// Whether something is committed by these messages. Each write of the client is whole messages.
    fn commits(&mut self, mut bytes: &[u8]) -> bool {
        let mut commits = false;
        while let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            let Some((body, rest)) = length.checked_sub(4).and_then(|length| rest.split_at_checked(length)) else { break };
            let mut words = body.split(|byte| *byte == 0);
            match (kind, words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
                (b'Q', b"BEGIN", _) => self.in_transaction = true,
                (b'Q', command @ (b"COMMIT" | b"ROLLBACK"), _) => {
                    self.in_transaction = false;
                    commits |= command == b"COMMIT";
                }
                (b'P', name, sql) if sql.windows(12).any(|window| window == b"INSERT INTO ") => {
                    self.writing.insert(name.to_vec());
                }
                (b'B', _, name) => commits |= !self.in_transaction && self.writing.contains(name),
                _ => {}
            }
            bytes = rest;
        }
        commits
    }
}

/// Hands on what comes, as long as `may_pass` says so of it.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mood: watch::Receiver<Mood>,
    may_pass: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let now = mood.borrow_and_update().clone();
        match now {
            Mood::Cuts => return,
            Mood::Passes => {}
            Mood::IsSlow(delay) => tokio::time::sleep(delay).await,
            // What was under way in the silence is lost, as on a line that is dead.
            Mood::IsSilent => {
                if mood.wait_for(|mood| *mood != Mood::IsSilent).await.is_err() {
                    return;
                }
            }
        }
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
