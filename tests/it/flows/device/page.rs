//! The page on which a person types a device's code: behaviours 1.6 D5, D6, D9.

use super::{allow, begin, poll, television, type_code};
use crate::guard::attack::{limited_with, recorded};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, log_in, text};
use crate::support::server::TestServer;

on_both! {
    async fn d5_wrong_expired_and_used_codes_look_alike(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let (expired, used) = (begin(&server, &client).await, begin(&server, &client).await);
        let code = text(&used, "user_code");
        assert_eq!(code.len(), 9, "eight letters, and what stands between their halves");
        allow(&server, &used, "anna").await;
        let mut browser = server.browser();
        let of_used = type_code(&mut browser, &code).await;
        server.clock.advance(600);
        let of_expired = type_code(&mut browser, &text(&expired, "user_code")).await;
        let of_unknown = type_code(&mut browser, "BBBB-BBBB").await;
        let told = |answer: &Answer| answer.texts("main").concat().replace(answer.trace_id(), "");
        for answer in [&of_expired, &of_unknown] {
            assert_eq!((answer.status.as_u16(), told(answer)), (400, told(&of_used)));
        }
        assert!(recorded(&server, "device.refused", "user_code_unknown").await);
    }

    async fn d6_a_link_with_the_code_fills_it_in_and_allows_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        // The operator's own client, and a person who agreed before: both would be let through elsewhere.
        let client = television(&server).await;
        server.update_client(&client, |client| client.metadata.first_party = true).await;
        let begun = begin(&server, &client).await;
        allow(&server, &begun, "anna").await;
        let begun = begin(&server, &client).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let page = browser.visit(&text(&begun, "verification_uri_complete")).await;
        assert_eq!(page.form_of("device-form").field("user_code"), text(&begun, "user_code"));
        assert_error(&poll(&server, &client, &begun).await, 400, "authorization_pending");

        let page = browser.submit(&page.form_of("device-form")).await;
        assert!(page.url.starts_with("/consent"), "{page:#?}");
        assert_eq!(page.texts("#device-code"), [text(&begun, "user_code")]);
        assert!(page.texts("#device-warning").concat().contains("began this yourself"));
        assert!(page.texts("h1").concat().contains("Television"));
        assert_eq!(page.texts(".grants li").len(), 3);
        assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        server.clock.advance(5);
        assert_error(&poll(&server, &client, &begun).await, 400, "authorization_pending");
        let forged = page.form_of("consent-form").set("decision", "allow").set("csrf", "wrong");
        assert_eq!(browser.submit(&forged).await.status, 403);
        let form = page.form_of("consent-form").set("decision", "allow").without("scope").and("scope", "email").and("scope", "users:write");
        assert_eq!(browser.submit(&form).await.url, "/device/allowed");
        assert_eq!(poll(&server, &client, &begun).await.json()["scope"], "email openid", "what was unticked is not given");
    }

    async fn d9_a_code_is_known_however_it_is_typed_and_stays_text(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let code = text(&begun, "user_code");
        for typed in [code.to_lowercase(), code.replace('-', ""), format!("  {} ", code.replace('-', " "))] {
            let mut browser = server.browser();
            assert!(type_code(&mut browser, &typed).await.url.starts_with("/login"), "{typed}");
        }
        let hostile = "\"><script>alert(1)</script>";
        let mut browser = server.browser();
        let page = type_code(&mut browser, hostile).await;
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        assert!(recorded(&server, "device.refused", "user_code_malformed").await);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("user_code", hostile).finish();
        let page = browser.visit(&format!("/device?{query}")).await;
        assert_eq!((page.status.as_u16(), page.form_of("device-form").field("user_code")), (200, ""));
    }
}

/// D5: five in one browser, and ten wrong ones from one address.
#[tokio::test]
async fn d5_codes_are_not_guessed() {
    let server = limited_with(TestDatabase::sqlite().await, |_| {}).await;
    let client = television(&server).await;
    let begun = begin(&server, &client).await;
    let code = text(&begun, "user_code");
    let mut browser = server.browser().at("192.0.2.1");
    for _ in 0..5 {
        assert_eq!(type_code(&mut browser, "BBBB-BBBB").await.status, 400);
    }
    let answer = type_code(&mut browser, "BBBB-BBBB").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("180")));
    assert!(recorded(&server, "device.refused", "rate_limited").await);
    // Right ones are not counted with them.
    for _ in 0..10 {
        assert!(type_code(&mut server.browser().at("192.0.2.1"), &code).await.url.starts_with("/login"));
    }
    for wrong in ["BBBB-BBBB", "no code", "CCCC-CCCC", "DDDD-DDDD", "FFFF-FFFF"] {
        assert_eq!(type_code(&mut server.browser().at("192.0.2.1"), wrong).await.status, 400);
    }
    let answer = type_code(&mut server.browser().at("192.0.2.1"), &code).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("360")), "another browser, the same address");
    assert!(type_code(&mut server.browser().at("192.0.2.2"), &code).await.url.starts_with("/login"));
}

/// Right ones count too, so that many at once find no way around the limit of wrong ones.
#[tokio::test]
async fn d5_devices_are_connected_one_after_another() {
    let server = limited_with(TestDatabase::sqlite().await, |_| {}).await;
    let client = television(&server).await;
    let code = text(&begin(&server, &client).await, "user_code");
    for _ in 0..30 {
        assert!(type_code(&mut server.browser().at("192.0.2.1"), &code).await.url.starts_with("/login"));
    }
    let answer = type_code(&mut server.browser().at("192.0.2.1"), &code).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("60")));
}

/// Nor by many who take turns.
#[tokio::test]
async fn d5_codes_are_not_guessed_from_everywhere_either() {
    let everywhere = |config: &mut ostiary::config::Config| config.rates.user_code_wrong_everywhere = "20/m".parse().unwrap();
    let server = limited_with(TestDatabase::sqlite().await, everywhere).await;
    let client = television(&server).await;
    let code = text(&begin(&server, &client).await, "user_code");
    for turn in 0..20 {
        let mut browser = server.browser().at(&format!("192.0.2.{turn}"));
        assert_eq!(type_code(&mut browser, "BBBB-BBBB").await.status, 400);
    }
    let mut honest = server.browser().at("198.51.100.1");
    let answer = type_code(&mut honest, &code).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("3")));
    server.clock.advance(3);
    assert!(type_code(&mut honest, &code).await.url.starts_with("/login"), "for a moment");
}
