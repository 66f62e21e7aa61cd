//! Logins that this server sends people to begin (OpenID Connect Core §4).

use super::assert_page;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize};
use crate::support::server::{PASSWORD, Persona, TestServer};

const BEGINS: &str = "https://app.example/login?iss=https%3A%2F%2Fid.example";

on_both! {
    async fn a_connected_application_is_opened_from_the_account(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let knows = server.client(Persona::Web, |metadata| {
            metadata.initiate_login_uri = Some("https://app.example/login".to_owned());
        }).await;
        let other = server.client(Persona::Spa, |_| {}).await;
        let mut browser = server.browser();
        for client in [&knows, &other] {
            authorize(&mut browser, &AuthorizationUrl::new(client), "anna").await;
        }
        let page = browser.visit("/account/apps").await;
        assert_eq!(page.link(&format!("open-{}", knows.id())), BEGINS);
        assert!(page.body.contains(other.id()) && !page.body.contains(&format!("open-{}", other.id())));
    }

    async fn who_took_too_long_is_led_back_to_begin_again(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        for (uri, link) in [(Some("https://app.example/login"), true), (None, false)] {
            let client = server.client(Persona::Web, |metadata| metadata.initiate_login_uri = uri.map(str::to_owned)).await;
            let mut browser = server.browser();
            let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
            server.clock.advance(900);
            let late = browser.submit(&page.form().set("username", "anna").set("password", PASSWORD)).await;
            assert_page(&late, 400);
            if link {
                assert_eq!(late.link("go-on"), BEGINS);
            }
            assert_eq!(late.body.contains("id=\"go-on\""), link);
        }
    }
}
