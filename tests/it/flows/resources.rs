//! Resource indicators (RFC 8707): behaviours 1.1 A22, A35; 1.4 G12; 1.5 R2; 1.8 U4.

use ostiary::protocol::client::{AccessTokenFormat, GrantType};
use ostiary::protocol::resource::Resource;
use ostiary::protocol::scope::Scope;
use ostiary::random;
use ostiary::storage::resources;
use serde_json::{Value, json};

use super::pushed::{opening, push, pushed};
use crate::guard::attack::recorded;
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::{Prover, redeem};
use crate::support::flow::{AuthorizationUrl, VERIFIER, assert_error, authorize, claims, code_of, log_in, text, tokens_of};
use crate::support::server::{Persona, TestClient, TestServer};

const FILES: &str = "https://files.example/";
const MAIL: &str = "https://mail.example/api";

/// Registers an API.
pub(in crate::flows) async fn register(server: &TestServer, identifier: &str, metadata: Value) -> Resource {
    let (id, identifier, now) = (random::identifier(), identifier.to_owned(), server.clock.now());
    let metadata = serde_json::from_value(metadata).unwrap();
    let resource = Resource { id, identifier, metadata, created_at: now, updated_at: now, version: 1 };
    server.state.db.write(async |tx| resources::insert(tx, &resource).await).await.unwrap();
    resource
}

/// Files, for clients that are registered for it; mail, for whoever asks.
async fn start(database: TestDatabase) -> TestServer {
    let server = TestServer::start(database).await;
    server.person("anna").await;
    let files =
        json!({ "name": "Your files", "scopes": { "files:read": "Read your files", "files:write": "Change your files" } });
    register(&server, FILES, files).await;
    let mail = json!({
        "name": "Mail", "scopes": { "mail:read": "Read your mail" }, "open": true,
        "access_token_format": "opaque", "access_token_lifetime": 60,
    });
    register(&server, MAIL, mail).await;
    server
}

async fn app(server: &TestServer) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.audiences = vec![FILES.to_owned(), "https://old.example".to_owned()];
            metadata.scope = metadata.scope.union(&Scope::parse("files:read").unwrap());
        })
        .await
}

fn asking(client: &TestClient, scope: &str, resources: &[&str]) -> AuthorizationUrl {
    let url = AuthorizationUrl::new(client).with("scope", scope);
    resources.iter().fold(url, |url, resource| url.and("resource", resource))
}

on_both! {
    /// After an incident somebody has to find out where a token was good, and who could use it.
    async fn the_audit_log_and_the_person_learn_where_a_token_is_good(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let url = asking(&client, "openid files:read", &[FILES]);
        let code = code_of(&server, &client, &url, "anna").await;
        let prover = Prover::new();
        assert_eq!(redeem(&server, &client, &code, &[&prover.proof(&server, "POST", "/token")]).await.status, 200);
        let issued = server.audit().await.into_iter().rfind(|entry| entry.kind == "token.issued").unwrap();
        let told = ["audience", "scope", "jkt"].map(|name| issued.details[name].clone());
        assert_eq!(told, [json!([FILES]), json!("files:read"), json!(prover.jkt())]);
        let mut browser = server.browser();
        let page = browser.get("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let page = browser.get("/account/apps").await.body;
        assert!(page.contains(&format!("<bdi>Your files ({FILES})</bdi>")), "{page}");
    }

    async fn a_token_is_for_the_apis_that_were_asked_for(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let url = asking(&client, "openid email offline_access files:read", &[FILES]);
        let tokens = tokens_of(&server, &client, &url, "anna").await;
        let token = text(&tokens, "access_token");
        assert_eq!((&claims(&token)["aud"], &claims(&token)["scope"]), (&json!(FILES), &json!("files:read")));
        assert_eq!(tokens["scope"], "files:read");
        assert_eq!(claims(&text(&tokens, "id_token"))["aud"], client.id(), "somebody logged in all the same");
        // U4: it is for another API than this server's own.
        assert_eq!(server.userinfo(&token).await.status, 401);
        let refresh_token = text(&tokens, "refresh_token");
        let refresh = async |resource: &str| {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str()), ("resource", resource)];
            server.token(&client, &fields).await
        };
        let own = refresh(server.issuer()).await.json();
        assert_eq!(claims(&text(&own, "access_token"))["scope"], "email offline_access openid");
        assert_eq!(server.userinfo(&text(&own, "access_token")).await.status, 200);
        assert_eq!(claims(&text(&refresh(FILES).await.json(), "access_token"))["aud"], FILES);
        // R2.
        for other in [MAIL, "https://old.example"] {
            assert_error(&refresh(other).await, 400, "invalid_target");
        }
        assert!(recorded(&server, "token.refused", "resource_not_granted").await);
        assert_error(&refresh("https://unknown.example").await, 400, "invalid_target");
    }

    async fn who_asks_for_none_gets_what_there_was_before(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let tokens = tokens_of(&server, &client, &asking(&client, "openid files:read offline_access", &[]), "anna").await;
        let usual = json!([FILES, "https://old.example", server.issuer()]);
        assert_eq!(claims(&text(&tokens, "access_token"))["aud"], usual);
        // One of them alone is less.
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*text(&tokens, "refresh_token")), ("resource", FILES)];
        let narrow = server.token(&client, &fields).await.json();
        assert_eq!(claims(&text(&narrow, "access_token"))["aud"], FILES);
        assert_error(&server.token(&client, &[fields[0], fields[1], ("resource", MAIL)]).await, 400, "invalid_target");
    }

    async fn a35_what_is_no_resource_of_the_clients_is_told_to_the_client(database: TestDatabase) {
        let server = start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        for (resource, reason) in [
            ("files", "resource_malformed"),
            ("/files", "resource_malformed"),
            ("https://files.example/#top", "resource_malformed"),
            ("https://files.example/other", "resource_unknown"),
            ("https://169.254.169.254/", "resource_unknown"),
            (FILES, "resource_not_allowed"),
        ] {
            let url = asking(&client, "openid", &[MAIL, resource]);
            assert_eq!(server.get(&url.path()).await.redirect_params()["error"], "invalid_target", "{resource}");
            assert!(recorded(&server, "authorization.refused", reason).await, "{reason}");
            assert_error(&push(&server, &client, &url).await, 400, "invalid_target");
        }
    }

    async fn an_open_resource_and_its_scopes_are_for_whoever_asks(database: TestDatabase) {
        let server = start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let url = asking(&client, "openid mail:read offline_access", &[MAIL]);
        let without = asking(&client, "openid mail:read", &[]);
        assert_eq!(server.get(&without.path()).await.redirect_params()["error"], "invalid_scope");
        let mut browser = server.browser();
        let page = browser.visit(&url.path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        for shown in ["Read your mail", "Mail", MAIL] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        let tokens = tokens_of(&server, &client, &url, "anna").await;
        let token = text(&tokens, "access_token");
        assert!(!token.contains('.'), "the resource wants opaque ones");
        assert_eq!(tokens["expires_in"], 60);
        let active = server.introspect(&client, &token).await;
        assert_eq!((&active["aud"], &active["scope"]), (&json!(MAIL), &json!("mail:read")));
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*text(&tokens, "refresh_token"))];
        assert_eq!(server.token(&client, &fields).await.json()["scope"], "mail:read");
        // What is open no longer is given no more.
        let mut mail = resources::by_identifier(&mut server.state.db.read().await.unwrap(), MAIL).await.unwrap().unwrap();
        mail.metadata.open = false;
        assert!(server.state.db.write(async |tx| resources::update(tx, &mail, mail.version).await).await.unwrap());
        assert_error(&server.token(&client, &fields).await, 400, "invalid_target");
        assert_eq!(server.get(&url.path()).await.redirect_params()["error"], "invalid_target");
    }

    async fn a22_one_more_resource_is_asked_for_again(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let mut browser = server.browser();
        let first = asking(&client, "openid files:read", &[FILES]);
        assert!(authorize(&mut browser, &first, "anna").await.contains_key("code"));
        let silent = |resources: &[&str]| asking(&client, "openid files:read", resources).with("prompt", "none");
        for (resources, answer) in
            [(&[FILES][..], "code"), (&[], "consent_required"), (&[FILES, MAIL], "consent_required"), (&[MAIL], "consent_required")]
        {
            let params = browser.visit(&silent(resources).path()).await.redirect_params();
            let got = params.get("error").map_or("code", String::as_str);
            assert_eq!(got, answer, "{resources:?}");
        }
        assert!(authorize(&mut browser, &asking(&client, "openid files:read", &[FILES, MAIL]), "anna").await.contains_key("code"));
        assert!(browser.visit(&silent(&[MAIL]).path()).await.redirect_params().contains_key("code"));
    }

    async fn a22_what_is_agreed_to_at_one_api_is_not_agreed_to_at_another(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let mut browser = server.browser();
        for (scope, resource) in [("openid files:read", FILES), ("openid mail:read", MAIL)] {
            assert!(authorize(&mut browser, &asking(&client, scope, &[resource]), "anna").await.contains_key("code"));
        }
        for (scope, resource, answer) in [
            ("openid files:read", FILES, "code"), ("openid mail:read", MAIL, "code"),
            ("openid files:read", MAIL, "consent_required"), ("openid mail:read", FILES, "consent_required"),
        ] {
            let silent = asking(&client, scope, &[resource]).with("prompt", "none");
            let params = browser.visit(&silent.path()).await.redirect_params();
            let got = params.get("error").map_or("code", String::as_str);
            // What may not be asked for there is no question.
            assert!(got == answer || answer == "consent_required" && got == "invalid_scope", "{scope} {resource} {params:?}");
        }
    }

    async fn resources_may_be_pushed_and_a_code_redeemed_for_one_of_them(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server).await;
        let request_uri = pushed(&server, &client, &asking(&client, "openid files:read", &[FILES, MAIL])).await;
        let mut browser = server.browser();
        let page = browser.visit(&opening(&client, &request_uri)).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let code = crate::support::flow::allow(&mut browser, &page).await.redirect_params()["code"].clone();
        let redeem = async |resource: &str| {
            let fields = [
                ("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", client.redirect_uri()),
                ("code_verifier", VERIFIER), ("resource", resource),
            ];
            server.token(&client, &fields).await
        };
        assert_error(&redeem("https://old.example").await, 400, "invalid_target");
        let tokens = redeem(FILES).await.json();
        assert_eq!(claims(&text(&tokens, "access_token"))["aud"], FILES, "a refusal burnt no code");
    }

    async fn a_service_names_the_api_that_it_calls(database: TestDatabase) {
        let server = start(database).await;
        let client = server.client(Persona::Service, |metadata| {
            metadata.audiences = vec![FILES.to_owned(), "https://api.example".to_owned()];
            metadata.scope = Scope::parse("files:read reports:read").unwrap();
            metadata.grant_types = vec![GrantType::ClientCredentials];
            metadata.access_token_format = AccessTokenFormat::Jwt;
        }).await;
        let ask = async |resources: &[&str]| {
            let named = resources.iter().map(|resource| ("resource", *resource));
            let fields: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(named).collect();
            server.token(&client, &fields).await
        };
        let told = async |resources: &[&str]| {
            let token = text(&ask(resources).await.json(), "access_token");
            (claims(&token)["aud"].clone(), claims(&token)["scope"].clone())
        };
        assert_eq!(told(&[FILES]).await, (json!(FILES), json!("files:read")));
        assert_eq!(told(&["https://api.example"]).await, (json!("https://api.example"), json!("reports:read")));
        assert_eq!(told(&[]).await, (json!([FILES, "https://api.example"]), json!("files:read reports:read")));
        assert_error(&ask(&["https://other.example"]).await, 400, "invalid_target");
        assert_error(&ask(&["other"]).await, 400, "invalid_target");
        assert_error(&ask(&[MAIL]).await, 400, "invalid_target");
    }
}
