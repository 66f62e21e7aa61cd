//! Clients that take their time, or that of others.

use std::time::{Duration, Instant};

use ostiary::web::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Client, Server, quick};
use crate::process::allow_open_files;

/// Sends `text` over and over, a byte at a time, until the server answers or closes. Returns how long that took.
async fn drip(client: &mut Client, text: &[u8]) -> Duration {
    let began = Instant::now();
    let (mut reader, mut writer) = client.0.split();
    let dripping = async {
        for byte in text.iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut first = [0];
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        tokio::select! {
            () = dripping => {}
            // An answer, the end, or a reset.
            _ = reader.peek(&mut first) => {}
        }
    });
    ended.await.expect("the server does something about it");
    began.elapsed()
}

#[track_caller]
fn is_about(elapsed: Duration, limit: Duration) {
    let allowed = limit.mul_f64(0.9)..limit + Duration::from_millis(400);
    assert!(allowed.contains(&elapsed), "{elapsed:?} is not about {limit:?}");
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_sent_away() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    is_about(client.closed_after().await, quick().header_timeout);
}

#[tokio::test]
async fn who_drips_a_head_is_sent_away_after_the_same_time() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    is_about(drip(&mut client, b"GET /json?aaaa").await, quick().header_timeout);
    let mut client = server.connect().await;
    client.write("GET /json HTTP/1.1\r\n").await;
    is_about(drip(&mut client, b"x: y\r\n").await, quick().header_timeout);
}

#[tokio::test]
async fn who_drips_a_further_head_is_sent_away_too() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/json").await.status, 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.write("GET /json HTTP/1.1\r\n").await;
    is_about(drip(&mut client, b"x: y\r\n").await, quick().header_timeout);
}

#[tokio::test]
async fn hundreds_who_say_nothing_or_drip_keep_nobody_waiting() {
    allow_open_files(1_500);
    let limits = Limits { header_timeout: Duration::from_secs(4), ..quick() };
    let server = Server::with(limits.clone(), &ostiary::config::ServerConfig::default()).await;
    let began = Instant::now();
    let mut idlers = Vec::new();
    for number in 0..500 {
        let mut client = server.connect().await;
        if number % 2 == 0 {
            client.write("GET /json HT").await;
        }
        idlers.push(client);
    }
    server.is_well().await;
    assert!(began.elapsed() < limits.header_timeout, "all of them are still there");
    for mut idler in idlers {
        idler.closed_after().await;
    }
    assert!(began.elapsed() < limits.header_timeout + Duration::from_secs(2), "{:?}", began.elapsed());
    server.is_well().await;
}

#[tokio::test]
async fn who_drips_a_body_gets_408() {
    let server = Server::start().await;
    for path in ["/token", "/login"] {
        let mut client = server.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n"
        );
        client.write(head).await;
        is_about(drip(&mut client, b"a=b&").await, quick().body_timeout);
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (408, Some("close")), "{path}");
        client.closed_after().await;
    }
    server.is_well().await;
}

#[tokio::test]
async fn who_sends_no_body_to_somebody_who_does_not_read_it_is_answered_at_once() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 404);
    assert!(client.closed_after().await < Duration::from_secs(3));
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head_and_ends_in_its_own() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/json").await.status, 200);
    tokio::time::sleep(quick().header_timeout * 2).await;
    assert_eq!(client.get("/json").await.status, 200);
    is_about(client.closed_after().await, quick().idle_timeout);
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_off() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tokio::time::sleep(quick().write_timeout * 3).await;
    let mut received = Vec::new();
    _ = client.0.read_to_end(&mut received).await;
    assert!(received.len() < 32 * 1_024 * 1_024, "all of it came");
}

#[tokio::test]
async fn who_reads_slowly_but_steadily_gets_it_all() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut scratch = vec![0; 8 * 1_024 * 1_024];
    let mut received = 0;
    for _ in 0..6 {
        tokio::time::sleep(quick().write_timeout / 2).await;
        let wanted = scratch.len().min(32 * 1_024 * 1_024 - received);
        received += client.0.read_exact(&mut scratch[..wanted]).await.expect("still connected");
    }
    assert_eq!(received, 32 * 1_024 * 1_024);
}
