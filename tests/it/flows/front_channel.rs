//! Tokens that come through the browser: the response types of OpenID Connect that are there for applications of another time
//! (OpenID Connect Core §3.2, §3.3; behaviours A11–A13, G11).

mod refused;

use std::collections::BTreeMap;

use ostiary::protocol::client::{Algorithm, ClientMetadata, GrantType};
use ostiary::protocol::id_token::half_hash;
use ostiary::protocol::response_type::ResponseType;
use ostiary::protocol::scope::Scope;
use ostiary::storage::grants;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::browser::Browser;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, assert_error, authorize, claims, log_in, redeem, text};
use crate::support::logout::{Ear, deliver};
use crate::support::server::{Persona, TestClient, TestServer};

const LEGACY: [ResponseType; 5] = [
    ResponseType::IdToken,
    ResponseType::IdTokenToken,
    ResponseType::CodeIdToken,
    ResponseType::CodeToken,
    ResponseType::CodeIdTokenToken,
];

/// Where the operator allows it.
async fn start(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| {
        config.legacy.response_types = true;
        config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
    })
    .await
}

/// Registered for all of them.
fn legacy(metadata: &mut ClientMetadata) {
    metadata.first_party = true;
    metadata.grant_types.push(GrantType::Implicit);
    metadata.response_types = ResponseType::ALL.to_vec();
}

async fn client(server: &TestServer, persona: Persona) -> TestClient {
    server.client(persona, legacy).await
}

fn url(client: &TestClient, response_type: ResponseType) -> AuthorizationUrl {
    AuthorizationUrl::new(client).with("response_type", response_type.as_str())
}

/// What anna's browser brings.
async fn given(server: &TestServer, url: &AuthorizationUrl) -> BTreeMap<String, String> {
    let given = authorize(&mut server.browser(), url, "anna").await;
    assert!(!given.contains_key("error"), "{given:?}");
    given
}

async fn is_active(server: &TestServer, client: &TestClient, token: &str) -> bool {
    server.introspect(client, token).await["active"] == true
}

on_both! {
    async fn each_response_type_brings_what_it_names_in_the_fragment(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = client(&server, Persona::Web).await;
        for kind in LEGACY {
            let mut browser = server.browser();
            let page = browser.visit(&url(&client, kind).path()).await;
            let answer = log_in(&mut browser, &page, "anna").await;
            assert!(answer.location().starts_with("https://app.example/cb#"), "{answer:#?}");
            assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (303, Some("no-store")));
            let given = answer.redirect_params();
            let has = |name: &str| given.contains_key(name);
            assert_eq!((has("code"), has("id_token"), has("access_token")), (kind.has_code(), kind.has_id_token(), kind.has_token()));
            assert!(!has("refresh_token"), "nothing that lasts");
            assert_eq!((given["state"].as_str(), given["iss"].as_str()), ("af0ifjsldkj", "https://id.example"));
            assert_eq!(has("session_state"), server.state.config.session.check_session_iframe);
            if kind.has_token() {
                assert_eq!((given["token_type"].as_str(), given["expires_in"].as_str()), ("Bearer", "900"));
                assert_eq!(server.userinfo(&given["access_token"]).await.status, 200);
            }
            if kind.has_id_token() {
                let told = claims(&given["id_token"]);
                let hash = |name: &str| given.get(name).map_or(Value::Null, |text| half_hash(Algorithm::RS256, text).into());
                assert_eq!((&told["at_hash"], &told["c_hash"]), (&hash("access_token"), &hash("code")), "{kind:?}");
                assert_eq!((&told["nonce"], &told["aud"]), (&json!("n-0S6_WzA2Mj"), &json!(client.id())));
                assert!(told["sid"].is_string() && told["auth_time"].is_number());
            }
        }
    }

    async fn both_id_tokens_of_a_hybrid_flow_tell_of_the_same_login(database: TestDatabase) {
        let server = start(database).await;
        server.person_with("anna", &[], Some(json!({ "name": "Anna", "email": "anna@example.com" }))).await;
        let client = client(&server, Persona::Web).await;
        for kind in [ResponseType::CodeIdToken, ResponseType::CodeIdTokenToken] {
            let given = given(&server, &url(&client, kind)).await;
            server.clock.advance(20);
            let tokens = redeem(&server, &client, &given["code"]).await.json();
            let (first, second) = (claims(&given["id_token"]), claims(&text(&tokens, "id_token")));
            for name in ["iss", "sub", "aud", "azp", "nonce", "auth_time", "acr", "amr", "sid"] {
                assert_eq!(first[name], second[name], "{name}");
            }
            assert!(first["name"].is_null() && second["name"].is_null(), "userinfo tells that");
            assert!(tokens["refresh_token"].is_string(), "the code brings what a code brings");
            assert_eq!(server.userinfo(&text(&tokens, "access_token")).await.json()["name"], "Anna");
        }
    }

    async fn an_id_token_alone_tells_the_claims_of_the_scope(database: TestDatabase) {
        let server = start(database).await;
        server.person_with("anna", &[], Some(json!({ "name": "Anna", "email": "anna@example.com", "phone_number": "+33123456789" }))).await;
        let client = client(&server, Persona::Spa).await;
        let asked = url(&client, ResponseType::IdToken).with("scope", "openid email").with("claims", r#"{"id_token":{"name":null}}"#);
        let told = claims(&given(&server, &asked).await["id_token"]);
        assert_eq!((&told["email"], &told["name"], &told["phone_number"]), (&json!("anna@example.com"), &json!("Anna"), &Value::Null));
        let both = given(&server, &asked.with("response_type", "token id_token")).await;
        assert!(claims(&both["id_token"])["email"].is_null(), "userinfo tells that");
        assert_eq!(server.userinfo(&both["access_token"]).await.json()["email"], "anna@example.com");
    }

    async fn a_code_that_comes_twice_takes_the_token_beside_it_back(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = client(&server, Persona::Web).await;
        let given = given(&server, &url(&client, ResponseType::CodeToken)).await;
        let redeemed = redeem(&server, &client, &given["code"]).await.json();
        for token in [&given["access_token"], &text(&redeemed, "access_token")] {
            assert!(is_active(&server, &client, token).await);
        }
        assert_error(&redeem(&server, &client, &given["code"]).await, 400, "invalid_grant");
        for token in [&given["access_token"], &text(&redeemed, "access_token")] {
            assert!(!is_active(&server, &client, token).await);
        }
    }

    async fn of_fifty_who_redeem_the_code_of_a_hybrid_flow_one_does(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = client(&server, Persona::Web).await;
        let given = given(&server, &url(&client, ResponseType::CodeIdTokenToken)).await;
        let nodes = [server.clone(), server.another_node().await];
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let (node, client, code) = (nodes[number % 2].clone(), client.clone(), given["code"].clone());
            tasks.spawn(async move { redeem(&node, &client, &code).await.status.as_u16() });
        }
        let mut answers = tasks.join_all().await;
        answers.sort_unstable();
        assert_eq!((answers[0], answers[1], answers[49]), (200, 400, 400));
        assert!(!is_active(&nodes[1], &client, &given["access_token"]).await);
    }

    async fn a_revoked_token_takes_the_code_beside_it_along(database: TestDatabase) {
        let server = start(database).await;
        let anna = server.person("anna").await;
        let client = client(&server, Persona::Web).await;
        let given = given(&server, &url(&client, ResponseType::CodeToken)).await;
        let now = server.clock.now();
        let grants = grants::live_for_user(&mut server.state.db.read().await.unwrap(), &anna.id, now).await.unwrap();
        assert_eq!(grants.len(), 1, "one authorization, however many tokens");
        assert!(server.state.db.write(async |tx| grants::revoke(tx, &grants[0].id, now).await).await.unwrap());
        assert_error(&redeem(&server, &client, &given["code"]).await, 400, "invalid_grant");
        assert_eq!(server.last_reason("token.refused").await.as_deref(), Some("grant_revoked"));
        assert!(!is_active(&server, &client, &given["access_token"]).await);
    }

    async fn what_came_through_the_browser_ends_soon_and_with_the_session(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |metadata| {
            legacy(metadata);
            metadata.access_token_lifetime = Some(86_400);
        }).await;
        let asker = self::client(&server, Persona::Web).await;
        let mut browser = server.browser();
        let given = authorize(&mut browser, &url(&client, ResponseType::IdTokenToken), "anna").await;
        assert_eq!(given["expires_in"], "900", "whatever the client is registered for");
        assert!(!given["scope"].contains("offline_access"), "there is no code to refresh with");
        assert!(is_active(&server, &asker, &given["access_token"]).await);
        log_out(&mut browser).await;
        assert!(!is_active(&server, &asker, &given["access_token"]).await);
    }

    async fn an_application_that_got_an_id_token_so_hears_of_the_logout(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = server.client(Persona::Spa, |metadata| {
            legacy(metadata);
            metadata.backchannel_logout_uri = Some(ear.url.clone());
        }).await;
        let mut browser = server.browser();
        let given = authorize(&mut browser, &url(&client, ResponseType::IdToken), "anna").await;
        log_out(&mut browser).await;
        deliver(&server).await;
        let (told, known) = (ear.claims(&server), claims(&given["id_token"]));
        assert_eq!((&told["sub"], &told["sid"]), (&known["sub"], &known["sid"]));
    }

    async fn a_silent_renewal_brings_new_tokens_or_says_why_not(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = client(&server, Persona::Spa).await;
        let silent = url(&client, ResponseType::IdTokenToken).with("prompt", "none");
        let mut browser = server.browser();
        let answer = browser.visit(&silent.path()).await;
        assert!(answer.location().starts_with("https://spa.example/cb#error=login_required&"), "{answer:#?}");
        let first = authorize(&mut browser, &url(&client, ResponseType::IdTokenToken), "anna").await;
        let hinted = silent.with("id_token_hint", &first["id_token"]).with("nonce", "another");
        let second = browser.visit(&hinted.path()).await.redirect_params();
        assert_eq!(claims(&second["id_token"])["nonce"], "another");
        assert_ne!(first["access_token"], second["access_token"]);
    }

    async fn the_audit_log_tells_of_both_the_login_and_the_token(database: TestDatabase) {
        let server = start(database).await;
        let anna = server.person("anna").await;
        let client = client(&server, Persona::Web).await;
        for (kind, tokens) in [(ResponseType::IdToken, 0), (ResponseType::IdTokenToken, 1)] {
            let of = async |kind: &str| {
                let events = server.audit().await;
                events.into_iter().filter(|event| event.kind == kind).collect::<Vec<_>>()
            };
            let (granted, issued) = (of("authorization.granted").await.len(), of("token.issued").await.len());
            given(&server, &url(&client, kind)).await;
            assert_eq!((of("authorization.granted").await.len(), of("token.issued").await.len()), (granted + 1, issued + tokens));
            for event in of("token.issued").await {
                assert_eq!((&event.details["grant_type"], event.user_id.as_ref()), (&json!("implicit"), Some(&anna.id)));
            }
        }
    }
}

#[tokio::test]
async fn a_response_with_tokens_may_be_posted_or_signed() {
    let server = start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = client(&server, Persona::Web).await;
    let asked = url(&client, ResponseType::CodeIdToken);
    let mut browser = server.browser();
    let page = browser.visit(&asked.clone().with("response_mode", "form_post").path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let form = answer.form();
    assert_eq!(form.action, "https://app.example/cb");
    assert_eq!(claims(form.field("id_token"))["c_hash"], half_hash(Algorithm::RS256, form.field("code")));
    for mode in ["jwt", "fragment.jwt"] {
        let answer = server_answer(&mut browser, &asked.clone().with("response_mode", mode)).await;
        let response = answer.strip_prefix("https://app.example/cb#response=").expect("signed, in the fragment");
        let said = claims(response);
        assert_eq!(claims(&text(&said, "id_token"))["c_hash"], half_hash(Algorithm::RS256, &text(&said, "code")));
    }
}

#[tokio::test]
async fn a_token_through_the_browser_is_for_the_resource_that_was_asked_for() {
    let server = start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server
        .client(Persona::Spa, |metadata| {
            legacy(metadata);
            metadata.audiences = vec!["https://api.example".to_owned(), "https://other.example".to_owned()];
            metadata.scope = Scope::parse("openid reports:read").unwrap();
        })
        .await;
    let asked =
        url(&client, ResponseType::IdTokenToken).with("scope", "openid reports:read").and("resource", "https://api.example");
    let token = claims(&given(&server, &asked).await["access_token"]);
    assert_eq!((&token["aud"], &token["scope"]), (&json!("https://api.example"), &json!("reports:read")));
}

async fn server_answer(browser: &mut Browser, url: &AuthorizationUrl) -> String {
    browser.visit(&url.path()).await.location().to_owned()
}

async fn log_out(browser: &mut Browser) {
    let form = browser.get("/logout").await.form_of("logout-form");
    assert_eq!(browser.post(&form.action, &form.fields).await.status, 303);
}
