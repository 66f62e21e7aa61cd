//! Traces: each login is one, whoever is trusted goes on with theirs, and a collector that does not work costs nobody anything.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, Request, StatusCode};
use ostiary::app;
use ostiary::jobs::traces::Exporter;
use ostiary::protocol::client::{Algorithm, ClientAuthMethod};
use ostiary::telemetry::metrics::SPANS;
use ostiary::telemetry::otlp::{self, Service};
use ostiary::telemetry::spans::{Ended, Receiver, queue};
use ostiary::web::context::Peer;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::process::Server;
use crate::program::Program;
use crate::support::assertion::{ClientKey, claims, jwks, token};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, redeem};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// The same server, recorded.
fn recorded(mut server: TestServer, ratio: f64) -> (TestServer, Receiver) {
    let (recorder, receiver) = queue(ratio);
    server.shell = app::shell(&server.state).recording(Some(recorder));
    (server, receiver)
}

fn take(receiver: &mut Receiver) -> Vec<Ended> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

fn names(ended: &Ended) -> Vec<&str> {
    ended.recording.spans.iter().map(|span| span.name.as_str()).collect()
}

on_both! {
    async fn a_login_is_one_trace_and_each_of_its_requests_keeps_its_own_name(database: TestDatabase) {
        let (server, mut receiver) = recorded(TestServer::start(database).await, 1.0);
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let params = authorize(&mut server.browser(), &AuthorizationUrl::new(&client), "anna").await;

        let login = take(&mut receiver);
        assert_eq!(login[0].endpoint.as_str(), "/authorize");
        let first = login[0].recording.context;
        assert_eq!(first.trace, login[0].recording.request_id);
        // The login page asks for nothing of the flow when it is shown again, so every request that has the flow belongs to it.
        let endpoints: Vec<_> = login.iter().map(|ended| (ended.method, ended.endpoint.as_str())).collect();
        assert!(endpoints.contains(&("POST", "/login")) && endpoints.contains(&("POST", "/consent")), "{endpoints:?}");
        for ended in &login[1..] {
            assert_eq!(ended.recording.context.trace, first.trace, "{endpoints:?}");
            assert_eq!(ended.recording.parent, Some(first.span));
        }
        let ids: BTreeSet<_> = login.iter().map(|ended| ended.recording.request_id.to_string()).collect();
        assert_eq!(ids.len(), login.len());

        let typed = login.iter().find(|ended| (ended.method, ended.endpoint.as_str()) == ("POST", "/login")).expect("a login");
        for name in ["hash password", "SELECT users", "transaction", "INSERT sessions", "INSERT audit_inbox"] {
            // Statements that go to PostgreSQL together have one span.
            assert!(names(typed).iter().any(|span| span.split(", ").any(|part| part == name)), "{name} in {:?}", names(typed));
        }

        // The application's own server redeems the code: that is a trace of its own.
        let code = params["code"].clone();
        let tokens = redeem(&server, &client, &code).await.json();
        let redeemed = take(&mut receiver);
        assert_ne!(redeemed[0].recording.context.trace, first.trace);
        assert!(names(&redeemed[0]).contains(&"sign"), "{:?}", names(&redeemed[0]));

        // What was typed, sent or given out stands in no span.
        let service = Service { name: "ostiary".to_owned(), instance: "1".to_owned() };
        let sent = otlp::request(&service, &[login, redeemed].into_iter().flatten().collect::<Vec<_>>());
        for secret in [PASSWORD, "anna", &code, client.id(), tokens["access_token"].as_str().expect("a token")] {
            assert!(!sent.contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn traceparent_counts_from_a_trusted_proxy_alone_and_where_it_was_asked_for() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.server.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    });
    let mut server = server.await;
    for (peer, heeds, trusted) in [("10.1.2.3:1", false, false), ("203.0.113.1:1", true, false), ("10.1.2.3:1", true, true)] {
        let (recorder, mut receiver) = queue(0.0);
        server.shell = app::shell(&server.state).recording(Some(recorder.heeding_parents(heeds)));
        let mut request = Request::get("/jwks").body(Body::empty()).unwrap();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        request.headers_mut().insert("traceparent", parent);
        request.extensions_mut().insert(Peer(peer.parse::<SocketAddr>().unwrap()));
        let answer = server.send(request).await;
        let ended = take(&mut receiver);
        assert_eq!(ended.len(), usize::from(trusted), "nothing is collected that nobody asks for");
        for ended in ended {
            assert_eq!(ended.recording.context.trace.as_str(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(ended.recording.request_id.as_str(), answer.header("x-request-id").unwrap());
        }
    }
}

#[tokio::test]
async fn what_is_asked_of_others_for_a_request_is_told_its_trace() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = ClientKey::new(Algorithm::ES256);
    let (heard, keys) = (Arc::new(Mutex::new(String::new())), jwks(&[&key]));
    let kept = heard.clone();
    let router = Router::new().route(
        "/jwks.json",
        axum::routing::get(async move |headers: HeaderMap| {
            *kept.lock().unwrap() = headers["traceparent"].to_str().unwrap().to_owned();
            Json(keys)
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });

    let config = |config: &mut ostiary::config::Config| config.outbound.private_hosts = vec![address.to_string()];
    let (server, mut receiver) = recorded(TestServer::start_with(TestDatabase::sqlite().await, config).await, 1.0);
    let client = server.client(Persona::Service, |metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
        metadata.jwks_uri = Some(format!("http://{address}/jwks.json"));
    });
    let client = client.await;
    assert_eq!(token(&server, &key.sign(&claims(&server, &client))).await.status, 200);
    let ended = take(&mut receiver);
    let [ended] = ended.as_slice() else { panic!("one request") };
    let index = names(ended).iter().position(|name| *name == "GET keys").expect("a span");
    let context = ended.recording.context;
    assert_eq!(*heard.lock().unwrap(), format!("00-{}-{}-01", context.trace, ended.recording.id_of(index)));
}

/// A collector that remembers what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Value>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(collect)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Spans of requests by their name.
    fn names(&self) -> Vec<String> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|span| span["kind"] == 2).map(|span| span["name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn collect(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["content-type"], "application/json");
    let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    collector.tokens.lock().unwrap().extend(token);
    let sent: Value = serde_json::from_slice(&body).expect("JSON");
    let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
    for span in &spans {
        for (name, length) in [("traceId", 32), ("spanId", 16)] {
            assert_eq!(span[name].as_str().map(str::len), Some(length), "{span}");
        }
        let time = |name: &str| span[name].as_str().and_then(|text| text.parse::<u64>().ok()).expect("nanoseconds");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
    }
    collector.spans.lock().unwrap().extend(spans);
    (StatusCode::OK, Json(json!({})))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_sends_its_traces_with_the_token_of_the_file_and_the_last_ones_when_it_is_told_to_stop() {
    let collector = Collector::default();
    let url = collector.start().await;
    let program = Program::new();
    std::fs::write(program.folder().join("headers"), "authorization: Bearer t0ken\n").expect("written");
    let more = format!("[telemetry]\notlp_endpoint = \"{url}/\"\notlp_headers_file = \"headers\"\n");
    let mut server = Server::start_with(program, &more);
    assert_eq!(reqwest::get(format!("{}/jwks", server.issuer)).await.expect("an answer").status().as_u16(), 200);
    let patience = Instant::now();
    while !collector.names().contains(&"GET /jwks".to_owned()) {
        assert!(patience.elapsed() < Duration::from_secs(10), "{:?}", collector.names());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(reqwest::get(format!("{}/health/live", server.issuer)).await.expect("an answer").status().as_u16(), 200);
    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill").success());
    let exit = tokio::task::spawn_blocking(move || server.wait()).await.expect("waited");
    assert_eq!(exit, Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(collector.names().contains(&"GET /health/live".to_owned()), "{:?}", collector.names());
    assert!(collector.tokens.lock().unwrap().iter().all(|token| token == "Bearer t0ken"));
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_nothing_but_the_traces() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.telemetry.otlp_endpoint = format!("http://{gone}");
    });
    let (server, receiver) = recorded(server.await, 1.0);
    let dropped = || SPANS.all().into_iter().find(|(words, _)| *words == ("dropped", "")).map_or(0, |(_, number)| number);
    let before = dropped();
    for _ in 0..3_000 {
        assert_eq!(server.get("/jwks").await.status, 200);
    }
    let began = Instant::now();
    let exporter = Exporter::new(&server.state.config, &server.clock).expect("usable");
    exporter.run(receiver, std::future::ready(())).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(dropped() - before >= 3_000, "of the queue's end and of its beginning: {}", dropped() - before);
}

/// How many spans were exported, and how many dropped, since the process began.
fn exported_and_dropped() -> (u64, u64) {
    let all = SPANS.all();
    let number = |word| all.iter().find(|(words, _)| *words == (word, "")).map_or(0, |(_, number)| *number);
    (number("exported"), number("dropped"))
}

/// Records so many requests, and sends them to what answers so.
async fn send_to(answer: &'static str, requests: u16) {
    let asked = Arc::new(Notify::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let noticed = Arc::clone(&asked);
    let answer = move || {
        noticed.notify_one();
        std::future::ready(answer)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(answer))).await });
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.telemetry.otlp_endpoint = url);
    let (server, receiver) = recorded(server.await, 1.0);
    for _ in 0..requests {
        assert_eq!(server.get("/health/live").await.status, 200);
    }
    let exporter = Exporter::new(&server.state.config, &server.clock).expect("usable");
    exporter.run(receiver, asked.notified()).await;
}

/// M11: what answers with 200 is not always a collector, and one that is may take a part.
#[tokio::test]
async fn what_a_collector_does_not_take_counts_as_dropped() {
    let before = exported_and_dropped();
    send_to("<!doctype html><title>Log in</title>", 40).await;
    let between = exported_and_dropped();
    assert!(between.1 - before.1 >= 40, "{before:?} {between:?}");
    send_to(r#"{"partialSuccess":{"rejectedSpans":"39","errorMessage":"full"}}"#, 40).await;
    let after = exported_and_dropped();
    assert!(after.1 - between.1 >= 39 && after.0 > between.0, "{between:?} {after:?}");
}

#[test]
fn a_collector_that_can_not_be_used_is_named_at_the_start() {
    let program = Program::new();
    let configuration =
        "[server]\nlisten = \"127.0.0.1:0\"\n[telemetry]\notlp_endpoint = \"http://localhost:1\"\notlp_headers_file = \"none\"\n";
    std::fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
    let complaint = program.run(&["serve"]).fails(3);
    assert!(complaint.contains("telemetry.otlp_headers_file"), "{complaint}");
}
