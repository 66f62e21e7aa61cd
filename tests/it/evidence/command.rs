//! `ostiary audit`, and a server that is killed while it records.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Server;
use crate::program::{Program, Run};

/// So many entries: creating a client is one, and so is each change of it.
fn some_history(program: &Program) -> String {
    let created = program.run(&["--json", "client", "create", "--name", "=cmd", "--service", "--id", "service"]);
    created.json()["client_id"].as_str().expect("an id").to_owned()
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

fn changed(folder: &std::path::Path, sql: &str) {
    let connection = rusqlite::Connection::open(folder.join("data/ostiary.db")).expect("the database");
    connection.execute_batch(sql).expect("changed");
}

#[test]
fn an_export_is_verified_elsewhere_with_the_master_key_alone() {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), "[audit]\ncheckpoint_file = \"checkpoints\"\n").expect("written");
    some_history(&program);
    // A server seals what was written, and vouches for it when it stops.
    let mut server = Server::start_with(program, "[audit]\ncheckpoint_file = \"checkpoints\"\n");
    server.stop_gently();
    let verified = server.cli(&["--json", "audit", "verify", "--checkpoints", "checkpoints"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let found = report(&verified);
    assert_eq!((&found["intact"], &found["waiting"], &found["first"]), (&json!(true), &json!(0), &json!(1)));
    assert!(found["entries"].as_i64() >= Some(2) && found["copies"].as_i64() >= Some(1), "{found}");
    assert_eq!(found["vouched_until"], found["last"]);

    server.cli(&["audit", "export", "--output", "audit.jsonl"]).ok();
    let again = server.cli(&["audit", "export", "--output", "audit.jsonl"]);
    assert!(again.fails(1).contains("can't be written"), "no file is overwritten");
    let dump = fs::read_to_string(server.folder().join("audit.jsonl")).expect("an export");
    assert!(dump.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));

    let elsewhere = Program::new();
    fs::create_dir(elsewhere.folder().join("data")).expect("a folder");
    let copy = |file: &str| {
        fs::copy(server.folder().join(file), elsewhere.folder().join(file)).expect("copied");
    };
    copy("audit.jsonl");
    copy("checkpoints");
    let verify = ["--json", "audit", "verify", "--from-dump", "audit.jsonl", "--checkpoints", "checkpoints"];
    assert!(elsewhere.run(&verify).fails(6).contains("master key"), "not without it");
    fs::set_permissions(elsewhere.folder().join("data"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
    copy("data/master.key");
    assert_eq!(report(&elsewhere.run(&verify))["intact"], true);
    assert!(!elsewhere.folder().join("data/ostiary.db").exists(), "no database is made for it");

    let edited = dump.replacen("client.created", "client.deleted", 1);
    assert_ne!(edited, dump);
    fs::write(elsewhere.folder().join("audit.jsonl"), edited).expect("written");
    let run = elsewhere.run(&verify);
    assert_eq!(run.code, 7, "{run:?}");
    assert_eq!(report(&run)["findings"][0]["fault"], "edited");
    assert!(run.stderr.contains("edited entry "), "{run:?}");

    let cut = dump.lines().filter(|line| !line.contains("\"type\":\"client.created\"")).collect::<Vec<_>>().join("\n");
    fs::write(elsewhere.folder().join("audit.jsonl"), cut).expect("written");
    assert_eq!(report(&elsewhere.run(&verify))["findings"][0]["fault"], "deleted");
}

#[test]
fn the_first_bad_entry_is_named_by_the_command() {
    let program = Program::new();
    some_history(&program);
    let mut server = Server::start_in(program);
    server.stop_gently();
    assert!(server.cli(&["audit", "verify"]).ok().starts_with("The audit log is as it was written."));
    changed(server.folder(), "UPDATE audit_log SET address = '192.0.2.9' WHERE type = 'client.created'");
    let run = server.cli(&["audit", "verify"]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stdout.starts_with("The audit log was changed."), "{run:?}");
    assert!(run.stderr.contains("edited entry ") && run.stderr.contains("(id "), "{run:?}");
}

/// Y9, Y10: what strangers wrote is in the details.
#[test]
fn entries_are_listed_and_exported_by_filter() {
    let program = Program::new();
    some_history(&program);
    program.run(&["client", "disable", "service"]).ok();
    let listed = program.run(&["--json", "audit", "list", "--client", "service"]).json();
    let types: Vec<_> = listed.as_array().expect("a list").iter().map(|entry| entry["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["client.disabled", "client.created"]);
    let one = program.run(&["--json", "audit", "list", "--client", "service", "--limit", "1"]).json();
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    assert!(program.run(&["audit", "list", "--type", "client.created"]).ok().starts_with("time "));
    assert!(program.run(&["audit", "list", "--from", "yesterday"]).fails(2).contains("2026-11-22T09:30:00Z"));

    let csv = program.run(&["audit", "export", "--format", "csv", "--client", "service"]).ok();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[0].starts_with("sequence,id,occurred_at,type,"), "{csv}");
    let part = program.run(&["audit", "export", "--client", "service"]).ok();
    fs::write(program.folder().join("part.jsonl"), part).expect("written");
    assert!(program.run(&["audit", "verify", "--from-dump", "part.jsonl"]).fails(2).contains("a part of the log"));
    let exports = program.run(&["--json", "audit", "list", "--type", "audit.exported"]).json();
    assert_eq!(exports.as_array().map(Vec::len), Some(2), "{exports}");
    let key = program.run(&["audit", "key"]).json();
    assert_eq!((&key["kty"], &key["crv"], key.get("d")), (&json!("OKP"), &json!("Ed25519"), None));
}

/// Keeps a file for itself: whoever opens it waits until it is given up, as one waits for a mount that hangs.
const LEASE: &str = "import fcntl, signal, sys\n\
signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
file = open(sys.argv[1], 'r+')\n\
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
print('held', flush=True)\n\
sys.stdin.read()\n";

/// E7b, and M10.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3: --include-ignored"]
async fn a_file_for_copies_that_hangs_holds_up_neither_sealing_nor_the_end_and_is_told_of() {
    let program = Program::new();
    let file = program.folder().join("checkpoints");
    fs::write(&file, "").expect("written");
    let mut holder = Command::new("python3")
        .args(["-c", LEASE])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut said = String::new();
    BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut said).expect("it answers");
    assert_eq!(said.trim(), "held");

    let more = "[audit]\ncheckpoint_file = \"checkpoints\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let mut server = Server::start_with(program, more);
    server.cli(&["client", "create", "--name", "Service", "--service"]).ok();
    let patience = Instant::now();
    let is_sealed = |server: &Server| {
        let listed = server.cli(&["--json", "audit", "list", "--type", "client.created"]).json();
        listed[0]["sequence"].is_i64()
    };
    while !is_sealed(&server) {
        assert!(patience.elapsed() < Duration::from_secs(20), "nothing is sealed");
    }
    let url = format!("http://{}/metrics", server.notice["metrics"].as_str().expect("an address"));
    let failed = "ostiary_job_runs_total{task=\"checkpoint_copies\",outcome=\"failure\"} ";
    loop {
        let figures = reqwest::get(&url).await.expect("an answer").text().await.expect("text");
        let count = figures.lines().find_map(|line| line.strip_prefix(failed)).expect("a figure from the first copy on");
        if count != "0" {
            break;
        }
        assert!(patience.elapsed() < Duration::from_secs(30), "nobody is told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fs::metadata(&file).expect("a file").len(), 0, "it hangs still");
    let stopping = Instant::now();
    tokio::task::block_in_place(|| server.stop_gently());
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
    holder.kill().expect("killed");
    holder.wait().expect("it ended");
}

/// E7b.
#[test]
fn how_long_entries_have_waited_to_be_sealed_is_told() {
    let program = Program::new();
    some_history(&program);
    let run = program.run(&["audit", "verify"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.contains("Waiting to be sealed  1, the oldest since 20"), "{run:?}");
    let since = report(&program.run(&["--json", "audit", "verify"]))["waiting_since"].clone();
    assert!(since.as_str().is_some_and(|since| since.ends_with('Z')), "{since}");
}

/// G3 and G4: nothing that was answered is missing, and the chain is whole, however often the server is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_leaves_a_whole_log() {
    let more = "[audit]\ntokens = true\ncheckpoint_interval = 10\n[limits]\nenabled = false\n";
    let mut server = Server::start_with(Program::new(), more);
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let answered = Arc::new(AtomicI64::new(0));
    for _ in 0..4 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (stop, answered, url) = (Arc::clone(&stop), Arc::clone(&answered), format!("{}/token", server.issuer));
            let (id, secret) = (id.clone(), secret.clone());
            callers.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().expect("a client");
                while !stop.load(Ordering::SeqCst) {
                    let form = [("grant_type", "client_credentials")];
                    let answer = client.post(&url).basic_auth(&id, Some(&secret)).form(&form).send().await;
                    if answer.is_ok_and(|answer| answer.status() == 200) {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let before = answered.load(Ordering::SeqCst);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while answered.load(Ordering::SeqCst) < before + 150 && std::time::Instant::now() < end {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| server.kill_and_restart());
        stop.store(true, Ordering::SeqCst);
        while callers.join_next().await.is_some() {}
    }
    let found = report(&server.cli(&["--json", "audit", "verify"]));
    assert_eq!(found["intact"], true, "{found}");
    let recorded = server.cli(&["--json", "audit", "list", "--type", "token.issued", "--limit", "100000"]).json();
    let recorded = i64::try_from(recorded.as_array().expect("a list").len()).expect("a number");
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered >= 150 && recorded >= answered, "{recorded} recorded, {answered} answered");
}
