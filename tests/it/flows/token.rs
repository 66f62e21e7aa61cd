//! The token endpoint: behaviours 1.3, 1.4, 1.5, 1.6.

use std::collections::BTreeSet;

use ostiary::protocol::client::{AccessTokenFormat, ClientAuthMethod, ClientStatus, GrantType};

use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{
    AuthorizationUrl, VERIFIER, assert_error, claims, code, header, redeem, refresh, text, tokens, tokens_of,
};
use crate::support::server::{Persona, TestServer, basic};

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
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (server, client, code) = (server.clone(), client.clone(), code.clone());
                tokio::spawn(async move { redeem(&server, &client, &code).await })
            })
            .collect();
        let mut won = Vec::new();
        for attempt in tries {
            let answer = attempt.await.unwrap();
            if answer.status == 200 { won.push(answer.json()) } else { assert_error(&answer, 400, "invalid_grant") }
        }
        assert_eq!(won.len(), 1);
        let inactive = server.introspect(&client, &text(&won[0], "access_token")).await;
        assert_eq!(inactive["active"], false, "somebody else had the code too");
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
            for claim in ["iss", "sub", "aud", "auth_time", "nonce"] {
                assert_eq!(id_token[claim], before[claim], "{claim}");
            }
            assert_ne!(text(&again, "access_token"), text(&first, "access_token"));
        }
        // Used as often as it was, it ends with the family: 30 days after the login.
        server.clock.advance(7_200);
        assert_error(&refresh(&server, &client, &token).await, 400, "invalid_grant");
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
    for unknown in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
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
    let hash = ostiary::protocol::id_token::at_hash(ostiary::protocol::client::Algorithm::RS256, &access_token);
    assert_eq!(id["at_hash"], hash.as_str());
    assert!(id["sid"].is_string() && id["auth_time"].is_i64() && id["acr"].is_string());
    assert_eq!(id["amr"], serde_json::json!(["pwd"]));

    // Neither passes for the other.
    assert_eq!(server.userinfo(&id_token).await.status, 401);
    assert_eq!(server.introspect(&client, &id_token).await, serde_json::json!({"active": false}));
    let hinted = AuthorizationUrl::new(&client).with("id_token_hint", &access_token);
    assert_eq!(server.get(&hinted.path()).await.redirect_params()["error"], "invalid_request");
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

#[tokio::test]
async fn client_credentials_give_an_access_token_and_nothing_else() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let service = server.client(Persona::Service, |_| {}).await;
    let answer = server.token(&service, &[("grant_type", "client_credentials"), ("scope", "reports:read")]).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let tokens = answer.json();
    assert_eq!((tokens.get("refresh_token"), tokens.get("id_token")), (None, None));
    let token = text(&tokens, "access_token");
    let claims = claims(&token);
    assert_eq!((&claims["sub"], &claims["aud"]), (&service.id().into(), &"https://api.example".into()));
    assert!(server.audit().await.is_empty(), "a stateless token costs no row");
    let answer = server.introspect(&service, &token).await;
    assert_eq!((&answer["active"], &answer["scope"]), (&true.into(), &"reports:read".into()));

    for scope in ["openid", "offline_access", "reports:read openid", "users:read"] {
        assert_error(
            &server.token(&service, &[("grant_type", "client_credentials"), ("scope", scope)]).await,
            400,
            "invalid_scope",
        );
    }
    let unknown = server.token(&service, &[("grant_type", "client_credentials"), ("scope", "reports:read weather")]).await;
    assert_eq!(unknown.json()["scope"], "reports:read");
    let public = server.client(Persona::Spa, |metadata| metadata.grant_types = vec![GrantType::ClientCredentials]).await;
    assert_error(&server.token(&public, &[("grant_type", "client_credentials")]).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn stateless_tokens_are_recorded_when_the_operator_says_so() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.audit.tokens = true).await;
    let service = server.client(Persona::Service, |_| {}).await;
    server.token(&service, &[("grant_type", "client_credentials")]).await;
    let events = server.audit().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].client_id.as_ref().map(ToString::to_string)),
        ("token.issued", Some(service.id().to_owned()))
    );
}

#[tokio::test]
async fn no_client_authentication_and_a_wrong_one_are_told_apart_by_nobody() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let secret = client.secret.clone().unwrap();
    let post = async |headers: &[(&str, &str)], fields: &[(&str, &str)]| {
        server.post_with("/token", headers, &[&[("grant_type", "client_credentials")], fields].concat()).await
    };
    assert_error(&post(&[], &[]).await, 401, "invalid_client");
    let wrong = post(&[("authorization", &basic(client.id(), "wrong"))], &[]).await;
    let unknown = post(&[("authorization", &basic("nobody", "wrong"))], &[]).await;
    for answer in [&wrong, &unknown] {
        assert_error(answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    assert_eq!(wrong.body, unknown.body);
    let reasons: BTreeSet<_> = server.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    assert!(reasons.contains("client_unknown") && reasons.contains("client_secret_wrong"), "{reasons:?}");

    let right = basic(client.id(), &secret);
    let body = [("client_id", client.id()), ("client_secret", secret.as_str())];
    assert_error(&post(&[("authorization", &right)], &body).await, 400, "invalid_request");
    assert_error(&post(&[("authorization", &right), ("authorization", &right)], &[]).await, 400, "invalid_request");
    let in_url = format!("/token?client_id={}&client_secret={secret}", client.id());
    let in_url = server.post_with(&in_url, &[], &[("grant_type", "client_credentials")]).await;
    assert!(matches!(in_url.status.as_u16(), 400 | 401));
    // Registered for client_secret_basic: the same secret in the body is another method.
    assert_error(&post(&[], &body).await, 401, "invalid_client");
    for malformed in ["Basic !!!", "Basic bm9jb2xvbg==", "Basic", "Basic YTo="] {
        let answer = post(&[("authorization", malformed)], &[]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{malformed}: {answer:#?}");
    }
    assert_eq!(post(&[("authorization", &right)], &[]).await.status, 200);

    let poster = server
        .client(Persona::Service, |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretPost)
        .await;
    let secret = poster.secret.clone().unwrap();
    assert_eq!(post(&[], &[("client_id", poster.id()), ("client_secret", &secret)]).await.status, 200);
    assert_error(&post(&[("authorization", &basic(poster.id(), &secret))], &[]).await, 401, "invalid_client");
    let public = server.client(Persona::Spa, |_| {}).await;
    assert_error(&post(&[], &[("client_id", public.id()), ("client_secret", "x")]).await, 401, "invalid_client");
}

#[tokio::test]
async fn both_secrets_work_while_they_overlap() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let mut client = server.client(Persona::Service, |_| {}).await;
    let new = ostiary::random::secret();
    let row = ostiary::protocol::client::ClientSecret {
        id: ostiary::random::uuid(),
        hash: server.state.tokens.hash(ostiary::keys::hash::TokenKind::ClientSecret, &new),
        created_at: server.clock.now(),
        expires_at: None,
    };
    let end = server.clock.now() + ostiary::protocol::time::Seconds(60);
    let id = client.client.id.clone();
    server.state.db.write(async |tx| ostiary::storage::clients::add_secret(tx, &id, &row, end).await).await.unwrap();
    let grant = [("grant_type", "client_credentials")];
    assert_eq!(server.token(&client, &grant).await.status, 200);
    let old = client.secret.replace(new);
    assert_eq!(server.token(&client, &grant).await.status, 200);
    server.clock.advance(60);
    assert_eq!(server.token(&client, &grant).await.status, 200);
    client.secret = old;
    assert_error(&server.token(&client, &grant).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_disabled_client_and_its_tokens_count_no_longer_at_once() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let service = server.client(Persona::Service, |_| {}).await;
    let other = server.client(Persona::Service, |_| {}).await;
    let token = text(&server.token(&service, &[("grant_type", "client_credentials")]).await.json(), "access_token");
    assert_eq!(server.introspect(&other, &token).await["active"], true);
    server.update_client(&service, |client| client.status = ClientStatus::Disabled).await;
    assert_eq!(server.introspect(&other, &token).await, serde_json::json!({"active": false}));
    assert_error(&server.token(&service, &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
}

#[tokio::test]
async fn only_scripts_of_registered_origins_may_read_the_answer() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Spa, |_| {}).await;
    for (origin, allowed) in [("https://spa.example", true), ("https://evil.example", false), ("null", false)] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", client.id())];
        let answer = server.post_with("/token", &[("origin", origin)], &fields).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{answer:#?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_an_invalid_request() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let json = http::Request::post("/token").header("content-type", "application/json").body("{}".into()).unwrap();
    assert_error(&server.send(json).await, 400, "invalid_request");
    for body in ["grant_type=%FF", "grant_type=%00", "grant_type=a&grant_type=b"] {
        let request = http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        assert_error(&server.send(request.body(body.into()).unwrap()).await, 400, "invalid_request");
    }
    let put = http::Request::put("/token").body(axum::body::Body::empty()).unwrap();
    let answer = server.send(put).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").unwrap().contains("POST"));
}
