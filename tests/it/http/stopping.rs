//! The end of the server: nothing that was taken on is dropped, and nobody can hold it up.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ostiary::config::ServerConfig;
use ostiary::web::server::Stopped;
use tokio::net::TcpStream;

use super::fixture::{Gate, Server, quick};
use super::load::Load;

const CLEAN: Stopped = Stopped { cut_off: 0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_fails_not_one_request() {
    let server = Server::start().await;
    let load = Load::start(server.address, 16, &["GET /json HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()]);
    load.wait_for(500).await;
    server.shutdown.request();
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
    assert_eq!(load.end().await, 0);
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_no_new_one_is_taken() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    Gate::wait_until(&server.gate.reached, 1).await;
    assert!(server.shutdown.is_ready());
    server.shutdown.request();
    assert!(!server.shutdown.is_ready());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
    server.gate.open.notify_waiters();
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.field("connection")), ("passed", Some("close")));
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
}

#[tokio::test]
async fn before_it_stops_listening_the_server_says_that_it_is_not_ready() {
    let mut limits = quick();
    limits.shutdown_delay = Duration::from_millis(400);
    let server = Server::with(limits, &ServerConfig::default()).await;
    server.shutdown.request();
    assert!(!server.shutdown.is_ready());
    server.is_well().await;
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
}

#[tokio::test]
async fn an_idle_connection_may_send_what_was_on_its_way_and_is_closed_then() {
    let server = Server::start().await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    assert_eq!(one.get("/json").await.status, 200);
    assert_eq!(two.get("/json").await.status, 200);
    server.shutdown.request();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(one.get("/json").await.field("connection"), Some("close"));
    assert!(two.closed_after().await < Duration::from_millis(500));
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
}

#[tokio::test]
async fn a_connection_that_never_asked_for_anything_holds_nothing_up() {
    let mut limits = quick();
    limits.header_timeout = Duration::from_secs(5);
    let server = Server::with(limits, &ServerConfig::default()).await;
    let mut silent = server.connect().await;
    server.is_well().await;
    server.shutdown.request();
    assert!(silent.closed_after().await < Duration::from_millis(500));
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
}

#[tokio::test]
async fn work_whose_client_left_is_waited_for() {
    let server = Server::start().await;
    let request = http::Request::post("/gate").header("host", "a").body(axum::body::Body::empty()).unwrap();
    let mut handling = Box::pin(server.shell.handle(request, Ipv4Addr::LOCALHOST.into()));
    assert!(tokio::time::timeout(Duration::from_millis(20), handling.as_mut()).await.is_err());
    drop(handling);
    server.shutdown.request();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!server.stopped.is_finished());
    server.gate.open.notify_waiters();
    assert_eq!(server.stopped.await.unwrap(), CLEAN);
    assert_eq!(server.gate.passed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_does_not_finish_can_not_hold_the_server_up() {
    let server = Server::start().await;
    let mut half = server.connect().await;
    half.write("GET /json HTTP/1.1\r\nhost: a\r\n").await;
    let mut stuck = server.connect().await;
    stuck.write("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    Gate::wait_until(&server.gate.reached, 1).await;
    let began = Instant::now();
    server.shutdown.request();
    assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 1 });
    assert!(began.elapsed() < quick().shutdown_timeout + Duration::from_millis(500), "{:?}", began.elapsed());
    drop(half);
}

#[tokio::test]
async fn asked_twice_the_server_quits_at_once() {
    let server = Server::start().await;
    let mut stuck = server.connect().await;
    stuck.write("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    Gate::wait_until(&server.gate.reached, 1).await;
    server.shutdown.request();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    server.shutdown.request();
    assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 1 });
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
}
