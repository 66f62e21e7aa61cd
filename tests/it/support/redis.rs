//! Throw-away Redis servers: each test starts its own on free ports, and they stop when the test ends, however it ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// Runs the server until its standard input ends: with the test process, by a signal too.
const SUPERVISOR: &str = r#"
redis-server "$@" >"$LOG" 2>&1 </dev/null &
server=$!
echo started
cat >/dev/null
kill -KILL $server
wait $server 2>/dev/null || true
"#;

/// One server.
pub struct Redis {
    pub port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    supervisor: Option<Child>,
}

/// A port that nobody has, and that nobody gets while the server is stopped: each is given out once, from below those that
/// the system gives out.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(20_000 + std::process::id() % 9_000).expect("a port");
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Redis {
    pub async fn start() -> Self {
        Self::start_with(|_, _| Vec::new()).await
    }

    /// With arguments made of the folder and the port.
    pub async fn start_with(arguments: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let arguments = arguments(folder.path(), port);
        let mut redis = Self { port, arguments, folder, supervisor: None };
        redis.resume().await;
        redis
    }

    /// Starts it, on the same port as before. Nothing is kept over a stop.
    pub async fn resume(&mut self) {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "redis-for-tests"]).current_dir(self.folder.path()).env("LOG", self.log());
        let port = self.port.to_string();
        if self.arguments.iter().any(|argument| argument == "--sentinel") {
            command.args(&self.arguments);
        } else {
            command
                .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"])
                .args(&self.arguments);
        }
        let mut supervisor = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell to start Redis");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("piped")).read_line(&mut line).expect("the supervisor answers");
        self.supervisor = Some(supervisor);
        for _ in 0..600 {
            let ready =
                std::fs::read_to_string(self.log()).is_ok_and(|log| log.contains("eady to accept") || log.contains("+monitor"));
            if ready {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("Redis does not start: {}", std::fs::read_to_string(self.log()).unwrap_or_default());
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            supervisor.wait().expect("it ends");
            std::fs::remove_file(self.log()).expect("a log");
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a command by a connection of its own, and waits for the answer.
    pub async fn command(&self, words: &[&str]) {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).exec_async(&mut connection).await.expect("the command is taken");
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
