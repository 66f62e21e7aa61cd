//! `ostiary serve`: what it says, what it refuses, and that commands work beside it.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::http::load::Load;
use crate::process::{Server, allow_open_files};
use crate::program::Program;
use crate::support::server::basic;

#[tokio::test]
async fn it_says_where_it_listens_and_how_to_become_administrator() {
    let mut server = Server::start();
    let discovery = server.notice["discovery"].as_str().expect("a URL").to_owned();
    assert_eq!(discovery, format!("{}/.well-known/openid-configuration", server.issuer));
    let document: serde_json::Value = reqwest::get(discovery).await.expect("answer").json().await.expect("JSON");
    assert_eq!(document["issuer"], server.issuer.as_str());

    let first = server.notice["setup_link"].as_str().expect("a link").to_owned();
    assert!(first.starts_with(&format!("{}/setup?token=", server.issuer)), "{first}");
    server.kill_and_restart();
    let second = server.notice["setup_link"].as_str().expect("a link").to_owned();
    assert_ne!(first, second, "each start makes a new link");
    let token = second.rsplit('=').next().expect("a token");
    assert!(!holds(&server, token), "the link's token is in the database");

    server.cli(&["user", "create", "anna", "--role", "admin", "--no-password"]).ok();
    server.kill_and_restart();
    assert!(server.notice.get("setup_link").is_none(), "there is an administrator now: {}", server.notice);
}

fn holds(server: &Server, text: &str) -> bool {
    let files = fs::read_dir(server.folder().join("data")).expect("data folder");
    files
        .map(|file| fs::read(file.expect("entry").path()).expect("readable"))
        .any(|content| content.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn a_second_server_on_the_same_database_is_refused() {
    let server = Server::start();
    let complaint = server.cli(&["serve"]).fails(6);
    assert!(complaint.contains("another server uses"), "{complaint}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address");
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), format!("[server]\nlisten = \"{address}\"\n")).expect("written");
    let complaint = program.run(&["serve"]).fails(6);
    assert!(complaint.contains(&address.to_string()) && complaint.contains("server.listen"), "{complaint}");
}

#[test]
fn without_a_command_it_serves() {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), "[log]\nfilter = \"=nonsense=\"\n").expect("written");
    assert_eq!(program.run(&[]).fails(3), program.run(&["serve"]).fails(3), "both get as far as the log's filter");
}

#[tokio::test]
async fn what_a_command_changes_holds_in_the_running_server_at_once() {
    let server = Server::start();
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let status = async || {
        let request = reqwest::Client::new().post(format!("{}/token", server.issuer)).basic_auth(&id, Some(&secret));
        request.form(&[("grant_type", "client_credentials")]).send().await.expect("answer").status().as_u16()
    };
    assert_eq!(status().await, 200);
    server.cli(&["client", "disable", &id]).ok();
    let patience = Instant::now();
    while status().await != 401 {
        assert!(patience.elapsed() < Duration::from_secs(10), "the server never learned of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn with_few_open_files_hundreds_who_say_nothing_keep_nobody_waiting() {
    allow_open_files(1_500);
    let server = Server::start_with_open_files(100);
    let address = server.notice["listening"].as_str().expect("an address");
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(tokio::net::TcpStream::connect(address).await.expect("connected"));
    }
    let began = Instant::now();
    for path in ["/health/ready", "/jwks"] {
        let status = reqwest::get(format!("{}{path}", server.issuer)).await.expect("an answer").status();
        assert_eq!(status.as_u16(), 200, "{path}: the database has files to open too");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_and_sigint_end_it_under_load_with_success_and_without_one_failed_request() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start();
        let (id, secret) = server.client(&["--name", "Service", "--service"]);
        let address = server.notice["listening"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        // One that only reads, and one that signs, writes and is written to the audit log.
        let body = "grant_type=client_credentials";
        let requests = [
            "GET /jwks HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            format!(
                "POST /token HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                 content-length: {}\r\n\r\n{body}",
                basic(&id, &secret),
                body.len()
            ),
        ];
        let load = Load::start(address, 8, &requests);
        load.wait_for(200).await;
        let killed = Command::new("kill").arg(signal).arg(server.id().to_string()).status().expect("kill");
        assert!(killed.success());
        let exit = tokio::task::spawn_blocking(move || server.wait()).await.expect("waited");
        assert_eq!((exit, load.end().await), (Some(0), 0), "{signal}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let mut server = Server::start();
    let (id, _) = server.client(&["--name", "Service", "--service"]);
    server.kill_and_restart();
    assert_eq!(server.cli(&["--json", "client", "list"]).json()[0]["client_id"], id.as_str());
}
