//! Logos that clients name: behaviours 1.9 N12.

use serde_json::Value;

use crate::support::assertion::Publisher;
use crate::support::browser::Browser;
use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, log_in};
use crate::support::server::{Persona, TestServer};

/// Eight bytes that begin an image, and no image.
const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

/// What the login page and the consent page hold for such a client.
async fn pages(server: &TestServer, logo: &str) -> [(String, String); 2] {
    let client = server.client(Persona::Web, |metadata| metadata.logo_uri = Some(logo.to_owned())).await;
    let mut browser: Browser = server.browser();
    let login = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    let consent = log_in(&mut browser, &login, "anna").await;
    assert!(consent.url.starts_with("/consent"), "{consent:#?}");
    [login, consent].map(|page| (page.header("content-security-policy").unwrap().to_owned(), page.body))
}

#[tokio::test]
async fn n12_no_page_holds_anything_else_than_bitmaps_or_sends_a_browser_elsewhere() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    for logo in [
        "https://evil.example/logo.png",
        "https://evil.example/logo.svg",
        "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
        "data:image/png,<svg>",
        "javascript:alert(1)",
    ] {
        for (policy, page) in pages(&server, logo).await {
            assert!(!page.contains("evil.example") && !page.contains("data:") && !page.contains("<svg on"), "{logo}: {page}");
            assert!(policy.contains("img-src 'self' data:;") && policy.contains("default-src 'none'"), "{policy}");
        }
    }
    // A bitmap stands in the page itself, whatever it holds: no code here reads images, and no route of this server gives one back.
    for (_, page) in pages(&server, PNG).await {
        assert!(page.contains("src=\"data:image/png;base64,iVBORw0KGgo"), "{page}");
    }
}

/// A server that may ask this machine, and somebody who publishes a logo.
async fn with_publisher() -> (TestServer, Publisher) {
    let local = |config: &mut ostiary::config::Config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
    let server = TestServer::start_with(TestDatabase::sqlite().await, local).await;
    server.person("anna").await;
    (server, Publisher::start(&Value::Null).await)
}

#[tokio::test]
async fn a_logo_on_another_server_is_fetched_once_and_stands_in_the_page() {
    let (server, publisher) = with_publisher().await;
    publisher.answer_with("200 OK", "content-type: text/plain\r\n", "GIF89a");
    for _ in 0..2 {
        for (policy, page) in pages(&server, &publisher.url).await {
            assert!(page.contains("src=\"data:image/gif;base64,R0lGODlh\""), "{page}");
            assert!(!page.contains(&publisher.url) && policy.contains("img-src 'self' data:;"), "{policy} {page}");
        }
    }
    assert_eq!(publisher.asked(), 1);

    // A day later it is gone: the one that was there goes on serving, and nobody asks at every visit.
    publisher.answer_with("404 Not Found", "", "");
    server.clock.advance(24 * 3_600);
    for _ in 0..2 {
        assert!(pages(&server, &publisher.url).await.iter().all(|(_, page)| page.contains("R0lGODlh")));
    }
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn what_is_no_bitmap_is_not_shown_whatever_it_is_said_to_be() {
    let (server, publisher) = with_publisher().await;
    let large = format!("GIF89a{}", "0".repeat(40_000));
    for content in ["<svg onload=alert(1)>", "<script>alert(1)</script>", large.as_str()] {
        publisher.answer_with("200 OK", "content-type: image/gif\r\n", content);
        server.clock.advance(600);
        for (_, page) in pages(&server, &publisher.url).await {
            assert!(!page.contains("data:image") && !page.contains("alert(1)"), "{page}");
        }
        assert_eq!(publisher.asked(), 1);
    }
}

#[tokio::test]
async fn n12_what_is_no_picture_is_not_registered_as_a_logo() {
    use serde_json::json;
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.client_registration.mode = ostiary::config::ClientRegistrationMode::Open;
    })
    .await;
    for logo in ["data:image/svg+xml;base64,PHN2Zz4=", "data:text/html,x", "javascript:alert(1)", "http://app.example/logo.png"] {
        let body = json!({ "redirect_uris": ["https://app.example/cb"], "logo_uri": logo }).to_string();
        let request = http::Request::post("/client-registration").header("content-type", "application/json");
        let answer = server.send(request.body(axum::body::Body::from(body)).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (400, Some("invalid_client_metadata")), "{logo}");
    }
}
