//! Refresh tokens: behaviours 1.5.

use std::collections::BTreeSet;

use ostiary::protocol::client::GrantType;

use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, assert_error, claims, refresh, text, tokens, tokens_of};
use crate::support::server::{Persona, TestServer};

on_both! {
    async fn a_public_clients_refresh_token_rotates_and_its_reuse_revokes_the_family(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let first = tokens(&server, &client, "anna").await;
        let second = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
        let third = refresh(&server, &client, &text(&second, "refresh_token")).await.json();
        let all: BTreeSet<_> = [&first, &second, &third].iter().map(|tokens| text(tokens, "refresh_token")).collect();
        assert_eq!(all.len(), 3);

        // Its successor was used: whoever comes with the first one has stolen it, or has been stolen from.
        assert_error(&refresh(&server, &client, &text(&first, "refresh_token")).await, 400, "invalid_grant");
        assert_error(&refresh(&server, &client, &text(&third, "refresh_token")).await, 400, "invalid_grant");
        for tokens in [&first, &second, &third] {
            assert_eq!(server.userinfo(&text(tokens, "access_token")).await.status, 401);
        }
        assert_eq!(server.last_reason("refresh_token.replayed").await.as_deref(), Some("refresh_token_replayed"));
    }

    async fn an_old_token_gives_a_theft_away_even_after_it_expired(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let first = tokens(&server, &client, "anna").await;
        server.clock.advance(4 * 86_400);
        let second = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
        server.clock.advance(4 * 86_400);
        assert_error(&refresh(&server, &client, &text(&first, "refresh_token")).await, 400, "invalid_grant");
        assert_error(&refresh(&server, &client, &text(&second, "refresh_token")).await, 400, "invalid_grant");
    }

    async fn a_replay_is_one_even_when_the_client_rotates_no_longer(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.rotate_refresh_tokens = true).await;
        let first = tokens(&server, &client, "anna").await;
        let second = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
        server.update_client(&client, |client| client.metadata.rotate_refresh_tokens = false).await;
        assert_error(&refresh(&server, &client, &text(&first, "refresh_token")).await, 400, "invalid_grant");
        assert_error(&refresh(&server, &client, &text(&second, "refresh_token")).await, 400, "invalid_grant");
        assert_eq!(server.last_reason("refresh_token.replayed").await.as_deref(), Some("refresh_token_replayed"));
    }

    async fn a_lost_answer_logs_nobody_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let first = tokens(&server, &client, "anna").await;
        let lost = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
        server.clock.advance(5);
        let again = refresh(&server, &client, &text(&first, "refresh_token")).await;
        assert_eq!(again.status, 200);
        let again = again.json();
        assert_eq!(server.userinfo(&text(&lost, "access_token")).await.status, 401, "the lost access token is dead");
        assert_eq!(server.userinfo(&text(&again, "access_token")).await.status, 200);
        assert_eq!(refresh(&server, &client, &text(&again, "refresh_token")).await.status, 200);
        // The successor was used: the grace is over at once.
        assert_error(&refresh(&server, &client, &text(&first, "refresh_token")).await, 400, "invalid_grant");
        assert_error(&refresh(&server, &client, &text(&again, "refresh_token")).await, 400, "invalid_grant");
    }

    async fn of_fifty_refreshes_at_once_without_grace_one_succeeds(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.tokens.refresh_token_grace = 0).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let token = text(&tokens(&server, &client, "anna").await, "refresh_token");
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (server, client, token) = (server.clone(), client.clone(), token.clone());
                tokio::spawn(async move { refresh(&server, &client, &token).await })
            })
            .collect();
        let mut won = 0;
        for attempt in tries {
            let answer = attempt.await.unwrap();
            if answer.status == 200 { won += 1 } else { assert_error(&answer, 400, "invalid_grant") }
        }
        assert_eq!(won, 1);
    }

    async fn a_confidential_clients_refresh_token_stays(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let first = tokens(&server, &client, "anna").await;
        let token = text(&first, "refresh_token");
        let before = claims(&text(&first, "id_token"));
        for _ in 0..10 {
            server.clock.advance(3 * 86_400 - 600);
            let answer = refresh(&server, &client, &token).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            let again = answer.json();
            assert_eq!(again.get("refresh_token"), None);
            let id_token = claims(&text(&again, "id_token"));
            assert_eq!(id_token.get("nonce"), None);
            for claim in ["iss", "sub", "aud", "auth_time"] {
                assert_eq!(id_token[claim], before[claim], "{claim}");
            }
            assert_ne!(text(&again, "access_token"), text(&first, "access_token"));
        }
        // Used as often as it was, it ends with the family: 30 days after the login.
        server.clock.advance(7_200);
        assert_error(&refresh(&server, &client, &token).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn without_offline_access_or_the_refresh_grant_there_is_no_refresh_token() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client).with("scope", "openid");
    assert_eq!(tokens_of(&server, &client, &url, "anna").await.get("refresh_token"), None);
    let client = server.client(Persona::Web, |metadata| metadata.grant_types = vec![GrantType::AuthorizationCode]).await;
    assert_eq!(tokens(&server, &client, "anna").await.get("refresh_token"), None);
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scope_and_not_widen_it() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Spa, |_| {}).await;
    let url = AuthorizationUrl::new(&client).with("scope", "openid profile offline_access");
    let first = tokens_of(&server, &client, &url, "anna").await;
    let fields = |token: &str, scope: &str| {
        vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), token.to_owned()),
            ("scope".to_owned(), scope.to_owned()),
        ]
    };
    let post = async |fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        server.token(&client, &fields).await
    };
    let token = text(&first, "refresh_token");
    assert_error(&post(fields(&token, "openid email")).await, 400, "invalid_scope");
    let narrow = post(fields(&token, "openid")).await.json();
    assert_eq!(narrow["scope"], "openid");
    let whole = refresh(&server, &client, &text(&narrow, "refresh_token")).await.json();
    assert_eq!(whole["scope"], "offline_access openid profile");
}

#[tokio::test]
async fn a_refresh_token_dies_with_what_it_stands_on() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let other = server.client(Persona::Web, |_| {}).await;

    let client = server.client(Persona::Web, |_| {}).await;
    let token = text(&tokens(&server, &client, "anna").await, "refresh_token");
    assert_error(&refresh(&server, &other, &token).await, 400, "invalid_grant");
    server.update_client(&client, |client| client.metadata.grant_types = vec![GrantType::AuthorizationCode]).await;
    assert_error(&refresh(&server, &client, &token).await, 400, "unauthorized_client");

    let client = server.client(Persona::Web, |_| {}).await;
    let token = text(&tokens(&server, &client, "anna").await, "refresh_token");
    server
        .update_client(&client, |client| client.metadata.scope = client.metadata.scope.filter(|scope| scope != "offline_access"))
        .await;
    assert_error(&refresh(&server, &client, &token).await, 400, "invalid_grant");

    let client = server.client(Persona::Web, |_| {}).await;
    let token = text(&tokens(&server, &client, "anna").await, "refresh_token");
    server.clock.advance(7 * 86_400 + 1);
    assert_error(&refresh(&server, &client, &token).await, 400, "invalid_grant");

    let token = tokens(&server, &client, "anna").await;
    server.disable(&anna).await;
    assert_error(&refresh(&server, &client, &text(&token, "refresh_token")).await, 400, "invalid_grant");
    assert_eq!(server.userinfo(&text(&token, "access_token")).await.status, 401);
    assert_eq!(server.introspect(&client, &text(&token, "access_token")).await["active"], false);
}
