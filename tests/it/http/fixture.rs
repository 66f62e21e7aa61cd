//! A server on a free port with a small router, and a client that writes whatever bytes it likes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;
use ostiary::clock::Clock;
use ostiary::config::ServerConfig;
use ostiary::web::audience::Audiences;
use ostiary::web::body::{BodyError, json};
use ostiary::web::context::RequestContext;
use ostiary::web::error::{self, Error, ErrorRenderer, PageError, Problem};
use ostiary::web::params::{Form, PageForm};
use ostiary::web::server::{Limits, Listener, Shutdown, Stopped, Tls, serve};
use ostiary::web::shell::Shell;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) shell: Shell,
    pub(super) shutdown: Shutdown,
    pub(super) gate: Gate,
    pub(super) stopped: JoinHandle<Stopped>,
}

/// What the slow handlers wait for.
#[derive(Clone, Default)]
pub(super) struct Gate {
    pub(super) open: Arc<Notify>,
    /// Requests that have reached the gate, and those that went through it to their end.
    pub(super) reached: Arc<AtomicUsize>,
    pub(super) passed: Arc<AtomicUsize>,
}

impl Gate {
    pub(super) async fn wait_until(count: &AtomicUsize, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while count.load(Ordering::SeqCst) < expected {
            assert!(Instant::now() < deadline, "only {} of {expected}", count.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Time-outs short enough for a test, and far enough from each other to be told apart.
pub(super) fn quick() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(400),
        body_timeout: Duration::from_millis(400),
        write_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(1_500),
        drain_idle: Duration::from_millis(100),
        shutdown_timeout: Duration::from_millis(1_500),
        ..Limits::from(&ServerConfig::default())
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(quick(), &ServerConfig::default()).await
    }

    pub(super) async fn with(limits: Limits, config: &ServerConfig) -> Self {
        Self::within(limits, config, None).await
    }

    pub(super) async fn within(limits: Limits, config: &ServerConfig, tls: Option<Tls>) -> Self {
        let (gate, shutdown) = (Gate::default(), Shutdown::new());
        let audiences = Audiences {
            page: ErrorRenderer::default(),
            api: ostiary::api::error::renderer(),
            api_path: ostiary::api::PATH.to_owned(),
        };
        let shell = Shell::new(router(gate.clone()), Clock::system(), config, audiences);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = tokio::spawn(serve(Listener::new(listener, tls), shell.clone(), limits, shutdown.clone()));
        Self { address, shell, shutdown, gate, stopped }
    }

    pub(super) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends `request` on a connection of its own, and reads one answer.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.write(request).await;
        client.answer().await
    }

    /// A normal request, which has to succeed whatever happened before it.
    pub(super) async fn is_well(&self) {
        let began = Instant::now();
        assert_eq!(self.send("GET /json HTTP/1.1\r\nhost: a\r\n\r\n").await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

fn router(gate: Gate) -> Router {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(rename = "name")]
        _name: String,
    }
    Router::new()
        .route("/json", get(|| async { axum::Json(serde_json::json!({"a": 1})) }))
        .route("/address", get(|context: RequestContext| async move { context.address.to_string() }))
        .route(
            "/certificate",
            get(|context: RequestContext| async move {
                context.certificate.map_or_else(|| "-".to_owned(), |certificate| certificate.thumbprint().to_string())
            }),
        )
        .route("/token", post(|Form(params): Form| async move { params.get("a").unwrap_or("-").to_owned() }))
        .route("/login", post(|PageForm(params): PageForm| async move { params.get("a").unwrap_or("-").to_owned() }))
        .route(
            "/api",
            post(|request| async {
                match json::<Document>(request).await {
                    Ok(_) => StatusCode::OK,
                    Err(BodyError::MediaType | BodyError::Encoded) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    Err(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
                    Err(_) => StatusCode::BAD_REQUEST,
                }
            }),
        )
        .route("/page", get(|| async { ([("content-type", "text/html")], "<p>hello") }))
        .route("/refused", get(|| async { PageError::from(Problem::forged()) }))
        .route("/busy", get(|| async { Error::from(Problem::overloaded()) }))
        .route("/panic", get(|| async { wrong(&[]).into_response() }))
        .route("/api/v1/panic", get(|| async { wrong(&[]).into_response() }))
        .route("/big", get(|| async { "x".repeat(32 * 1_024 * 1_024) }))
        .route("/gate", get(pass).post(pass))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(gate)
}

fn wrong(nothing: &[&'static str]) -> &'static str {
    nothing[0]
}

async fn pass(State(gate): State<Gate>) -> &'static str {
    let open = gate.open.notified();
    gate.reached.fetch_add(1, Ordering::SeqCst);
    open.await;
    gate.passed.fetch_add(1, Ordering::SeqCst);
    "passed"
}

pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        self.answer().await
    }

    /// One answer, of the length that it says.
    pub(super) async fn answer(&mut self) -> Answer {
        let answer = tokio::time::timeout(Duration::from_secs(10), self.read_answer()).await;
        answer.expect("an answer in time").expect("an answer")
    }

    /// One answer; `None` when the server closes the connection instead.
    pub(super) async fn read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("a head in ASCII");
        let mut answer = Answer { status: head[9..12].parse().expect("a status"), head, body: String::new() };
        if answer.status != 100 {
            let length = answer.field("content-length").map_or(0, |length| length.parse().expect("a length"));
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.ok()?;
            answer.body = String::from_utf8(body).expect("a body in UTF-8");
        }
        Some(answer)
    }

    /// How long it takes until the server closes the connection.
    pub(super) async fn closed_after(&mut self) -> Duration {
        let began = Instant::now();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), self.0.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the connection is still open");
        began.elapsed()
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    #[track_caller]
    pub(super) fn error(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/json"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        body["error"].as_str().expect("an error").to_owned()
    }
}
