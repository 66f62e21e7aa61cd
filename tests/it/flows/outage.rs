//! The database is gone: clients are told to come back, and never that their tokens are worth nothing (behaviours, decided 13).

use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, VERIFIER, code, refresh, text, tokens};
use crate::support::server::{PASSWORD, Persona, TestServer};

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:#?}");
    assert!(answer.header("retry-after").is_some(), "{answer:#?}");
    if answer.header("content-type") == Some("application/json") {
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
}

on_both! {
    async fn without_a_database_clients_are_asked_to_come_back(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let service = server.client(Persona::Service, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let code = code(&server, &client, "anna").await;
        let service_token = server.token(&service, &[("grant_type", "client_credentials")]).await.json();
        let mut browser = server.browser();
        let login = browser.visit(&AuthorizationUrl::new(&client).path()).await;

        server.state.db.close().await;

        let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", client.redirect_uri()), ("code_verifier", VERIFIER)];
        assert_unavailable(&server.token(&client, &redeem).await);
        assert_unavailable(&refresh(&server, &client, &text(&tokens, "refresh_token")).await);
        for token in [text(&tokens, "access_token"), text(&service_token, "access_token"), "unknown".to_owned()] {
            assert_unavailable(&server.post_as(&client, "/introspect", &[("token", &token)]).await);
            assert_unavailable(&server.post_as(&client, "/revoke", &[("token", &token)]).await);
            assert_unavailable(&server.userinfo(&token).await);
        }
        let unknown = server.post_with("/token", &[], &[("grant_type", "client_credentials"), ("client_id", "new")]).await;
        assert_unavailable(&unknown);
        assert_unavailable(&browser.submit(&login.form().set("username", "anna").set("password", PASSWORD)).await);

        // What needs no database goes on.
        assert_eq!(server.token(&service, &[("grant_type", "client_credentials")]).await.status, 200);
        for path in ["/jwks", "/.well-known/openid-configuration", "/health/live"] {
            assert_eq!(server.get(path).await.status, 200, "{path}");
        }
        let ready = server.get("/health/ready").await;
        assert_eq!((ready.status.as_u16(), ready.body.as_str()), (503, "unavailable"));
    }
}
