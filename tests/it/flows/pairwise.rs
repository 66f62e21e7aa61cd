//! Pairwise subjects and signed userinfo: behaviours 1.8 U5; 1.9 N7.

use ostiary::protocol::client::{AccessTokenFormat, Algorithm, ClientMetadata, GrantType, SubjectType};
use ostiary::protocol::token_exchange::ExchangePolicy;
use serde_json::{Value, json};

use crate::api::persona::{Caller, assert_detail};
use crate::support::assertion::Publisher;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, claims, header, redeem, refresh, text, tokens};
use crate::support::logout::{Ear, deliver};
use crate::support::server::{Persona, TestClient, TestServer};

/// A client of this host, which knows people by a `sub` of its own.
async fn app(server: &TestServer, host: &str, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.redirect_uris = vec![format!("https://{host}/cb")];
            metadata.subject_type = SubjectType::Pairwise;
            change(metadata);
        })
        .await
}

/// The `sub` that everything tells this client.
async fn told(server: &TestServer, client: &TestClient) -> String {
    let tokens = tokens(server, client, "anna").await;
    let sub = text(&claims(&text(&tokens, "id_token")), "sub");
    let token = text(&tokens, "access_token");
    assert_eq!(server.userinfo(&token).await.json()["sub"], sub.as_str());
    assert_eq!(server.introspect(client, &token).await["sub"], sub.as_str());
    assert_eq!(server.introspect(client, &text(&tokens, "refresh_token")).await["sub"], sub.as_str());
    if token.contains('.') {
        assert_eq!(claims(&token)["sub"], sub.as_str());
    }
    let refreshed = refresh(server, client, &text(&tokens, "refresh_token")).await.json();
    assert_eq!(claims(&text(&refreshed, "id_token"))["sub"], sub.as_str());
    sub
}

on_both! {
    async fn u5_each_sector_knows_a_person_by_another_sub(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let first = told(&server, &app(&server, "a.example", |_| {}).await).await;
        let opaque = app(&server, "a.example", |metadata| metadata.access_token_format = AccessTokenFormat::Opaque).await;
        assert_eq!(told(&server, &opaque).await, first, "the same sector");
        let other = told(&server, &app(&server, "b.example", |_| {}).await).await;
        assert_ne!(other, first);
        let sector = |metadata: &mut ClientMetadata| metadata.sector_identifier_uri = Some("https://a.example/sector.json".to_owned());
        assert_eq!(told(&server, &app(&server, "c.example", sector).await).await, first, "the sector of the document");
        let public = server.client(Persona::Web, |_| {}).await;
        assert_eq!(told(&server, &public).await, anna.id.as_str());
        for pairwise in [&first, &other] {
            assert!(!pairwise.contains(anna.id.as_str()));
        }
        assert_eq!(told(&server.restarted().await, &opaque).await, first, "for ever");
    }

    /// Nor can two sectors find out by the session that they know the same person.
    async fn u5_each_sector_knows_a_session_by_another_sid_and_ends_it_by_that(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let hearing = |metadata: &mut ClientMetadata| {
            metadata.backchannel_logout_uri = Some(ear.url.clone());
            metadata.grant_types.push(GrantType::TokenExchange);
            let audiences = vec!["https://api.example".to_owned()];
            metadata.token_exchange = Some(ExchangePolicy { audiences, accepts: Vec::new(), impersonation: false });
        };
        let one = app(&server, "a.example", hearing).await;
        let (same, other) = (app(&server, "a.example", |_| {}).await, app(&server, "b.example", |_| {}).await);
        let framed = |metadata: &mut ClientMetadata| metadata.frontchannel_logout_uri = Some("https://c.example/out".to_owned());
        let framed = app(&server, "c.example", framed).await;
        let public = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let mut hints = Vec::new();
        for client in [&one, &same, &other, &framed, &public] {
            let code = authorize(&mut browser, &AuthorizationUrl::new(client), "anna").await["code"].clone();
            hints.push(text(&redeem(&server, client, &code).await.json(), "id_token"));
        }
        let sids: Vec<String> = hints.iter().map(|hint| text(&claims(hint), "sid")).collect();
        assert_eq!(sids[0], sids[1], "one sector");
        assert_eq!(sids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{sids:?}");
        // It leads back to the session, for its own client.
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", hints[0].as_str()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ];
        assert_eq!(server.token(&one, &fields).await.status, 200);
        let page = browser.get(&format!("/end-session?id_token_hint={}", hints[0])).await;
        assert!(page.body.contains(&format!("https://c.example/out?iss=https%3A%2F%2Fid.example&amp;sid={}", sids[3]))
            || page.body.contains(&format!("https://c.example/out?iss=https%3A%2F%2Fid.example&#38;sid={}", sids[3])), "{}", page.body);
        assert_eq!(browser.get("/account").await.status, 303, "logged out without a question");
        deliver(&server).await;
        assert_eq!(text(&ear.claims(&server), "sid"), sids[0]);
    }

    async fn a_hint_names_the_person_by_the_sub_that_the_client_knows(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("bert").await;
        let client = app(&server, "a.example", |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let params = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        let hint = text(&redeem(&server, &client, &params["code"]).await.json(), "id_token");
        let silent = AuthorizationUrl::new(&client).with("prompt", "none").with("id_token_hint", &hint);
        assert!(browser.visit(&silent.path()).await.redirect_params().contains_key("code"));
        let by_claim = json!({ "id_token": { "sub": { "value": claims(&hint)["sub"] } } });
        let named = AuthorizationUrl::new(&client).with("prompt", "none").with("claims", &by_claim.to_string());
        assert!(browser.visit(&named.path()).await.redirect_params().contains_key("code"));
        let mut other = server.browser();
        assert!(authorize(&mut other, &AuthorizationUrl::new(&client), "bert").await.contains_key("code"));
        for url in [silent, named] {
            assert_eq!(other.visit(&url.path()).await.redirect_params()["error"], "login_required");
        }
    }

    async fn userinfo_is_signed_for_who_asked_for_that(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        for algorithm in Algorithm::ALL {
            let client = app(&server, "a.example", |metadata| metadata.userinfo_signed_response_alg = Some(algorithm)).await;
            let tokens = tokens(&server, &client, "anna").await;
            let answer = server.userinfo(&text(&tokens, "access_token")).await;
            assert_eq!((answer.header("content-type"), answer.header("cache-control")), (Some("application/jwt"), Some("no-store")));
            let signed = claims(&answer.body);
            assert_eq!((&signed["iss"], &signed["aud"]), (&json!(server.issuer()), &json!(client.id())));
            assert_eq!(signed["sub"], claims(&text(&tokens, "id_token"))["sub"]);
            assert_eq!(header(&answer.body)["alg"], algorithm.as_str());
            let verified: Result<Value, _> = server.state.keys.verify(&answer.body, ostiary::protocol::jwt::TokenType::UserInfo);
            assert_eq!(verified.unwrap(), signed);
            // It is no ID token.
            let hint = AuthorizationUrl::new(&client).with("id_token_hint", &answer.body);
            assert_eq!(server.get(&hint.path()).await.redirect_params()["error"], "invalid_request");
        }
    }

    async fn n7_the_document_of_the_sector_has_to_list_every_redirect_uri(database: TestDatabase) {
        let server =
            TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await;
        let admin = Caller::admin(&server).await;
        let publisher = Publisher::start(&json!(["https://a.example/cb", "https://b.example/cb"])).await;
        let body = |uris: &[&str]| json!({
            "client_name": "App", "redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": publisher.url,
        });
        let both = body(&["https://a.example/cb", "https://b.example/cb"]);
        let created = admin.post("/admin/clients", &both).await;
        assert_eq!(created.status, 201);
        let third = body(&["https://a.example/cb", "https://c.example/cb"]);
        assert_detail(&admin.post("/admin/clients", &third).await, "sector_identifier_uri", "lacks_redirect_uri");
        publisher.publish(&json!(["https://a.example/cb", "https://b.example/cb", 1]));
        assert_detail(&admin.post("/admin/clients", &both).await, "sector_identifier_uri", "not_a_list");
        publisher.answer_with("404 Not Found", "", "");
        assert_detail(&admin.post("/admin/clients", &both).await, "sector_identifier_uri", "unreachable");
        // Nobody escapes being disabled by taking their document away.
        let path = format!("/admin/clients/{}", text(&created.json(), "client_id"));
        assert_eq!(admin.patch(&path, &json!({ "status": "disabled" })).await.json()["status"], "disabled");
        assert_detail(&admin.patch(&path, &json!({ "client_name": "Other" })).await, "sector_identifier_uri", "unreachable");
        let mut without = both;
        without["sector_identifier_uri"] = Value::Null;
        assert_detail(&admin.post("/admin/clients", &without).await, "sector_identifier_uri", "required");
        without["sector_identifier_uri"] = json!("https://169.254.169.254/");
        publisher.asked();
        assert_detail(&admin.post("/admin/clients", &without).await, "sector_identifier_uri", "url");
        assert_eq!(publisher.asked(), 0);
    }
}
