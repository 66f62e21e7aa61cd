//! A disk that is full (behaviours 2, "disk full"), and one that fails. The limit of a file's size stands in for the first: it needs no
//! rights, and it can be lifted while the server runs. A write beyond it fails as one to a full disk does.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

use super::all;
use crate::process::{Server, started_by};
use crate::program::Program;

/// A server that is told of a write that fails, in the place of being killed for it.
fn start() -> Server {
    let more = "[audit]\ntokens = true\n[limits]\nenabled = false\n";
    Server::start_as(Program::new(), more, |command| started_by(&["sh", "-c", "trap '' XFSZ && exec \"$@\"", "sh"], &command))
}

fn let_files_grow_to(server: &Server, bytes: &str) {
    let limit = format!("--fsize={bytes}:");
    let set = Command::new("prlimit").args(["--pid", &server.id().to_string(), &limit]).status();
    assert!(set.is_ok_and(|status| status.success()), "prlimit of util-linux sets a limit");
}

/// A client that asks for tokens, each of which is a row.
struct Asking {
    http: Client,
    url: String,
    id: String,
    secret: String,
}

impl Asking {
    fn of(server: &Server) -> Self {
        let (id, secret) = server.client(&["--name", "Service", "--service"]);
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { http, url: format!("{}/token", server.issuer), id, secret }
    }

    /// The status, whether it says when to come again, and the body.
    async fn ask(&self) -> (u16, bool, Value) {
        let request = self.http.post(&self.url).basic_auth(&self.id, Some(&self.secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.expect("the server answers");
        let later = answer.headers().contains_key("retry-after");
        (answer.status().as_u16(), later, answer.json::<Value>().await.expect("JSON"))
    }

    /// Asks until the server has healed.
    async fn is_served_again(&self) {
        let healed = Instant::now();
        while self.ask().await.0 != 200 {
            assert!(healed.elapsed() < Duration::from_secs(5), "it does not heal");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Each token that was given is in the audit log, which is as it was written.
fn all_is_recorded(server: &Server, acknowledged: usize) {
    let found = server.cli(&["--json", "audit", "verify"]).json();
    assert_eq!(found["intact"], true, "{found}");
    let recorded = server.cli(&["--json", "audit", "list", "--type", "token.issued", "--limit", "100000"]).json();
    let recorded = recorded.as_array().expect("a list").len();
    assert!(recorded >= acknowledged, "{recorded} recorded, {acknowledged} acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_writes_are_503_and_nothing_is_acknowledged_that_is_not_in_the_audit_log() {
    let server = start();
    let asking = Asking::of(&server);
    let mut acknowledged = 0;
    for _ in 0..5 {
        assert_eq!(asking.ask().await.0, 200);
        acknowledged += 1;
    }
    let log = fs::metadata(server.folder().join("data/ostiary.db-wal")).expect("a write-ahead log").len();
    let_files_grow_to(&server, &(log + 16_384).to_string());
    let mut refused = 0;
    let began = Instant::now();
    while refused < 10 {
        assert!(began.elapsed() < Duration::from_secs(30), "the disk is never full");
        let (status, later, body) = asking.ask().await;
        match status {
            200 => acknowledged += 1,
            503 => {
                assert!(later && body["error"] == "temporarily_unavailable", "{body}");
                refused += 1;
            }
            status => panic!("{status}: {body}"),
        }
    }
    // Who needs no disk is served.
    for path in ["/jwks", "/health/live", "/.well-known/openid-configuration"] {
        let answer = asking.http.get(format!("{}{path}", server.issuer)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
    }

    let_files_grow_to(&server, "unlimited");
    asking.is_served_again().await;
    acknowledged += 1;
    all_is_recorded(&server, acknowledged);
}

/// The operating system refuses the process's orders to keep what was written, until this is dropped.
struct FailingDisk(Child);

impl FailingDisk {
    async fn of(server: &Server) -> Self {
        let pid = server.id().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        strace.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &pid]);
        let failing = Self(strace.spawn().expect("strace"));
        let began = Instant::now();
        // A thread may end while it is looked at.
        let is_traced = |status: std::io::Result<String>| !status.is_ok_and(|status| status.contains("TracerPid:\t0\n"));
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten();
        while !threads().all(|thread| is_traced(fs::read_to_string(thread.path().join("status")))) {
            assert!(began.elapsed() < Duration::from_secs(10), "strace does not attach");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        failing
    }
}

impl Drop for FailingDisk {
    /// It lets the server go when it is told to end; killed, it might leave it stopped.
    fn drop(&mut self) {
        Command::new("kill").arg(self.0.id().to_string()).status().ok();
        self.0.wait().ok();
    }
}

/// Nobody is told of what the disk may not have kept, and what comes after does not rest on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace: scripts/test"]
async fn what_the_disk_did_not_keep_is_not_acknowledged() {
    let mut server = Server::start_with(Program::new(), "[audit]\ntokens = true\n[limits]\nenabled = false\n");
    let asking = Asking::of(&server);
    let mut acknowledged = 0;
    for _ in 0..3 {
        assert_eq!(asking.ask().await.0, 200);
        acknowledged += 1;
    }
    let failing = FailingDisk::of(&server).await;
    for (status, later, body) in all((0..20).map(|_| asking.ask())).await {
        assert_eq!(status, 503, "{body}");
        assert!(later && body["error"] == "temporarily_unavailable", "{body}");
    }
    assert_eq!(asking.ask().await.0, 503, "what comes next rests on what failed");
    drop(failing);
    asking.is_served_again().await;
    acknowledged += 1;
    // What failed went from the log to the database's file, and the log began anew.
    let log = fs::metadata(server.folder().join("data/ostiary.db-wal")).expect("a write-ahead log").len();
    assert!(log < 200_000, "{log}");
    for (status, _, body) in all((0..20).map(|_| asking.ask())).await {
        assert_eq!(status, 200, "{body}");
        acknowledged += 1;
    }
    server.kill_and_restart();
    all_is_recorded(&server, acknowledged);
    server.stop_gently();
}
