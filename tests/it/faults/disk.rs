//! A disk that is full (behaviours 2, "disk full"). The limit of a file's size stands in for it: it needs no rights, and it can be
//! lifted while the server runs. A write beyond it fails as one to a full disk does.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_writes_are_503_and_nothing_is_acknowledged_that_is_not_in_the_audit_log() {
    let server = start();
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let http = Client::builder().no_proxy().build().expect("a client");
    let ask = async || {
        let request = http.post(format!("{}/token", server.issuer)).basic_auth(&id, Some(&secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.expect("the server answers");
        let later = answer.headers().contains_key("retry-after");
        (answer.status().as_u16(), later, answer.json::<Value>().await.expect("JSON"))
    };
    let mut acknowledged = 0_i64;
    for _ in 0..5 {
        assert_eq!(ask().await.0, 200);
        acknowledged += 1;
    }
    let log = fs::metadata(server.folder().join("data/ostiary.db-wal")).expect("a write-ahead log").len();
    let_files_grow_to(&server, &(log + 16_384).to_string());
    let mut refused = 0;
    let began = Instant::now();
    while refused < 10 {
        assert!(began.elapsed() < Duration::from_secs(30), "the disk is never full");
        let (status, later, body) = ask().await;
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
        let answer = http.get(format!("{}{path}", server.issuer)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
    }

    let_files_grow_to(&server, "unlimited");
    let healed = Instant::now();
    while ask().await.0 != 200 {
        assert!(healed.elapsed() < Duration::from_secs(5), "it does not heal");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    acknowledged += 1;
    let found = server.cli(&["--json", "audit", "verify"]).json();
    assert_eq!(found["intact"], true, "{found}");
    let recorded = server.cli(&["--json", "audit", "list", "--type", "token.issued", "--limit", "100000"]).json();
    let recorded = i64::try_from(recorded.as_array().expect("a list").len()).expect("a number");
    assert!(recorded >= acknowledged, "{recorded} recorded, {acknowledged} acknowledged");
}
