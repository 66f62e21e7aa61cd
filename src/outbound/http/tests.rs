use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::protocol::time::Timestamp;

fn outbound(private_hosts: &[&str]) -> Outbound {
    outbound_at(private_hosts, &Clock::fixed(Timestamp::from_seconds(1_800_000_000)))
}

fn outbound_at(private_hosts: &[&str], clock: &Clock) -> Outbound {
    let private_hosts = private_hosts.iter().map(|&host| host.to_owned()).collect();
    Outbound::new(&OutboundConfig { private_hosts, ..OutboundConfig::default() }, clock).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// A server that gives this answer to every request, and its URL.
async fn server(answer: impl AsRef<[u8]>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.as_ref().to_vec();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4_096];
            let _ = socket.read(&mut head).await;
            let _ = socket.write_all(&answer).await;
        }
    });
    url(&format!("http://{address}/keys?a=b"))
}

async fn answer_of(text: impl AsRef<[u8]>) -> Result<Answer, Failure> {
    outbound(&["127.0.0.1"]).get(&server(text).await, "application/json").await
}

#[test]
fn only_https_urls_of_public_hosts_may_be_asked() {
    let outbound = outbound(&[]);
    for text in ["https://app.example/jwks", "https://app.example:8443/", "https://8.8.8.8/", "https://[2606:4700::1]/"] {
        assert!(outbound.may_ask(&url(text)), "{text}");
    }
    for text in [
        "http://app.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "https://[fc00::1]/",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://app.example:22/",
        "https://app.example:80/",
        "https://user@app.example/",
        "https://:secret@app.example/",
        "file:///etc/passwd",
        "ftp://app.example/",
        "data:,x",
    ] {
        assert!(!outbound.may_ask(&url(text)), "{text}");
    }
}

#[test]
fn a_private_host_is_allowed_by_its_name_and_port_alone() {
    let outbound = outbound(&["LocalHost:4000", "10.0.0.5"]);
    for text in ["http://localhost:4000/", "https://localhost:4000/", "http://10.0.0.5/", "https://10.0.0.5:22/"] {
        assert!(outbound.may_ask(&url(text)), "{text}");
    }
    for text in ["http://localhost:4001/", "http://localhost/", "https://10.0.0.6/", "http://notlocalhost:4000/"] {
        assert!(!outbound.may_ask(&url(text)), "{text}");
    }
}

#[tokio::test]
async fn n6_a_name_that_leads_to_this_machine_is_refused_when_it_is_resolved() {
    let outbound = outbound(&[]);
    let url = url("https://localhost:8443/");
    assert!(outbound.may_ask(&url), "a name may be anybody's");
    assert_eq!(outbound.get(&url, "*/*").await.err(), Some(Failure::NotPublic));
}

#[test]
fn n6_one_address_that_is_not_public_spoils_a_name() {
    let public: SocketAddr = "8.8.8.8:443".parse().unwrap();
    let private: SocketAddr = "10.0.0.1:443".parse().unwrap();
    assert!(all_public(&[public]));
    assert!(!all_public(&[public, private]));
}

#[tokio::test]
async fn an_answer_arrives_with_its_status_and_body() {
    let answer = answer_of("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nETag: x\r\n\r\nno").await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::NOT_FOUND, &b"no"[..]));
    assert_eq!(answer.headers["etag"], "x");
}

#[tokio::test]
async fn n6_a_redirect_is_not_followed() {
    let answer = answer_of("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
}

#[tokio::test]
async fn n6_an_answer_that_is_too_large_is_not_read_to_its_end() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
    let body = vec![b'x'; MAX_BODY + 1];
    assert_eq!(answer_of([head.as_bytes(), &body].concat()).await.err(), Some(Failure::TooLarge));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n", body.as_slice()].concat();
    assert_eq!(answer_of(endless).await.err(), Some(Failure::TooLarge));
}

#[tokio::test]
async fn n6_a_compressed_answer_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(answer_of(answer).await.err(), Some(Failure::Compressed));
}

#[tokio::test]
async fn what_is_no_http_is_broken() {
    assert_eq!(answer_of("SSH-2.0-OpenSSH_9.2\r\n").await.err(), Some(Failure::Broken));
}

#[tokio::test]
async fn n6_a_server_that_says_nothing_is_given_up() {
    assert_eq!(PATIENCE.as_secs(), 5);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url(&format!("http://{}/", listener.local_addr().unwrap()));
    let config = OutboundConfig { private_hosts: vec!["127.0.0.1".to_owned()], ..OutboundConfig::default() };
    let outbound = Outbound::with_patience(&config, &Clock::system(), Duration::from_millis(50)).unwrap();
    assert_eq!(outbound.get(&url, "*/*").await.err(), Some(Failure::TooSlow));
}

#[tokio::test]
async fn a_server_that_failed_is_left_alone_for_a_while() {
    let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
    let outbound = outbound_at(&["127.0.0.1"], &clock);
    let url = server("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outbound.get(&url, "*/*").await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(outbound.get(&url, "*/*").await.err(), Some(Failure::Resting));
    clock.advance(6);
    assert!(outbound.get(&url, "*/*").await.is_ok());
}

/// Anybody may name a file of somebody else's server.
#[tokio::test]
async fn a_server_is_not_left_alone_for_one_file_that_is_not_what_somebody_said() {
    let outbound = outbound(&["127.0.0.1"]);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1) + &"x".repeat(MAX_BODY + 1);
    let compressed = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".to_owned();
    for (answer, failure) in [(large, Failure::TooLarge), (compressed, Failure::Compressed)] {
        let url = server(answer).await;
        for _ in 0..3 {
            assert_eq!(outbound.get(&url, "*/*").await.err(), Some(failure));
        }
    }
}

#[tokio::test]
async fn a_server_is_asked_four_times_at_once_and_no_more() {
    let (hosts, clock) = (Hosts::default(), Clock::fixed(Timestamp::from_seconds(1_800_000_000)));
    let soon = Duration::from_millis(20);
    let seat = async |authority: &str, patience| hosts.of(authority).seat(&clock, patience).await;
    let mut seats = Vec::new();
    for _ in 0..4 {
        seats.push(seat("app.example:443", soon).await.unwrap());
    }
    assert_eq!(seat("app.example:443", soon).await.err(), Some(Failure::Busy));
    assert!(seat("other.example:443", soon).await.is_ok());
    // Whoever waits gets the seat that becomes free, unless the server was found broken meanwhile.
    let (waiting, ()) = tokio::join!(seat("app.example:443", PATIENCE), async { drop(seats.pop()) });
    let seated = waiting.unwrap();
    let (waiting, ()) = tokio::join!(seat("app.example:443", PATIENCE), async {
        hosts.of("app.example:443").fails(clock.now());
        drop(seated);
    });
    assert_eq!(waiting.err(), Some(Failure::Resting));
}

#[tokio::test]
async fn what_a_server_does_for_one_purpose_is_nothing_to_another() {
    let outbound = outbound(&["127.0.0.1"]);
    let url = server("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
    let logout = outbound.apart("logout");
    assert!(logout.get(&url, "*/*").await.is_ok());
    assert_eq!(logout.get(&url, "*/*").await.err(), Some(Failure::Resting));
    assert!(outbound.get(&url, "*/*").await.is_ok());
}

#[tokio::test]
async fn n6_a_connection_goes_to_the_address_that_was_looked_at_whatever_its_name_leads_to_now() {
    let at = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let looked_at: SocketAddr = format!("127.0.0.1:{}", at.port().unwrap()).parse().unwrap();
    // This name leads nowhere: whoever resolved it a second time would fail.
    let name = url::Host::Domain("rebinds.invalid");
    assert!(super::connection::open(&[looked_at], &name, None).await.is_ok());
}
