//! Codes and what they are exchanged for: behaviours 1.4.

use ostiary::protocol::client::AccessTokenFormat;
use ostiary::storage::instance;
use tokio::task::JoinSet;

use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{
    AuthorizationUrl, VERIFIER, assert_error, authorize, claims, code, header, redeem, refresh, text, tokens,
};
use crate::support::server::{Persona, TestClient, TestServer};

/// One of so many who redeem a code at once gets tokens, and they are worth nothing: somebody else had the code too.
async fn race(server: &TestServer, client: &TestClient, code: &str, many: usize) {
    let tries: Vec<_> = (0..many)
        .map(|_| {
            let (server, client, code) = (server.clone(), client.clone(), code.to_owned());
            tokio::spawn(async move { redeem(&server, &client, &code).await })
        })
        .collect();
    let mut won = Vec::new();
    for attempt in tries {
        let answer = attempt.await.unwrap();
        if answer.status == 200 { won.push(answer.json()) } else { assert_error(&answer, 400, "invalid_grant") }
    }
    assert_eq!(won.len(), 1);
    let inactive = server.introspect(client, &text(&won[0], "access_token")).await;
    assert_eq!(inactive["active"], false, "somebody else had the code too");
    assert_eq!(server.last_reason("code.replayed").await.as_deref(), Some("code_replayed"));
}

on_both! {
    async fn a_code_cannot_be_redeemed_twice_and_a_second_try_revokes_the_first(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let code = code(&server, &client, "anna").await;
        let tokens = redeem(&server, &client, &code).await.json();
        assert_eq!(server.introspect(&client, &text(&tokens, "access_token")).await["active"], true);

        server.clock.advance(30);
        assert_error(&redeem(&server, &client, &code).await, 400, "invalid_grant");
        for token in ["access_token", "refresh_token"] {
            let answer = server.introspect(&client, &text(&tokens, token)).await;
            assert_eq!(answer, serde_json::json!({"active": false}));
        }
        assert_error(&refresh(&server, &client, &text(&tokens, "refresh_token")).await, 400, "invalid_grant");
        assert_eq!(server.userinfo(&text(&tokens, "access_token")).await.status, 401);
        assert_eq!(server.last_reason("code.replayed").await.as_deref(), Some("code_replayed"));
    }

    async fn of_fifty_redemptions_at_once_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let code = code(&server, &client, "anna").await;
        race(&server, &client, &code, 50).await;
    }

    async fn two_who_redeem_one_code_at_once_lose_it_while_others_write(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        // So that the two share a commit with others, and wait for it.
        let mut others = JoinSet::new();
        for name in ["one", "another"] {
            let db = server.state.db.clone();
            others.spawn(async move {
                loop {
                    db.write(async |tx| instance::insert_if_absent(tx, name, b"x").await.map(drop)).await.unwrap();
                }
            });
        }
        for _ in 0..10 {
            let code = code(&server, &client, "anna").await;
            race(&server, &client, &code, 2).await;
        }
    }

    async fn a_code_dies_with_its_session(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await["code"].clone();
        let page = browser.visit("/logout").await;
        browser.submit(&page.form()).await;
        assert_error(&redeem(&server, &client, &code).await, 400, "invalid_grant");
    }

    async fn a_code_of_another_client_is_refused_and_not_burnt(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let other = server.client(Persona::Web, |_| {}).await;
        let code = code(&server, &client, "anna").await;
        assert_error(&redeem(&server, &other, &code).await, 400, "invalid_grant");
        assert_eq!(server.last_reason("token.refused").await.as_deref(), Some("code_of_another_client"));
        assert_eq!(redeem(&server, &client, &code).await.status, 200);
    }

    async fn opaque_access_tokens_work_like_signed_ones(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.access_token_format = AccessTokenFormat::Opaque).await;
        let tokens = tokens(&server, &client, "anna").await;
        let token = text(&tokens, "access_token");
        assert!(!token.contains('.'));
        assert_eq!(server.userinfo(&token).await.status, 200);
        let answer = server.introspect(&client, &token).await;
        assert_eq!((&answer["active"], &answer["client_id"]), (&true.into(), &client.id().into()));
        server.clock.advance(901);
        assert_eq!(server.introspect(&client, &token).await, serde_json::json!({"active": false}));
    }
}

#[tokio::test]
async fn what_does_not_fit_the_code_is_invalid_grant() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let code = code(&server, &client, "anna").await;
    let good = [("code", code.as_str()), ("redirect_uri", client.redirect_uri()), ("code_verifier", VERIFIER)];
    let long = "a".repeat(129);
    let flipped = format!("{}{}", &code[..42], if code.ends_with('A') { "B" } else { "A" });
    for (name, value) in [
        ("redirect_uri", ""),
        ("redirect_uri", "https://app.example/cb/"),
        ("code_verifier", ""),
        ("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-w"),
        ("code_verifier", "a234567890123456789012345678901234567890ab"),
        ("code_verifier", &long),
        ("code_verifier", "dBjftJeZ4CVP+mB92K27uhbUJU1p1r/wW1gFWFOEjXk"),
        ("code_verifier", crate::support::flow::CHALLENGE),
        ("code", &flipped),
        ("code", &code[..20]),
        ("code", "eyJhbGciOiJub25lIn0.e30."),
    ] {
        let mut fields = vec![("grant_type", "authorization_code")];
        fields.extend(good.iter().map(|(field, given)| (*field, if *field == name { value } else { given })));
        assert_error(&server.token(&client, &fields).await, 400, "invalid_grant");
    }
    let mut twice = vec![("grant_type", "authorization_code"), ("code", code.as_str())];
    twice.extend(good);
    assert_error(&server.token(&client, &twice).await, 400, "invalid_request");
    assert_eq!(redeem(&server, &client, &code).await.status, 200, "nothing of that has burnt it");
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let early = code(&server, &client, "anna").await;
    server.clock.advance(59);
    assert_eq!(redeem(&server, &client, &early).await.status, 200);
    let late = code(&server, &client, "anna").await;
    server.clock.advance(60);
    assert_error(&redeem(&server, &client, &late).await, 400, "invalid_grant");
}

#[tokio::test]
async fn grant_types_are_known_allowed_and_named() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    assert_error(&server.token(&client, &[]).await, 400, "invalid_request");
    for unknown in ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer"] {
        assert_error(&server.token(&client, &[("grant_type", unknown)]).await, 400, "unsupported_grant_type");
    }
    assert_error(&server.token(&client, &[("grant_type", "client_credentials")]).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn tokens_are_what_the_standards_say() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let user = server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.audiences = vec!["https://api.example".to_owned()]).await;
    let tokens = tokens(&server, &client, "anna").await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&"Bearer".into(), &900.into()));
    let access_token = text(&tokens, "access_token");
    assert_eq!(header(&access_token)["typ"], "at+jwt");
    assert_eq!(header(&access_token)["alg"], "ES256");
    let access = claims(&access_token);
    assert_eq!(access["iss"], "https://id.example");
    assert_eq!(access["sub"], user.id.as_str());
    assert_eq!(access["client_id"], client.id());
    // With the openid scope the issuer is an audience too, for userinfo.
    assert_eq!(access["aud"], serde_json::json!(["https://api.example", "https://id.example"]));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 900);

    let id_token = text(&tokens, "id_token");
    assert_eq!(header(&id_token)["alg"], "RS256");
    let id = claims(&id_token);
    assert_eq!((&id["aud"], &id["azp"], &id["sub"]), (&client.id().into(), &client.id().into(), &access["sub"]));
    let hash = ostiary::protocol::id_token::half_hash(ostiary::protocol::client::Algorithm::RS256, &access_token);
    assert_eq!(id["at_hash"], hash.as_str());
    assert!(id["sid"].is_string() && id["auth_time"].is_i64() && id["acr"].is_string());
    assert_eq!(id["amr"], serde_json::json!(["pwd"]));

    // Neither passes for the other.
    assert_eq!(server.userinfo(&id_token).await.status, 401);
    assert_eq!(server.introspect(&client, &id_token).await, serde_json::json!({"active": false}));
    let hinted = AuthorizationUrl::new(&client).with("id_token_hint", &access_token);
    assert_eq!(server.get(&hinted.path()).await.redirect_params()["error"], "invalid_request");
}
