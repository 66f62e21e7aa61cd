//! Whether it lives and is ready: a word, and nothing about the inside (behaviours OP2).

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Server;
use crate::program::Program;

/// Status and body, if there is an answer.
async fn ask(server: &Server, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("{}{path}", server.issuer)).await.ok()?;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().get("server").is_none() && answer.headers().get("x-powered-by").is_none());
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_lives_and_is_not_ready_before_it_takes_no_more_connections() {
    let server = Server::start_with(Program::new(), "shutdown_delay = 60\n");
    assert_eq!(ask(&server, "/health/live").await, Some((200, "live".to_owned())));
    assert_eq!(ask(&server, "/health/ready").await, Some((200, "ready".to_owned())));
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill").success());
    let patience = Instant::now();
    while ask(&server, "/health/ready").await == Some((200, "ready".to_owned())) {
        assert!(patience.elapsed() < Duration::from_secs(10), "it stays ready");
    }
    assert_eq!(ask(&server, "/health/ready").await, Some((503, "unavailable".to_owned())));
    assert_eq!(ask(&server, "/health/live").await, Some((200, "live".to_owned())));
    let jwks = reqwest::get(format!("{}/jwks", server.issuer)).await.expect("connections are still taken");
    assert_eq!(jwks.status().as_u16(), 200);
}
