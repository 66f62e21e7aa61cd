//! Connections that carry more than one request, or less.

use std::net::Ipv4Addr;
use std::time::Duration;

use ostiary::config::ServerConfig;
use ostiary::web::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Client, Gate, Server, quick};

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..100 {
        let answer = client.get("/json").await;
        assert_eq!((answer.status, answer.field("connection")), (200, None));
        assert!(ids.insert(answer.field("x-request-id").unwrap().to_owned()), "every request has an id of its own");
    }
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let body = |number: usize| format!("a={number}");
    let requests: Vec<String> = (0..50)
        .map(|number| {
            let body = body(number);
            let fields = "content-type: application/x-www-form-urlencoded";
            format!("POST /token HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{fields}\r\n\r\n{body}", body.len())
        })
        .collect();
    client.write(requests.concat()).await;
    for number in 0..50 {
        assert_eq!(client.answer().await.body, number.to_string());
    }
}

#[tokio::test]
async fn what_follows_a_refused_head_is_not_served() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /json HTTP/1.1\r\nhost: a\r\n\r\nGARBAGE\r\n\r\nGET /json HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.answer().await.status, 400);
    assert!(client.read_answer().await.is_none());
}

#[tokio::test]
async fn a_client_that_has_said_all_it_has_to_say_still_gets_its_answer() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.0.shutdown().await.unwrap();
    Gate::wait_until(&server.gate.reached, 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.gate.open.notify_waiters();
    assert_eq!(client.answer().await.body, "passed");
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /json HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert!(client.closed_after().await < Duration::from_millis(300));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("POST /gate HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    Gate::wait_until(&server.gate.reached, 1).await;
    // A reset, which the server notices at once.
    #[expect(deprecated, reason = "the way to send a reset")]
    client.0.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.gate.open.notify_waiters();
    Gate::wait_until(&server.gate.passed, 1).await;
    assert_eq!(server.shell.left_behind(), 0);
}

#[tokio::test]
async fn work_that_is_dropped_half_way_goes_on_by_itself() {
    let server = Server::start().await;
    let request = http::Request::post("/gate").header("host", "a").body(axum::body::Body::empty()).unwrap();
    let mut handling = Box::pin(server.shell.handle(request, Ipv4Addr::LOCALHOST.into()));
    assert!(tokio::time::timeout(Duration::from_millis(50), handling.as_mut()).await.is_err());
    drop(handling);
    assert_eq!(server.shell.left_behind(), 1);
    Gate::wait_until(&server.gate.reached, 1).await;
    server.gate.open.notify_waiters();
    Gate::wait_until(&server.gate.passed, 1).await;
    while server.shell.left_behind() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_for_a_place() {
    let mut limits = quick();
    limits.max_connections = 2;
    let server = Server::with(limits, &ServerConfig::default()).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        client.write("GET /gate HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    }
    Gate::wait_until(&server.gate.reached, 2).await;
    let mut three = server.connect().await;
    three.write("GET /json HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(200), three.0.read_u8()).await;
    assert!(early.is_err(), "a third is served although there are two places");
    server.gate.open.notify_waiters();
    assert_eq!(three.answer().await.status, 200);
    assert_eq!(one.answer().await.body, "passed");
}

#[tokio::test]
async fn idle_connections_make_room_when_places_run_out() {
    let mut limits = quick();
    limits.max_connections = 4;
    limits.idle_timeout = Duration::from_mins(1);
    let server = Server::with(limits, &ServerConfig::default()).await;
    let mut idlers = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/json").await.status, 200);
        idlers.push(client);
    }
    server.is_well().await;
}

#[tokio::test]
async fn connections_that_were_idle_before_it_was_full_make_room_too() {
    let limits = Limits { max_connections: 4, idle_timeout: Duration::from_mins(1), ..quick() };
    let server = Server::with(limits, &ServerConfig::default()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/json").await.status, 200);
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.write("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
        busy.push(client);
    }
    Gate::wait_until(&server.gate.reached, 3).await;
    server.is_well().await;
    server.gate.open.notify_waiters();
    for client in &mut busy {
        assert_eq!(client.answer().await.body, "passed", "who is being served is not sent away");
    }
}

#[tokio::test]
async fn who_says_nothing_makes_room_for_who_does() {
    let limits = Limits { max_connections: 8, header_timeout: Duration::from_mins(1), ..quick() };
    let server = Server::with(limits, &ServerConfig::default()).await;
    let mut idlers = Vec::new();
    for number in 0..40 {
        let mut client = server.connect().await;
        if number % 2 == 0 {
            client.write("GET /json HT").await;
        }
        idlers.push(client);
    }
    server.is_well().await;
    assert!(idlers[0].closed_after().await < Duration::from_secs(1), "the first to come is the first to go");
}

#[tokio::test]
async fn one_address_has_its_share_of_the_places() {
    let limits = Limits { max_connections_per_address: 3, unlimited: Vec::new(), ..quick() };
    let server = Server::with(limits, &ServerConfig::default()).await;
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    for client in &mut clients {
        assert_eq!(client.get("/json").await.status, 200);
    }
    let mut fourth = server.connect().await;
    assert!(fourth.closed_after().await < Duration::from_millis(300));
    // Somebody else is served.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = Client(socket.connect(server.address).await.unwrap());
    assert_eq!(other.get("/json").await.status, 200);
    // And so is the same one, once it has left a place.
    drop(clients);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.is_well().await;
}
