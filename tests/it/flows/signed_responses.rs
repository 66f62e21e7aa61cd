//! Authorization responses in a JWT (JARM).

use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwt::TokenType;
use serde_json::Value;

use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, header, log_in, redeem, text};
use crate::support::server::{Persona, TestClient, TestServer};

/// What a response says, its signature checked with the server's published key.
#[track_caller]
fn opened(server: &TestServer, client: &TestClient, response: &str) -> Value {
    let claims: Value = server.state.keys.verify(response, TokenType::AuthorizationResponse).expect("our signature");
    assert_eq!((&claims["iss"], &claims["aud"]), (&"https://id.example".into(), &client.id().into()));
    let left = claims["exp"].as_i64().unwrap() - server.clock.now().as_seconds();
    assert!((1..=600).contains(&left), "{left}");
    claims
}

/// The one parameter of a redirect.
#[track_caller]
fn response(answer: &Answer, separator: char) -> String {
    let start = format!("https://app.example/cb{separator}response=");
    let response = answer.location().strip_prefix(&start).unwrap_or_else(|| panic!("{answer:#?}"));
    assert!(!response.contains(['&', '=']), "nothing beside it");
    response.to_owned()
}

on_both! {
    async fn a_code_comes_back_signed_where_the_mode_says_so(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        for (mode, separator) in [("jwt", '?'), ("query.jwt", '?'), ("fragment.jwt", '#')] {
            let mut browser = server.browser();
            let page = browser.visit(&AuthorizationUrl::new(&client).with("response_mode", mode).path()).await;
            let answer = log_in(&mut browser, &page, "anna").await;
            let response = response(&answer, separator);
            assert_eq!(header(&response)["alg"], "RS256");
            let claims = opened(&server, &client, &response);
            assert_eq!(claims["state"], "af0ifjsldkj");
            assert_eq!(redeem(&server, &client, &text(&claims, "code")).await.status, 200);
        }
    }

    async fn an_error_comes_back_signed_too(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Web, |metadata| metadata.authorization_signed_response_alg = Algorithm::ES256).await;
        let url = AuthorizationUrl::new(&client).with("response_mode", "jwt");
        for (bad, error, separator) in [
            (url.clone().with("prompt", "none"), "login_required", '?'),
            (url.clone().without("code_challenge"), "invalid_request", '?'),
            // What would have brought a token is not put into a query.
            (url.clone().with("response_type", "token"), "unsupported_response_type", '#'),
        ] {
            let answer = server.get(&bad.path()).await;
            let response = response(&answer, separator);
            assert_eq!(header(&response)["alg"], "ES256");
            let claims = opened(&server, &client, &response);
            assert_eq!((&claims["error"], &claims["state"]), (&error.into(), &"af0ifjsldkj".into()));
            assert!(claims.get("code").is_none());
        }
    }
}

#[tokio::test]
async fn a_form_posts_one_signed_field_which_may_hold_what_a_form_would_rewrite() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let state = "line\r\nbreak \"></form>";
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client).with("response_mode", "form_post.jwt").with("state", state);
    let page = browser.visit(&url.path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    let form = answer.form();
    assert_eq!((form.action.as_str(), form.fields.len()), ("https://app.example/cb", 1));
    assert_eq!(opened(&server, &client, form.field("response"))["state"], state);
}

#[tokio::test]
async fn a_signed_response_is_no_token() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client).with("prompt", "none");
    let response = response(&server.get(&url.clone().with("response_mode", "jwt").path()).await, '?');
    assert_eq!(server.userinfo(&response).await.status, 401);
    assert_eq!(server.introspect(&client, &response).await["active"], false);
    let hinted = server.get(&url.with("id_token_hint", &response).path()).await.redirect_params();
    assert_eq!(hinted["error"], "invalid_request");
}
