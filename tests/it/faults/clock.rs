//! A clock that jumps (behaviours 2, "clock +1 h, −1 h, leap"). How it is told what time it is stands in the unit tests of
//! `ostiary::clock`; here is what comes of it.

use ostiary::clock::Clock;
use ostiary::protocol::client::{Algorithm, ClientAuthMethod};
use ostiary::protocol::time::Seconds;
use serde_json::json;

use crate::process::Server;
use crate::program::Program;
use crate::support::assertion::{ClientKey, claims, jwks, token};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app, half_way};
use crate::support::flow::{assert_error, code, redeem, refresh, text, tokens};
use crate::support::server::{Persona, TestServer};

const HOUR: i64 = 3_600;

on_both! {
    async fn set_back_an_hour_the_clock_revives_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let user = server.person("anna").await;
        let web = server.client(Persona::Web, |_| {}).await;
        let key = ClientKey::new(Algorithm::ES256);
        let service = server
            .client(Persona::Service, |metadata| {
                metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
                metadata.jwks = Some(jwks(&[&key]));
            })
            .await;
        let (spent, expired) = (code(&server, &web, "anna").await, code(&server, &web, "anna").await);
        assert_eq!(redeem(&server, &web, &spent).await.status, 200);
        let mut presented = claims(&server, &service);
        presented["exp"] = json!(server.clock.now().as_seconds() + 60);
        let assertion = key.sign(&presented);
        assert_eq!(token(&server, &assertion).await.status, 200);
        let secret = give_app(&server, &user).await;
        let typed = code_of(&server, &secret, 0);
        let (mut browser, page) = half_way(&server, "anna").await;
        enter_code(&mut browser, &page, &typed).await;

        server.clock.advance(10 * 60);
        ostiary::jobs::cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        server.clock.set(-HOUR);
        assert_eq!(server.clock.behind().as_secs(), 3_600);

        assert_error(&redeem(&server, &web, &spent).await, 400, "invalid_grant");
        assert_error(&redeem(&server, &web, &expired).await, 400, "invalid_grant");
        assert_error(&token(&server, &assertion).await, 401, "invalid_client");
        let (mut browser, page) = half_way(&server, "anna").await;
        let again = enter_code(&mut browser, &page, &typed).await;
        assert_eq!(again.status, 422, "{again:#?}");
        // And life goes on.
        let fresh = tokens_after_a_step(&server, &secret).await;
        assert_eq!(fresh, 200);
    }

    /// What has ended stays so, and what is good stays good where the clock of another node says otherwise by a little.
    async fn nodes_five_seconds_apart_agree(database: TestDatabase) {
        let one = TestServer::start(database).await;
        one.person("anna").await;
        let client = one.client(Persona::Spa, |_| {}).await;
        for apart in [-5, 5] {
            let mut other = one.clone();
            other.clock = Clock::fixed(one.clock.now() + Seconds(apart));
            let other = other.another_node().await;
            // A token from here is good there at once, and the other way round.
            let issued = tokens(&one, &client, "anna").await;
            assert_eq!(other.userinfo(&text(&issued, "access_token")).await.status, 200, "{apart}");
            let refreshed = refresh(&other, &client, &text(&issued, "refresh_token")).await;
            assert_eq!(refreshed.status, 200, "{apart}: {refreshed:#?}");
            assert_eq!(one.userinfo(&text(&refreshed.json(), "access_token")).await.status, 200, "{apart}");
            let code = code(&one, &client, "anna").await;
            assert_eq!(redeem(&other, &client, &code).await.status, 200, "{apart}");
            assert_error(&redeem(&one, &client, &code).await, 400, "invalid_grant");
        }
    }
}

/// The status of a login with the app's next code.
async fn tokens_after_a_step(server: &TestServer, secret: &ostiary::authn::totp::Secret) -> u16 {
    server.clock.advance(60);
    let (mut browser, page) = half_way(server, "anna").await;
    let typed = code_of(server, secret, 0);
    enter_code(&mut browser, &page, &typed).await;
    browser.visit("/account").await.status.as_u16()
}

#[tokio::test]
async fn how_far_the_clock_is_behind_is_a_figure() {
    let server = Server::start_with(Program::new(), "[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let url = format!("http://{}/metrics", server.notice["metrics"].as_str().expect("an address"));
    let figures = reqwest::get(url).await.expect("an answer").text().await.expect("text");
    assert!(figures.contains("\nostiary_clock_behind_seconds 0\n"), "{figures}");
}
