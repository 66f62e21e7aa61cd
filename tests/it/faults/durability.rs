//! What is acknowledged is on the disk (behaviours 2, "power loss"). The machine's power can't be cut in a test: the orders to write
//! are counted instead.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;

use super::all;
use crate::process::{Server, started_by};
use crate::program::Program;

/// How often the server has ordered the disk to keep the database's log, up to now.
fn syncs(trace: &Path) -> usize {
    let trace = fs::read_to_string(trace).expect("a trace");
    trace.lines().filter(|line| line.contains("sync(") && line.contains("ostiary.db-wal>")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace: scripts/test"]
async fn every_acknowledged_write_is_synced_and_many_share_one() {
    let program = Program::new();
    let trace = program.folder().join("trace");
    let name = trace.to_str().expect("UTF-8").to_owned();
    // -D: the process that is started stays the server.
    let strace = ["strace", "-D", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", &name];
    let more = "[audit]\ntokens = true\n[limits]\nenabled = false\n";
    let mut server = Server::start_as(program, more, |command| started_by(&strace, &command));
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let http = Client::builder().no_proxy().build().expect("a client");
    let ask = async || {
        let request = http.post(format!("{}/token", server.issuer)).basic_auth(&id, Some(&secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.expect("the server answers");
        assert_eq!(answer.status(), 200);
    };
    ask().await;
    // One after the other: the disk was asked before each answer.
    for number in 0..20 {
        let before = syncs(&trace);
        ask().await;
        assert!(syncs(&trace) > before, "answer {number} came before the disk was asked");
    }
    // At once: they share.
    let before = syncs(&trace);
    let began = Instant::now();
    let asked: Vec<()> = all((0..200).map(|_| ask())).await;
    assert!(began.elapsed() < Duration::from_mins(1));
    let shared = syncs(&trace) - before;
    assert!(shared > 0 && shared < asked.len(), "{shared} for {} writes", asked.len());
    server.stop_gently();
}

/// A PostgreSQL that may forget is told of at the start.
#[test]
#[ignore = "needs PostgreSQL: --include-ignored"]
fn postgresql_that_does_not_write_to_the_disk_is_told_of() {
    use crate::support::postgres::Database;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The server of the tests runs without fsync.
    let database = runtime.block_on(Database::create("forgetful", "template0"));
    let program = Program::new();
    let log = fs::File::create(program.folder().join("log")).expect("a file");
    let more = format!("[database]\nurl = \"{}\"\n", database.url());
    let server = Server::start_as(program, &more, |mut command| {
        command.stderr(log);
        command
    });
    let log = fs::read_to_string(server.folder().join("log")).expect("a log");
    for setting in ["fsync", "full_page_writes"] {
        assert!(log.lines().any(|line| line.contains("may lose") && line.contains(setting)), "{setting}: {log}");
    }
}
