//! Figures for Prometheus: where they are, what they say, and that nobody makes them grow (behaviours OP1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use http::Method;
use ostiary::telemetry::metrics::family;
use reqwest::Client;
use url::Url;

use crate::clients::person::{Person, fill_in};
use crate::process::Server;
use crate::program::Program;

const ON: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n[limits]\nenabled = false\n";

fn start() -> Server {
    Server::start_with(Program::new(), ON)
}

fn url(server: &Server) -> String {
    format!("http://{}", server.notice["metrics"].as_str().expect("a listener of their own"))
}

async fn text(server: &Server) -> String {
    let answer = reqwest::get(format!("{}/metrics", url(server))).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.text().await.expect("text")
}

/// Each sample: its name with the labels, and its value.
async fn samples(server: &Server) -> BTreeMap<String, f64> {
    let text = text(server).await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        })
        .collect()
}

async fn series(server: &Server) -> BTreeSet<String> {
    samples(server).await.into_keys().collect()
}

#[tokio::test]
async fn the_figures_are_on_a_listener_of_their_own_and_never_where_the_public_asks() {
    let server = start();
    for path in ["/metrics", "/metrics/", "/debug", "/debug/pprof", "/debug/vars", "/health/metrics", "/api/v1/metrics"] {
        let status = reqwest::get(format!("{}{path}", server.issuer)).await.expect("an answer").status();
        assert_eq!(status.as_u16(), 404, "{path}");
    }
    for path in ["/", "/token", "/login", "/admin", "/health/live", "/api/v1/admin/users", "/.well-known/openid-configuration"] {
        let status = reqwest::get(format!("{}{path}", url(&server))).await.expect("an answer").status();
        assert_eq!(status.as_u16(), 404, "{path}");
    }
    let posted = Client::new().post(format!("{}/metrics", url(&server))).send().await.expect("an answer");
    assert_eq!(posted.status().as_u16(), 405);
    assert!(text(&server).await.contains("ostiary_ready 1\n"));
}

#[test]
fn there_are_none_where_nobody_asked_for_them() {
    let server = Server::start();
    assert!(server.notice.get("metrics").is_none(), "{}", server.notice);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address");
    let program = Program::new();
    let configuration = format!("[server]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"{address}\"\n");
    std::fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
    let complaint = program.run(&["serve"]).fails(6);
    assert!(complaint.contains(&address.to_string()) && complaint.contains("metrics.listen"), "{complaint}");
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::start_with(Program::new(), "[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let (id, secret) = server.client(&["--name", "Service", "--service"]);
    let token = async |secret: &str, grant_type: &str| {
        let request = Client::new().post(format!("{}/token", server.issuer)).basic_auth(&id, Some(secret));
        request.form(&[("grant_type", grant_type)]).send().await.expect("answer").status().as_u16()
    };
    assert_eq!(token(&secret, "client_credentials").await, 200);
    assert_eq!(token(&secret, "client_credentials").await, 200);
    assert_eq!(token("wrong", "client_credentials").await, 401);
    assert_eq!(token(&secret, "made_up").await, 400);
    let _ = reqwest::get(format!("{}/nothing/here", server.issuer)).await.expect("an answer");

    let samples = samples(&server).await;
    for (series, value) in [
        ("ostiary_http_requests_total{endpoint=\"/token\",method=\"POST\",status=\"2xx\"}", 2.0),
        ("ostiary_http_requests_total{endpoint=\"/token\",method=\"POST\",status=\"4xx\"}", 2.0),
        ("ostiary_http_requests_total{endpoint=\"other\",method=\"GET\",status=\"4xx\"}", 1.0),
        ("ostiary_http_request_duration_seconds_count{endpoint=\"/token\"}", 4.0),
        ("ostiary_http_request_duration_seconds_bucket{endpoint=\"/token\",le=\"+Inf\"}", 4.0),
        ("ostiary_http_requests_in_flight", 0.0),
        ("ostiary_token_requests_total{grant_type=\"client_credentials\",outcome=\"issued\"}", 2.0),
        ("ostiary_token_requests_total{grant_type=\"client_credentials\",outcome=\"invalid_client\"}", 1.0),
        ("ostiary_token_requests_total{grant_type=\"unknown\",outcome=\"unsupported_grant_type\"}", 1.0),
        ("ostiary_tokens_issued_total{kind=\"access\"}", 2.0),
        ("ostiary_refusals_total{reason=\"client_secret_wrong\"}", 1.0),
        ("ostiary_refusals_total{reason=\"grant_type_unknown\"}", 1.0),
        ("ostiary_audit_events_total{type=\"token.refused\",outcome=\"refused\"}", 1.0),
        // What an alert waits for the first of is there before it.
        ("ostiary_audit_events_total{type=\"refresh_token.replayed\",outcome=\"refused\"}", 0.0),
        ("ostiary_audit_events_total{type=\"code.replayed\",outcome=\"refused\"}", 0.0),
        ("ostiary_database_up", 1.0),
        ("ostiary_queue_length{queue=\"mail\"}", 0.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series} in {samples:#?}");
    }
    for series in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        "ostiary_database_commit_duration_seconds_count",
        "ostiary_cache_lookups_total{cache=\"clients\",result=\"hit\"}",
        "ostiary_signing_key_age_seconds{algorithm=\"ES256\"}",
        "ostiary_job_last_success_timestamp_seconds{task=\"cleanup\"}",
        "ostiary_job_last_success_timestamp_seconds{task=\"deletion\"}",
        "ostiary_job_last_success_timestamp_seconds{task=\"key_rotation\"}",
        "ostiary_job_last_success_timestamp_seconds{task=\"sealer\"}",
        "ostiary_password_hash_places{state=\"most\"}",
        "ostiary_database_connections{state=\"most\"}",
        "ostiary_queue_length{queue=\"audit\"}",
        "ostiary_queue_oldest_seconds{queue=\"audit\"}",
    ] {
        assert!(samples.contains_key(series), "{series} in {samples:#?}");
    }
}

#[tokio::test]
async fn logins_are_counted_by_what_came_of_them() {
    let server = Server::with_person_and(&[("OSTIARY_METRICS__LISTEN", "127.0.0.1:0")]);
    let login = Url::parse(&format!("{}/login", server.issuer)).expect("a URL");
    let mut person = Person::new();
    let page = person.send(login.clone(), None).await.text().await.expect("text");
    let (action, mut fields) = fill_in(&page).expect("a form");
    fields.iter_mut().filter(|(name, _)| name == "password").for_each(|(_, value)| *value = "wrong".to_owned());
    person.send(login.join(&action).expect("action"), Some(fields)).await;
    person.open(login).await;
    let samples = samples(&server).await;
    assert_eq!(samples.get("ostiary_logins_total{method=\"password\",outcome=\"success\"}"), Some(&1.0), "{samples:#?}");
    assert_eq!(samples.get("ostiary_logins_total{method=\"password\",outcome=\"wrong_password\"}"), Some(&1.0), "{samples:#?}");
    let hashed = samples.get("ostiary_password_hash_duration_seconds_count").expect("hashes");
    assert!(*hashed >= 2.0, "{hashed}");
}

/// M8: the limit that comes before anything is looked at.
#[tokio::test]
async fn logins_that_are_not_looked_at_are_counted_too() {
    let limits = [("OSTIARY_METRICS__LISTEN", "127.0.0.1:0"), ("OSTIARY_RATES__LOGIN_HARD", "2/h")];
    let server = Server::with_person_and(&limits);
    let login = Url::parse(&format!("{}/login", server.issuer)).expect("a URL");
    let mut person = Person::new();
    for _ in 0..4 {
        let page = person.send(login.clone(), None).await.text().await.expect("text");
        let (action, mut fields) = fill_in(&page).expect("a form");
        fields.iter_mut().filter(|(name, _)| name == "password").for_each(|(_, value)| *value = "wrong".to_owned());
        person.send(login.join(&action).expect("action"), Some(fields)).await;
    }
    let samples = samples(&server).await;
    assert_eq!(samples.get("ostiary_logins_total{method=\"password\",outcome=\"rate_limited\"}"), Some(&2.0), "{samples:#?}");
}

/// On SQLite others wait for it.
#[tokio::test]
async fn what_a_deletion_of_the_clean_up_takes_is_measured() {
    let program = Program::new();
    program.run(&["migrate"]).ok();
    let database = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("database");
    database.execute("INSERT INTO spent (hash, expires_at) VALUES (x'00', 0)", ()).expect("long spent");
    drop(database);
    let server = Server::start_with(program, ON);
    let began = Instant::now();
    loop {
        let samples = samples(&server).await;
        if samples.get("ostiary_cleanup_transaction_duration_seconds_count") == Some(&1.0) {
            assert!(samples["ostiary_cleanup_transaction_duration_seconds_sum"] > 0.0, "{samples:#?}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn every_figure_of_the_table_is_exported_in_both_formats() {
    let server = start();
    let text = text(&server).await;
    // Only where nodes count together.
    let expected = family::ALL.iter().filter(|family| family.name != family::REDIS_CONNECTED.name);
    for family in expected {
        assert!(text.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
    }
    let request = Client::new().get(format!("{}/metrics", url(&server)));
    let open = request.header("accept", "application/openmetrics-text; version=1.0.0").send().await.expect("an answer");
    assert_eq!(open.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let open = open.text().await.expect("text");
    assert!(open.ends_with("\n# EOF\n") && open.contains("# TYPE ostiary_http_requests counter\n"), "{open}");
}

/// The nth of many requests that have nothing in common but that they are refused.
fn hostile(server: &Server, client: &Client, number: usize) -> reqwest::RequestBuilder {
    let issuer = &server.issuer;
    let id = format!("n{number}\u{2028}");
    match number % 8 {
        0 => client.get(format!("{issuer}/{number}/wp-login-{number}.php?{number}")),
        1 => client.post(format!("{issuer}/token")).form(&[("client_id", id.as_str()), ("grant_type", &id)]),
        2 => client.get(format!("{issuer}/authorize?client_id={number}&redirect_uri=https://{number}.example")),
        3 => client.request(Method::from_bytes(format!("X{number}").as_bytes()).expect("a method"), format!("{issuer}/token")),
        4 => client.get(format!("{issuer}/api/v1/admin/users/{number}")),
        5 => client.get(format!("{issuer}/userinfo")).bearer_auth(number),
        6 => client.get(format!("{issuer}/client-registration/{number}")).header("user-agent", number),
        _ => client.post(format!("{issuer}/introspect")).basic_auth(number, Some(number)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests_leave_the_number_of_series_as_it_was() {
    let server = std::sync::Arc::new(start());
    let send = async |numbers: std::ops::Range<usize>| {
        let mut senders = tokio::task::JoinSet::new();
        for offset in 0..4 {
            let (server, numbers) = (server.clone(), numbers.clone());
            senders.spawn(async move {
                let client = Client::new();
                for number in numbers.skip(offset).step_by(4) {
                    let status = hostile(&server, &client, number).send().await.expect("an answer").status();
                    assert!(status.is_client_error(), "{number}: {status}");
                }
            });
        }
        while let Some(sent) = senders.join_next().await {
            sent.expect("sent");
        }
    };
    send(0..80).await;
    // Refusals of people whom nobody knows are written down within a second or so.
    let is_event = |series: &&String| series.starts_with("ostiary_audit_events_total");
    let patience = Instant::now();
    while series(&server).await.iter().filter(is_event).count() < 5 {
        assert!(patience.elapsed() < Duration::from_secs(20), "{:#?}", series(&server).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = series(&server).await;
    send(80..10_080).await;
    let added: Vec<_> = series(&server).await.difference(&before).cloned().collect();
    assert!(added.is_empty(), "{added:#?}");
    assert!(before.len() < 1_500, "{}", before.len());
}
