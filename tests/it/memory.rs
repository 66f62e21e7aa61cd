//! What the server holds in memory, besides the program itself (`RssAnon`: proc_pid_status(5)).

use std::fs;
use std::time::{Duration, Instant};

use reqwest::Client;
use url::Url;

use crate::clients::person::Person;
use crate::process::{REDIRECT_URI, Server};
use crate::program::Program;
use crate::support::flow::CHALLENGE;

/// What a hash works in (`password.memory_kib`).
const HASH_KIB: u64 = 19_456;

/// What everything else may take, of the unoptimised program; the optimised one takes a third less. Nothing that it keeps grows with the
/// requests that it answered.
const MOST_KIB: u64 = 32 * 1024;

fn anonymous_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_hashes_goes_back_and_requests_leave_none_behind() {
    let server = Server::start_with(Program::new(), "[limits]\nenabled = false\n");
    server.person();
    let web = server.client(&["--name", "Web", "--redirect-uri", REDIRECT_URI, "--public"]);
    let opaque = server.client(&["--name", "Opaque", "--service", "--opaque"]);
    let params = [
        ("client_id", web.0.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let start = Url::parse_with_params(&format!("{}/authorize", server.issuer), params).expect("a URL");
    let before = anonymous_kib(&server);
    let back = Person::new().visit(start).await;
    assert!(back.query_pairs().any(|(name, _)| name == "code"), "{back}");

    let token_url = format!("{}/token", server.issuer);
    let http = Client::builder().no_proxy().build().expect("HTTP client");
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (http, token_url, (id, secret)) = (http.clone(), token_url.clone(), opaque.clone());
            tokio::spawn(async move {
                for _ in 0..100 {
                    let request =
                        http.post(&token_url).basic_auth(&id, Some(&secret)).form(&[("grant_type", "client_credentials")]);
                    let status = request.send().await.expect("an answer").status();
                    assert_eq!(status, 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("answers");
    }
    let begun = Instant::now();
    loop {
        let now = anonymous_kib(&server);
        if now < MOST_KIB && now < before + HASH_KIB {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{now} KiB are held, {before} at the start");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
