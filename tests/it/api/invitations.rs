//! `/api/v1/admin/invitations`, and hashes that are imported.

use ostiary::config::RegistrationMode;
use serde_json::json;

use super::persona::{Caller, assert_detail, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::TestServer;

const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

on_both! {
    async fn an_invitation_is_made_shown_once_listed_and_taken_back(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.registration.mode = RegistrationMode::Invitation).await;
        let admin = Caller::admin(&server).await;
        let made = admin.post("/admin/invitations", &json!({"email": "Anna@example.com", "roles": ["editor"]})).await;
        assert_eq!(made.status, 201, "{made:#?}");
        let link = made.json()["link"].as_str().unwrap().to_owned();
        let token = link.split("invitation=").nth(1).unwrap().to_owned();
        assert_eq!(server.browser().visit(&link).await.status, 200);
        let listed = admin.get("/admin/invitations").await;
        assert_eq!((listed.json()["items"][0]["email"].as_str(), listed.body.contains(&token)), (Some("anna@example.com"), false));

        let path = format!("/admin/invitations/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.json()["roles"], json!(["editor"]));
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_eq!(server.browser().visit(&link).await.status, 403);
        assert_refused(&admin.delete(&path).await, 404, "not_found");
        let kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("invitation")).collect();
        assert_eq!(kinds.len(), 2, "{kinds:?}");
        assert_detail(&admin.post("/admin/invitations", &json!({"email": "nobody"})).await, "email", "invalid");
        assert_detail(&admin.post("/admin/invitations", &json!({"roles": ["a b"]})).await, "roles", "invalid");
    }

    async fn a_hash_of_another_system_logs_in_once_and_becomes_our_own(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let made = admin.post("/admin/users", &json!({"sign_in_name": "ursula", "password_hash": BCRYPT})).await;
        assert_eq!((made.status.as_u16(), made.json()["has_password"].as_bool()), (201, Some(true)), "{made:#?}");
        let stored = async || {
            let mut conn = server.state.db.read().await.unwrap();
            let user = ostiary::storage::users::find_by_login_name(&mut conn, "ursula").await.unwrap().unwrap();
            secrecy::ExposeSecret::expose_secret(&user.password_hash.unwrap()).to_owned()
        };
        assert!(stored().await.contains("$2b$05$"));
        for (typed, landed) in [("wrong", "/login"), ("U*U", "/account"), ("U*U", "/account"), ("wrong", "/login")] {
            let mut browser = server.browser();
            let form = browser.visit("/login").await.form().set("username", "ursula").set("password", typed);
            assert_eq!(browser.submit(&form).await.url, landed, "{typed}");
        }
        assert!(stored().await.starts_with("$argon2id$"));
    }
}

#[tokio::test]
async fn hashes_that_nobody_can_check_are_refused_when_they_are_imported() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    for (hash, code) in [
        ("5f4dcc3b5aa765d61d8327deb882cf99", "unsupported"),
        ("", "unsupported"),
        ("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "too_costly"),
    ] {
        let answer = admin.post("/admin/users", &json!({"sign_in_name": "ursula", "password_hash": hash})).await;
        assert_detail(&answer, "password_hash", code);
    }
    let both = json!({"sign_in_name": "ursula", "password_hash": BCRYPT, "password": "correct horse battery staple"});
    assert_detail(&admin.post("/admin/users", &both).await, "password_hash", "either_or");
}

#[tokio::test]
async fn nobody_is_invited_to_what_is_closed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    assert_refused(&admin.post("/admin/invitations", &json!({})).await, 409, "registration_closed");
}
