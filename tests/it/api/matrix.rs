//! Every route against every kind of caller (behaviours Y1), from the description that the router makes.

use serde_json::Value;

use super::auth::refused;
use super::persona::{Caller, assert_refused, cookie, everything, person_tokens, service, service_token};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::give_app;
use crate::support::flow::text;
use crate::support::server::TestServer;

/// What every challenge ends with (W3).
const POINTER: &str = "resource_metadata=\"https://id.example/.well-known/oauth-protected-resource/api/v1\"";

/// One operation of the description.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    scope: String,
}

impl Operation {
    fn is_about_oneself(&self) -> bool {
        self.scope.starts_with("account:")
    }
}

/// Every operation that needs a caller, with something in the place of path parameters.
async fn operations(server: &TestServer) -> Vec<Operation> {
    let description = server.get("/api/v1/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let requirements = operation["security"].as_array().unwrap();
            let Some(scope) = requirements.iter().find_map(|requirement| requirement["oauth2"][0].as_str()) else {
                let tag = operation["tags"][0].as_str().unwrap();
                assert!(["description", "auth"].contains(&tag), "{method} {path} is open to everybody");
                continue;
            };
            let path = path.strip_prefix("/api/v1").unwrap();
            let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part }).collect();
            found.push(Operation { method: method.to_uppercase(), path: path.join("/"), scope: scope.to_owned() });
        }
    }
    assert!(found.len() >= 25, "{found:#?}");
    found
}

/// All scopes of the management API but this one.
fn all_but(scope: &str) -> String {
    everything().split(' ').filter(|value| *value != scope).collect::<Vec<_>>().join(" ")
}

/// Sends every operation as this caller and checks each answer.
async fn each(caller: &Caller, check: impl Fn(&Operation, &crate::support::browser::Answer)) {
    for operation in operations(&caller.server).await {
        let body = matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH").then_some(Value::Null);
        let answer = caller.send(&operation.method, &operation.path, body.as_ref()).await;
        check(&operation, &answer);
    }
}

on_both! {
    async fn nobody_gets_in_without_credentials(database: TestDatabase) {
        let server = TestServer::start(database).await;
        each(&Caller::anonymous(&server), |operation, answer| {
            assert_refused(answer, 401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some(format!("Bearer realm=\"ostiary\", {POINTER}").as_str()), "{operation:?}");
        })
        .await;
        let basic = Caller::anonymous(&server).with("authorization", "Basic YTpi");
        each(&basic, |_, answer| assert_refused(answer, 401, "unauthenticated")).await;
    }

    async fn a_person_without_a_role_reaches_their_own_account_only(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person_with("anna", &["accountant"], None).await;
        // With access for later too: one of the operations ends all sessions, and what was granted for the time of one.
        let scope = format!("{} account:read account:write offline_access", everything());
        let caller = Caller::person(&server, "anna", &scope).await;
        each(&caller, |operation, answer| {
            if !operation.is_about_oneself() {
                assert_refused(answer, 403, "insufficient_scope");
            } else if answer.status == 403 {
                // Of the keys to an account, applications of others get none.
                assert_refused(answer, 403, "unauthorized_client");
            } else {
                assert!(!matches!(answer.status.as_u16(), 401 | 500..), "{operation:?} {answer:#?}");
            }
        })
        .await;
        let berta = server.person("berta").await;
        each(&Caller::app(&server, &berta).await, |operation, answer| {
            if operation.is_about_oneself() {
                assert!(!matches!(answer.status.as_u16(), 401 | 403 | 500..), "{operation:?} {answer:#?}");
            } else {
                assert_refused(answer, 403, "insufficient_scope");
            }
        })
        .await;
    }

    async fn applications_of_others_get_no_keys_to_an_account(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let caller = Caller::person(&server, "anna", "account:read account:write").await;
        for (method, path, body) in keys() {
            let answer = caller.clone().with("if-match", "*").send(method, path, body.as_ref()).await;
            assert_refused(&answer, 403, "unauthorized_client");
        }
        for path in ["/users/me/factors", "/users/me/passkeys", "/users/me/recovery-codes", "/users/me/activity", "/users/me/connected-apps", "/users/me/email"] {
            assert_refused(&caller.get(path).await, 403, "unauthorized_client");
        }
        assert_eq!(caller.get("/users/me").await.status, 200);
        assert_eq!(server.last_reason("api.refused").await.as_deref(), Some("unauthorized_client"));
        assert!(Caller::browser(&server, &anna).await.get("/users/me/factors").await.status.is_success());
    }

    /// S15, F4: what is sensitive needs a proof of the last five minutes, and of all that the person set up.
    async fn what_is_sensitive_is_done_by_who_proved_just_now_that_it_is_them(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let callers = [Caller::browser(&server, &anna).await, Caller::app(&server, &anna).await];
        let third = Caller::browser(&server, &anna).await;
        let listed = third.get("/users/me/sessions").await.json();
        let current = listed["items"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        let third = format!("/users/me/sessions/{}", current["id"].as_str().unwrap());
        server.clock.advance(301);
        let ended = [("DELETE", "/users/me/sessions", None), ("DELETE", third.as_str(), None)];
        for (method, path, body) in keys().into_iter().chain(ended) {
            for caller in &callers {
                let answer = caller.clone().with("if-match", "*").send(method, path, body.as_ref()).await;
                let details = refused(&answer, 401, "reauthentication_required");
                assert_eq!(details, serde_json::json!({"max_age": 300}), "{method} {path}");
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains("error=\"insufficient_user_authentication\"") && challenge.contains("max_age=\"300\""), "{challenge}");
            }
        }
        assert_eq!(server.last_reason("api.refused").await.as_deref(), Some("reauthentication_required"));
        assert!(server.mails().await.is_empty());

        // Nor does a password do by itself where there is a second factor.
        let berta = server.person("berta").await;
        let before = Caller::browser(&server, &berta).await;
        give_app(&server, &berta).await;
        for (method, path, body) in keys() {
            let answer = before.clone().with("if-match", "*").send(method, path, body.as_ref()).await;
            let details = refused(&answer, 401, "reauthentication_required");
            assert_eq!(details["acr_values"], "2", "{method} {path}");
        }
    }

    async fn a_service_reaches_what_its_scope_says_and_no_account(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let callers = async |scope: &str| (Caller::service(&server, scope).await, Caller::service(&server, &all_but(scope)).await);
        for operation in operations(&server).await {
            let body = matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH").then_some(Value::Null);
            if operation.is_about_oneself() {
                let answer = Caller::admin(&server).await.send(&operation.method, &operation.path, body.as_ref()).await;
                assert_refused(&answer, 403, "insufficient_scope");
                continue;
            }
            let (able, unable) = callers(&operation.scope).await;
            let answer = able.send(&operation.method, &operation.path, body.as_ref()).await;
            assert!(!matches!(answer.status.as_u16(), 401 | 403 | 500..), "{operation:?} {answer:#?}");
            let answer = unable.send(&operation.method, &operation.path, body.as_ref()).await;
            assert_refused(&answer, 403, "insufficient_scope");
            let challenge = format!("Bearer realm=\"ostiary\", error=\"insufficient_scope\", scope=\"{}\", {POINTER}", operation.scope);
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
        }
    }

    async fn an_expired_token_counts_for_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let caller = Caller::admin(&server).await;
        server.clock.advance(900);
        each(&caller, invalid_token).await;
    }

    async fn a_token_for_another_audience_counts_for_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = service(&server, &everything()).await;
        server.update_client(&client, |client| client.metadata.audiences = vec!["https://id.example".to_owned()]).await;
        each(&Caller::bearer(&server, &service_token(&server, &client).await), invalid_token).await;
    }

    async fn an_id_token_is_no_access_token(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person_with("anna", &["admin"], None).await;
        let tokens = person_tokens(&server, "anna", &everything()).await;
        each(&Caller::bearer(&server, &text(&tokens, "id_token")), invalid_token).await;
    }

    async fn a_session_cookie_alone_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = server.person_with("anna", &["admin"], None).await;
        let secret = cookie(&server, &admin).await;
        let own = Caller::browser(&server, &admin).await;
        let alone = Caller::anonymous(&server).with("cookie", &format!("__Host-sid={secret}"));
        let token_of_another_session = alone.clone().with("x-csrf-token", &own.headers[1].1);
        let forms_token = alone.clone().with("x-csrf-token", &server.state.csrf.token(&secret, "consent"));
        for forged in [
            alone.clone(),
            token_of_another_session,
            forms_token,
            alone.with("x-csrf-token", ""),
            own.clone().with("origin", "https://evil.example"),
            own.clone().with("origin", "null").with("sec-fetch-site", "cross-site"),
            own.clone().with("sec-fetch-site", "same-site"),
        ] {
            each(&forged, |_, answer| assert_refused(answer, 403, "csrf")).await;
        }
        each(&own, |operation, answer| {
            assert!(!matches!(answer.status.as_u16(), 401 | 403 | 500..), "{operation:?} {answer:#?}");
        })
        .await;
        let made_up = "A".repeat(43);
        let unknown = own.with("cookie", &format!("__Host-sid={made_up}")).with("x-csrf-token", &server.state.csrf.token(&made_up, "api"));
        each(&unknown, |_, answer| assert_refused(answer, 401, "unauthenticated")).await;
    }
}

/// Everything that only our pages and the operator's own applications may do, and only after a proof.
fn keys() -> Vec<(&'static str, &'static str, Option<Value>)> {
    let json = |text: &str| Some(serde_json::from_str(text).unwrap());
    vec![
        ("POST", "/users/me/factors/totp", None),
        ("POST", "/users/me/factors/totp/confirm", json(r#"{"enrolment": "AAAA", "code": "123456"}"#)),
        ("DELETE", "/users/me/factors/totp", None),
        ("POST", "/users/me/recovery-codes", None),
        ("POST", "/users/me/passkeys/options", None),
        ("POST", "/users/me/passkeys", json(r#"{"challenge": "AAAA", "credential": {}}"#)),
        ("DELETE", "/users/me/passkeys/AAAA", None),
        ("PUT", "/users/me/password", json(r#"{"current_password": "a", "password": "b"}"#)),
        ("DELETE", "/users/me/password", None),
        ("PUT", "/users/me/email", json(r#"{"email": "anna@example.com", "current_password": "a"}"#)),
        ("POST", "/users/me/email/verification", None),
        ("POST", "/users/me/email/confirm", json(r#"{"id": "AAAA", "code": "123456"}"#)),
        ("GET", "/users/me/export", None),
        ("DELETE", "/users/me", None),
    ]
}

#[track_caller]
fn invalid_token(operation: &Operation, answer: &crate::support::browser::Answer) {
    assert_refused(answer, 401, "invalid_token");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=\"ostiary\", error=\"invalid_token\""), "{operation:?} {challenge}");
}

#[tokio::test]
async fn a_malformed_authorization_header_is_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"x\"", "x"] {
        let answer = Caller::anonymous(&server).with("authorization", value).get("/admin/users").await;
        assert_refused(&answer, 400, "invalid_request");
    }
    let mut twice = Caller::bearer(&server, "a");
    twice.headers.push(("authorization".to_owned(), "Bearer b".to_owned()));
    assert_refused(&twice.get("/admin/users").await, 400, "invalid_request");
    for scheme in ["bearer", "BEARER"] {
        let answer = Caller::anonymous(&server).with("authorization", &format!("{scheme} x")).get("/admin/users").await;
        assert_refused(&answer, 401, "invalid_token");
    }
}

on_both! {
    async fn what_is_taken_from_a_caller_counts_at_the_next_request(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person_with("anna", &["admin"], None).await;
        let admin = Caller::admin(&server).await;
        let by_token = Caller::person(&server, "anna", "users:read").await;
        let by_browser = Caller::browser(&server, &anna).await;
        let own = [by_token, by_browser];
        for caller in &own {
            assert_eq!(caller.get("/admin/users").await.status, 200);
        }

        // Somebody else stays who can do everything.
        server.person_with("zoe", &["admin"], None).await;
        let path = format!("/admin/users/{}", anna.id);
        assert_eq!(admin.patch(&path, &serde_json::json!({"roles": []})).await.status, 200);
        for caller in &own {
            assert_refused(&caller.get("/admin/users").await, 403, "insufficient_scope");
        }
        assert_eq!(admin.patch(&path, &serde_json::json!({"roles": ["admin"]})).await.status, 200);
        for caller in &own {
            assert_eq!(caller.get("/admin/users").await.status, 200);
        }
        assert_eq!(admin.patch(&path, &serde_json::json!({"status": "disabled"})).await.status, 200);
        for caller in &own {
            assert_eq!(caller.get("/admin/users").await.status, 401);
        }
    }

    async fn a_disabled_client_and_a_narrowed_one_lose_at_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = service(&server, "users:read clients:read").await;
        let caller = Caller::bearer(&server, &service_token(&server, &client).await);
        assert_eq!(caller.get("/admin/users").await.status, 200);
        let narrowed = ostiary::protocol::scope::Scope::parse("clients:read").unwrap();
        server.update_client(&client, |client| client.metadata.scope = narrowed).await;
        assert_refused(&caller.get("/admin/users").await, 403, "insufficient_scope");
        assert_eq!(caller.get("/admin/clients").await.status, 200);
        server.update_client(&client, |client| client.status = ostiary::protocol::client::ClientStatus::Disabled).await;
        assert_refused(&caller.get("/admin/clients").await, 401, "invalid_token");
    }

    async fn refusals_are_recorded_with_who_tried(database: TestDatabase) {
        let server = TestServer::start(database).await;
        Caller::bearer(&server, "made-up").get("/admin/users").await;
        server.clock.advance(1);
        let anna = server.person("anna").await;
        Caller::browser(&server, &anna).await.get("/admin/users").await;
        let refusals: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "api.refused").collect();
        let reasons: Vec<_> = refusals.iter().map(|entry| entry.reason.as_deref().unwrap()).collect();
        assert_eq!(reasons, ["token_inactive", "insufficient_scope"]);
        assert_eq!(refusals[1].actor.id(), Some(anna.id.as_str()));
    }
}
