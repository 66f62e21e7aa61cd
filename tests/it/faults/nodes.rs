//! Many nodes on one database (behaviours 2, "N=5 instances start on empty DB"; G4, H1): real processes on PostgreSQL.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

use crate::clients::person::Person;
use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::program::Program;
use crate::support::flow::{CHALLENGE, VERIFIER};
use crate::support::postgres::Database;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Nodes of one installation, started at the same moment. Each has an issuer of its own here: they listen side by side.
async fn start(database: &Database, number: usize) -> Vec<Server> {
    let more = format!("[database]\nurl = \"{}\"\n[limits]\nenabled = false\n", database.url());
    let starting: Vec<_> = (0..number)
        .map(|_| {
            let more = more.clone();
            tokio::task::spawn_blocking(move || {
                Server::start_as(Program::new(), &more, |mut command| {
                    command.env("OSTIARY_MASTER_KEY", KEY);
                    command
                })
            })
        })
        .collect();
    let mut nodes = Vec::new();
    for node in starting {
        nodes.push(node.await.expect("a node starts"));
    }
    nodes
}

async fn kids(node: &Server) -> BTreeSet<String> {
    let jwks: Value = reqwest::get(format!("{}/jwks", node.issuer)).await.expect("an answer").json().await.expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn five_nodes_that_start_at_once_on_an_empty_database_are_one_installation() {
    let database = Database::create("five_nodes", "template0").await;
    let nodes = start(&database, 5).await;
    let first = kids(&nodes[0]).await;
    assert!(!first.is_empty());
    for node in &nodes {
        let ready = reqwest::get(format!("{}/health/ready", node.issuer)).await.expect("an answer").status();
        assert_eq!(ready, 200);
        assert_eq!(kids(node).await, first, "they sign with the same keys");
    }
}

/// Runs a command on the nodes' database.
fn command(node: &Server, arguments: &[&str], input: &str) {
    use std::io::Write;
    let mut command = node.command(arguments);
    command.env("OSTIARY_MASTER_KEY", KEY).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{arguments:?}");
}

async fn holds_within(what: &str, most: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < most, "not after {:?}: {what}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_one_node_ends_has_ended_on_the_others() {
    let database = Database::create("two_nodes", "template0").await;
    let nodes = start(&database, 2).await;
    let [one, other] = &nodes[..] else { panic!("two nodes") };
    command(one, &["user", "create", PERSON.0, "--password-stdin"], PERSON.1);
    command(
        one,
        &["client", "create", "--name", "App", "--id", "app", "--public", "--first-party", "--redirect-uri", REDIRECT_URI],
        "",
    );
    let http = Client::builder().no_proxy().build().expect("a client");
    let post = async |node: &Server, path: &str, fields: &[(&str, &str)]| {
        let answer = http.post(format!("{}{path}", node.issuer)).form(fields).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let tokens = async || {
        let params = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid offline_access"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let start = url::Url::parse_with_params(&format!("{}/authorize", one.issuer), params).expect("a URL");
        let back = Person::new().visit(start).await;
        let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        // The other node redeems what this one gave out.
        let (status, tokens) = post(other, "/token", &fields).await;
        assert_eq!(status, 200, "{tokens}");
        tokens["refresh_token"].as_str().expect("a refresh token").to_owned()
    };
    let refresh = async |node: &Server, token: &str| {
        post(node, "/token", &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)]).await.0
    };

    // At once: nobody waits for anything.
    let token = tokens().await;
    assert_eq!(post(one, "/revoke", &[("client_id", "app"), ("token", &token)]).await.0, 200);
    assert_eq!(refresh(other, &token).await, 400, "revoked on one, good on the other");

    let token = tokens().await;
    command(one, &["user", "disable", PERSON.0], "");
    assert_eq!((refresh(other, &token).await, refresh(one, &token).await), (400, 400));
    command(one, &["user", "enable", PERSON.0], "");

    // What is kept in memory: as soon as PostgreSQL has told it.
    let before = kids(other).await;
    command(one, &["key", "rotate", "--now"], "");
    for node in [one, other] {
        holds_within("the new keys are published", Duration::from_secs(5), async || {
            kids(node).await.difference(&before).count() > 0
        })
        .await;
    }
    holds_within("both publish the same", Duration::from_secs(5), async || kids(one).await == kids(other).await).await;
    let token = tokens().await;
    command(one, &["client", "disable", "app"], "");
    for node in [one, other] {
        holds_within("a disabled client is refused", Duration::from_secs(5), async || refresh(node, &token).await == 401).await;
    }
}
