//! `/api/v1/admin/users`.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::persona::{Caller, assert_detail, assert_refused, person_tokens};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{give_app, give_recovery_codes};
use crate::support::flow::{assert_error, log_in, refresh, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

async fn created(admin: &Caller, name: &str) -> Value {
    let answer = admin.post("/admin/users", &json!({"sign_in_name": name})).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    answer.json()
}

fn path(user: &Value) -> String {
    format!("/admin/users/{}", user["id"].as_str().unwrap())
}

on_both! {
    async fn a_person_is_created_read_changed_and_deleted(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let new = json!({
            "sign_in_name": "Ada@Example.com", "password": PASSWORD, "roles": ["editor", "author", "editor"],
            "profile": {"name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true},
        });
        let answer = admin.post("/admin/users", &new).await;
        assert_eq!(answer.status, 201, "{answer:#?}");
        let user = answer.json();
        assert_eq!(answer.location(), format!("/api/v1{}", path(&user)));
        assert_eq!(user["roles"], json!(["author", "editor"]));
        assert_eq!((&user["status"], &user["has_password"]), (&json!("active"), &json!(true)));
        assert_eq!(user["created_at"], "2027-01-15T08:00:00Z");
        assert!(!answer.body.contains("argon2") && !answer.body.contains(PASSWORD));

        let read = admin.get(&path(&user)).await;
        assert_eq!((read.status.as_u16(), read.json()), (200, user.clone()));
        assert_eq!(read.header("etag"), answer.header("etag"));
        let page = server.browser().visit("/account").await;
        assert!(log_in(&mut server.browser(), &page, "nobody").await.url.starts_with("/login"));

        server.clock.advance(60);
        let patch = json!({"sign_in_name": "lady-ada", "profile": {"nickname": "Ada", "name": null}});
        let answer = admin.clone().with("if-match", read.header("etag").unwrap()).send("PATCH", &path(&user), Some(&patch)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let changed = answer.json();
        assert_eq!(changed["sign_in_name"], "lady-ada");
        assert_eq!(changed["profile"], json!({"nickname": "Ada", "email": "ada@example.com", "email_verified": true}));
        assert_eq!(changed["updated_at"], "2027-01-15T08:01:00Z");
        assert_eq!(admin.get(&path(&user)).await.json(), changed);

        server.clock.advance(60);
        let answer = admin.clone().with("if-match", answer.header("etag").unwrap()).send("DELETE", &path(&user), None).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
        assert_refused(&admin.get(&path(&user)).await, 404, "not_found");
        let kinds: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.user_id.is_some()).map(|entry| entry.kind).collect();
        assert_eq!(kinds, ["user.created", "user.updated", "user.deleted"]);
    }

    async fn nobody_overwrites_a_change_they_have_not_seen(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let user = created(&admin, "ada").await;
        let seen = admin.get(&path(&user)).await.header("etag").unwrap().to_owned();
        assert_eq!(admin.patch(&path(&user), &json!({"roles": ["x"]})).await.status, 200);
        for method in ["PATCH", "DELETE"] {
            let body = (method == "PATCH").then(|| json!({"roles": []}));
            let late = admin.clone().with("if-match", &seen).send(method, &path(&user), body.as_ref()).await;
            assert_refused(&late, 412, "precondition_failed");
            let blind = admin.send(method, &path(&user), body.as_ref()).await;
            assert_refused(&blind, 428, "precondition_required");
        }
        assert_eq!(admin.get(&path(&user)).await.json()["roles"], json!(["x"]));
    }

    async fn of_many_changes_at_once_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let user = created(&admin, "ada").await;
        let etag = admin.get(&path(&user)).await.header("etag").unwrap().to_owned();
        let tries: Vec<_> = (0..20)
            .map(|number| {
                let (caller, path) = (admin.clone().with("if-match", &etag), path(&user));
                tokio::spawn(async move { caller.send("PATCH", &path, Some(&json!({"roles": [format!("r{number}")]}))).await })
            })
            .collect();
        let mut won = 0;
        for attempt in tries {
            let answer = attempt.await.unwrap();
            if answer.status == 200 { won += 1 } else { assert_refused(&answer, 412, "precondition_failed") }
        }
        assert_eq!(won, 1);
    }

    async fn a_sign_in_name_belongs_to_one_person_in_all_its_spellings(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        created(&admin, "Ada@Example.com").await;
        for name in ["ada@example.com", " ADA@EXAMPLE.COM "] {
            assert_refused(&admin.post("/admin/users", &json!({"sign_in_name": name})).await, 409, "sign_in_name_taken");
        }
        let other = created(&admin, "bob").await;
        let answer = admin.patch(&path(&other), &json!({"sign_in_name": "aDa@example.com"})).await;
        assert_refused(&answer, 409, "sign_in_name_taken");
        // Of those who ask for a name at once, one gets it.
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let admin = admin.clone();
                tokio::spawn(async move { admin.post("/admin/users", &json!({"sign_in_name": "carol"})).await.status })
            })
            .collect();
        let mut created = 0;
        for attempt in tries {
            let status = attempt.await.unwrap().as_u16();
            assert!(matches!(status, 201 | 409), "{status}");
            created += usize::from(status == 201);
        }
        assert_eq!(created, 1);
    }

    async fn people_are_listed_page_by_page_and_filtered(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        for number in 0..25 {
            let roles: &[&str] = if number % 5 == 0 { &["editor"] } else { &[] };
            server.person_with(&format!("person{number:02}"), roles, None).await;
        }
        let mut names = Vec::new();
        let mut next = String::new();
        loop {
            let page = admin.get(&format!("/admin/users?limit=10{next}")).await.json();
            names.extend(page["items"].as_array().unwrap().iter().map(|user| user["sign_in_name"].as_str().unwrap().to_owned()));
            let Some(after) = page["next"].as_str() else { break };
            next = format!("&after={after}");
        }
        assert_eq!(names, (0..25).map(|number| format!("person{number:02}")).collect::<Vec<_>>());

        let count = async |query: &str| admin.get(&format!("/admin/users?{query}")).await.json()["items"].as_array().unwrap().len();
        assert_eq!(count("limit=1000000000").await, 25, "capped, not refused");
        assert_eq!(count("role=editor").await, 5);
        assert_eq!(count("role=edit").await, 0);
        assert_eq!(count("name=PERSON1").await, 10);
        assert_eq!(count("name=%25").await, 0, "no wildcard");
        assert_eq!(count("status=disabled").await, 0);
        assert_eq!(count("name=%27%20OR%201%3D1%20--").await, 0);
        assert_eq!(count(&format!("name={}", "%25".repeat(2_000))).await, 0);
    }

    async fn to_disable_somebody_ends_everything_they_opened(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let opened = Opened::new(&server).await;
        let answer = admin.patch(&opened.path, &json!({"status": "disabled"})).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("disabled")));
        opened.is_ended().await;
        server.clock.advance(1);
        assert_eq!(admin.patch(&opened.path, &json!({"status": "active"})).await.status, 200);
        opened.is_ended().await;
        let kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).filter(|kind| kind.ends_with("abled")).collect();
        assert_eq!(kinds, ["user.disabled", "user.enabled"]);
    }

    async fn a_new_password_ends_everything_that_the_old_one_opened(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let opened = Opened::new(&server).await;
        let answer = admin.put(&format!("{}/password", opened.path), &json!({"password": "another good passphrase"})).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
        opened.is_ended().await;
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "user.password_changed").unwrap();
        assert_eq!(event.user_id.unwrap().as_str(), opened.path.rsplit('/').next().unwrap());
        assert!(!format!("{:?}", event.details).contains("passphrase"));
    }

    async fn to_delete_somebody_ends_everything_they_opened(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let opened = Opened::new(&server).await;
        assert_eq!(admin.delete(&opened.path).await.status, 204);
        opened.is_ended().await;
        assert_refused(&admin.delete(&opened.path).await, 404, "not_found");
    }

    async fn to_take_back_a_consent_ends_what_rests_on_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let opened = Opened::new(&server).await;
        let consents = admin.get(&format!("{}/consents", opened.path)).await.json();
        assert_eq!(consents["items"][0]["client_id"], opened.client.id());
        let path = format!("{}/consents/{}", opened.path, opened.client.id());
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_eq!(server.introspect(&opened.client, &text(&opened.tokens, "access_token")).await, json!({"active": false}));
        assert_eq!(opened.browser.get("/users/me").await.status, 200, "the session has nothing to do with it");
        assert_refused(&admin.delete(&path).await, 404, "not_found");
    }
}

/// What a person opened: a browser session, and an application's tokens.
struct Opened {
    server: TestServer,
    path: String,
    client: crate::support::server::TestClient,
    tokens: Value,
    browser: Caller,
}

impl Opened {
    async fn new(server: &TestServer) -> Self {
        let user = server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let tokens = crate::support::flow::tokens(server, &client, "anna").await;
        let browser = Caller::browser(server, &user).await;
        assert_eq!(browser.get("/users/me").await.status, 200);
        Self { server: server.clone(), path: format!("/admin/users/{}", user.id), client, tokens, browser }
    }

    async fn is_ended(&self) {
        assert_eq!(self.browser.get("/users/me").await.status, 401);
        for token in ["access_token", "refresh_token"] {
            let answer = self.server.introspect(&self.client, &text(&self.tokens, token)).await;
            assert_eq!(answer, json!({"active": false}), "{token}");
        }
        let answer = refresh(&self.server, &self.client, &text(&self.tokens, "refresh_token")).await;
        assert_error(&answer, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn what_can_not_be_a_person_is_refused_by_name() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let cases = [
        (json!({}), "sign_in_name", "missing"),
        (json!({"sign_in_name": ""}), "sign_in_name", "invalid"),
        (json!({"sign_in_name": "a b\u{7}"}), "sign_in_name", "invalid"),
        (json!({"sign_in_name": 7}), "", "malformed"),
        (json!({"sign_in_name": "ada", "is_admin": true}), "is_admin", "unknown"),
        (json!({"sign_in_name": "ada", "password": "short"}), "password", "password_too_short"),
        (json!({"sign_in_name": "ada@example.com", "password": "Ada@Example.com"}), "password", "password_is_sign_in_name"),
        (json!({"sign_in_name": "ada", "password": "x".repeat(257)}), "password", "password_too_long"),
        (json!({"sign_in_name": "ada", "roles": ["a\"b"]}), "roles", "invalid"),
        (json!({"sign_in_name": "ada", "roles": [""]}), "roles", "invalid"),
        (json!({"sign_in_name": "ada", "roles": vec!["r"; 51]}), "roles", "too_many"),
        (json!({"sign_in_name": "ada", "status": "root"}), "", "malformed"),
        (json!({"sign_in_name": "ada", "profile": {"email": "nobody"}}), "profile", "invalid"),
    ];
    for (body, field, code) in cases {
        assert_detail(&admin.post("/admin/users", &body).await, field, code);
    }
    let user = created(&admin, "ada").await;
    for (body, field, code) in [
        (json!({"sign_in_name": null}), "sign_in_name", "required"),
        (json!({"password": "correct horse battery"}), "password", "unknown"),
        (json!({"id": "other"}), "id", "unknown"),
        (json!([]), "", "not_an_object"),
    ] {
        assert_detail(&admin.patch(&path(&user), &body).await, field, code);
    }
    for query in [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "after=",
        "sort=name",
        "naem=x",
        "limit=1&limit=2",
        "name=%00",
        "name=%FF",
        "status=root",
    ] {
        assert_eq!(admin.get(&format!("/admin/users?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_in_the_envelope() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let send = async |media_type: &str, body: Vec<u8>| -> Answer {
        let request =
            Request::post("/api/v1/admin/users").header("authorization", &admin.headers[0].1).header("content-type", media_type);
        server.send(request.body(Body::from(body)).unwrap()).await
    };
    assert_refused(&send("application/x-www-form-urlencoded", b"sign_in_name=x".to_vec()).await, 415, "unsupported_media_type");
    assert_refused(&send("text/plain", b"{}".to_vec()).await, 415, "unsupported_media_type");
    for body in
        [&b"{"[..], b"", b"{\"sign_in_name\":\"\\ud800\"}", b"{\"sign_in_name\":\"a\\u0000b\"}", b"{\"sign_in_name\":\"\xff\"}"]
    {
        assert_refused(&send("application/json", body.to_vec()).await, 400, "invalid_json");
    }
    let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
    assert_refused(&send("application/json", deep).await, 400, "invalid_json");
    let large = format!("{{\"sign_in_name\":\"{}\"}}", "a".repeat(1 << 20));
    assert_refused(&send("application/json", large.into_bytes()).await, 413, "too_large");
    let zipped = Request::post("/api/v1/admin/users")
        .header("authorization", &admin.headers[0].1)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    assert_refused(&server.send(zipped.body(Body::from("x")).unwrap()).await, 415, "unsupported_media_type");
    assert_eq!(send("Application/JSON; charset=utf-8", b"{\"sign_in_name\":\"ada\"}".to_vec()).await.status, 201);
}

#[tokio::test]
async fn a_token_of_the_person_counts_for_the_scopes_that_it_has() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person_with("anna", &["admin"], None).await;
    let tokens = person_tokens(&server, "anna", "users:read").await;
    let caller = Caller::bearer(&server, &text(&tokens, "access_token"));
    assert_eq!(caller.get("/admin/users").await.status, 200);
    assert_refused(&caller.post("/admin/users", &json!({})).await, 403, "insufficient_scope");
}

on_both! {
    async fn an_administrator_takes_lost_factors_away_and_everything_opened_with_them(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.mail.transport = ostiary::config::MailTransport::Log;
            config.mail.from = "no-reply@id.example".to_owned();
        })
        .await;
        let admin = Caller::admin(&server).await;
        let ada = server.person_with("ada", &[], Some(json!({"email": "ada@example.com", "email_verified": true}))).await;
        let path = format!("/admin/users/{}/factors", ada.id);
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let tokens = crate::support::flow::tokens(&server, &client, "ada").await;
        give_app(&server, &ada).await;
        give_recovery_codes(&server, &ada).await;
        let shown = admin.get(&path).await.json();
        assert_eq!((&shown["password"], &shown["recovery_codes_left"]), (&json!(true), &json!(10)));
        assert!(shown["totp"]["created_at"].is_string() && shown["passkeys"] == json!([]), "{shown}");

        assert_eq!(admin.send("DELETE", &path, None).await.status, 204);
        let shown = admin.get(&path).await.json();
        assert_eq!(shown, json!({"password": true, "recovery_codes_left": 0, "passkeys": []}));
        assert_error(&refresh(&server, &client, &text(&tokens, "refresh_token")).await, 400, "invalid_grant");
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        assert_eq!(log_in(&mut browser, &page, "ada").await.url, "/account", "the password is enough again");
        let event = server.audit().await.into_iter().find(|event| event.kind == "factors.reset").expect("audited");
        assert_eq!(event.details["recovery_codes"], 10);
        let (mails,) = server.state.db.read().await.unwrap()
            .query("SELECT COUNT(*) FROM outbox WHERE kind = 'factors_reset'").fetch_one::<(i64,)>().await.unwrap();
        assert_eq!(mails, 1);
    }
}

/// B8, Y2.
#[tokio::test]
async fn nobody_takes_away_their_own_factors_or_those_of_somebody_mightier() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        let helpdesk = ostiary::protocol::scope::Scope::parse("users:read users:write").unwrap();
        config.admin.roles.insert("helpdesk".to_owned(), helpdesk);
    })
    .await;
    let anna = server.person_with("anna", &["helpdesk"], None).await;
    let boss = server.person_with("boss", &["admin"], None).await;
    let caller = Caller::person(&server, "anna", "users:read users:write").await;
    for (person, code) in [(&anna, "own_factors"), (&boss, "exceeds_caller")] {
        give_app(&server, person).await;
        let path = format!("/admin/users/{}/factors", person.id);
        assert_refused(&caller.send("DELETE", &path, None).await, 403, code);
        assert!(caller.get(&path).await.json()["totp"].is_object());
    }
}

/// Y1, S8.
#[tokio::test]
async fn a_role_counts_for_a_login_as_strong_as_it_asks_for() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.authentication.required_acr_by_role.insert("admin".to_owned(), ostiary::protocol::authentication::Acr::Multi);
    })
    .await;
    let boss = server.person_with("boss", &[], None).await;
    let caller = Caller::person(&server, "boss", "users:read account:read").await;
    // Given the role after the token was issued.
    let promoted = ostiary::storage::users::User { roles: vec!["admin".to_owned()], ..boss };
    let updated = server.state.db.write(async |tx| ostiary::storage::users::update(tx, &promoted, 1).await).await;
    assert!(updated.unwrap());
    assert_refused(&caller.get("/admin/users").await, 403, "insufficient_scope");
    assert_eq!(caller.get("/users/me").await.status, 200);
}
