//! Servers that run while their master key is replaced (H7): real processes, on both databases.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::command::{status, with_key};
use crate::clients::person::Person;
use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::program::{Program, Run};
use crate::support::flow::{CHALLENGE, VERIFIER, claims, header};
use crate::support::postgres;

const NEW: &str = "second.key";

async fn tokens(server: &Server, secret: &str, fields: &[(&str, &str)]) -> Value {
    let http = Client::builder().no_proxy().build().expect("a client");
    let request = http.post(format!("{}/token", server.issuer)).basic_auth("app", Some(secret)).form(fields);
    let answer = request.send().await.expect("an answer");
    let (status, tokens) = (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"));
    assert_eq!(status, 200, "{tokens}");
    tokens
}

/// Comes back with a code: by logging in, or with `prompt=none` by being in.
async fn code(server: &Server, person: &mut Person, prompt: Option<&str>) -> String {
    let params = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let params = params.into_iter().chain(prompt.map(|prompt| ("prompt", prompt)));
    let start = Url::parse_with_params(&format!("{}/authorize", server.issuer), params).expect("a URL");
    let back = person.visit(start).await;
    back.query_pairs().find(|(name, _)| name == "code").unwrap_or_else(|| panic!("{back}")).1.into_owned()
}

async fn redeem(server: &Server, secret: &str, code: &str) -> Value {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
    tokens(server, secret, &fields).await
}

/// For whom the refresh token is.
async fn refresh(server: &Server, secret: &str, token: &str) -> String {
    sub(&tokens(server, secret, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await)
}

fn kid(tokens: &Value) -> Value {
    header(tokens["id_token"].as_str().expect("an ID token"))["kid"].clone()
}

fn sub(tokens: &Value) -> String {
    claims(tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}")))["sub"].as_str().expect("a sub").to_owned()
}

/// Waits until a checkpoint that keys were the reason for vouches for an entry of this kind.
fn vouched(run: impl Fn(&[&str]) -> Run, kind: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let lines = run(&["audit", "export"]).ok();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let entry = lines.iter().find(|line| line["type"] == kind).and_then(|line| line["sequence"].as_i64());
        let checkpoints = lines.iter().filter_map(|line| line["checkpoint"].as_str());
        let said = checkpoints.map(|signed| {
            let payload = signed.split('.').nth(1).expect("a JWS");
            serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
        });
        let by_keys: Vec<i64> =
            said.filter(|said| said["occasion"] == "keys").filter_map(|said| said["sequence"].as_i64()).collect();
        // The interval is five minutes, and no other key changes: none of that comes by itself.
        if entry.is_some_and(|entry| by_keys.iter().any(|vouched| *vouched >= entry)) {
            return;
        }
        assert!(Instant::now() < end, "no checkpoint after {kind} ({entry:?}): {by_keys:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn a_server_gets_another_master_key(section: &str, nodes: bool) {
    let mut server = Server::start_with(Program::new(), section);
    server.person();
    let (_, secret) = server.client(&["--name=App", "--id=app", "--first-party", "--redirect-uri", REDIRECT_URI]);
    let old =
        with_old(&server, &["--json", "key", "status"]).json()[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let mut anna = Person::new();
    let first = redeem(&server, &secret, &code(&server, &mut anna, None).await).await;
    let (her, token) = (sub(&first), first["refresh_token"].as_str().expect("a refresh token"));

    server.cli(&["key", "rotate-master", "--new-key-file", NEW]).ok();
    vouched(|arguments| with_old(&server, arguments), "master_key.added");
    // The server that runs takes no notice; on PostgreSQL another one starts with the old key meanwhile.
    assert_eq!(refresh(&server, &secret, token).await, her);
    let beside = nodes.then(|| {
        let program = Program::new();
        fs::create_dir(program.folder().join("data")).expect("a folder");
        fs::set_permissions(program.folder().join("data"), fs::Permissions::from_mode(0o700)).expect("private");
        fs::copy(server.folder().join("data/master.key"), program.folder().join("data/master.key")).expect("a copy");
        Server::start_with(program, section)
    });

    server.restart_as(|mut command| {
        command.env("OSTIARY_KEYS__MASTER_KEY_FILE", NEW);
        command
    });
    // Her session, her refresh token and her password; the secret of the client, and the keys that sign.
    assert_eq!(sub(&redeem(&server, &secret, &code(&server, &mut anna, Some("none")).await).await), her);
    assert_eq!(refresh(&server, &secret, token).await, her);
    let second = redeem(&server, &secret, &code(&server, &mut Person::new(), None).await).await;
    assert_eq!(sub(&second), her);
    assert_eq!(kid(&second), kid(&first));

    with_new(&server, &["key", "drop-master", &old]).ok();
    vouched(|arguments| with_new(&server, arguments), "master_key.dropped");
    assert_eq!(refresh(&server, &secret, token).await, her);
    if let Some(beside) = beside {
        // It started before the drop: it goes on, and reads what the other one writes.
        assert_eq!(refresh(&beside, &secret, second["refresh_token"].as_str().expect("a refresh token")).await, her);
        let refused = beside.cli(&["user", "list"]).fails(6);
        assert!(refused.contains(&old), "{refused}");
    }
    let verified = with_new(&server, &["--json", "audit", "verify"]).json();
    assert_eq!(verified["intact"], true, "{verified}");
    server.stop_gently();
    let refused = with_old(&server, &["serve"]).fails(6);
    assert!(refused.contains(&old), "{refused}");
}

fn with_old(server: &Server, arguments: &[&str]) -> Run {
    server.cli(arguments)
}

fn with_new(server: &Server, arguments: &[&str]) -> Run {
    let mut command = server.command(arguments);
    command.env("OSTIARY_KEYS__MASTER_KEY_FILE", NEW).stdin(std::process::Stdio::null());
    command.output().expect("the program runs").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gets_another_master_key_on_sqlite() {
    a_server_gets_another_master_key("", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_server_gets_another_master_key_on_postgresql() {
    let database = postgres::Database::create("master_key_running", "template0").await;
    a_server_gets_another_master_key(&format!("[database]\nurl = \"{}\"\n", database.url()), true).await;
}

/// Doctor tells of a rotation that nobody ended.
#[test]
fn a_rotation_that_was_not_ended_is_found() {
    let program = Program::new();
    program.run_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let found = || {
        let run = with_key(&program, NEW, &["--json", "doctor", "--offline"]);
        let findings: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        let findings = findings["findings"].as_array().expect("findings").clone();
        findings.into_iter().find(|finding| finding["check"] == "master_keys").expect("a finding")
    };
    program.run(&["key", "rotate-master", "--new-key-file", NEW]).ok();
    assert_eq!(found()["level"], "ok");
    let database = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("the database");
    database.execute_batch("UPDATE master_keys SET created_at = created_at - 8 * 86400000000").expect("changed");
    drop(database);
    let note = found();
    assert_eq!(note["level"], "note", "{note}");
    assert!(note["mend"].as_str().is_some_and(|mend| mend.contains("drop-master")), "{note}");
    let (accepted, own) = status(&program, NEW);
    let old = accepted.iter().find(|key| **key != own).expect("the other one");
    with_key(&program, NEW, &["key", "drop-master", old]).ok();
    assert_eq!(found()["level"], "ok");
}
