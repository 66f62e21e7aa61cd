//! `prompt=create`: applications that lead people to register.

use ostiary::config::{Identifier, RegistrationMode};

use super::{code, enter, open, open_with};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, allow, redeem, text};
use crate::support::server::{PASSWORD, Persona};

on_both! {
    /// Initiating User Registration via OpenID Connect 1.0 §4.1: also for who is logged in, whose session ends then.
    async fn prompt_create_begins_with_an_account(database: TestDatabase) {
        let server = open(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let url = AuthorizationUrl::new(&client).with("prompt", "create");
        let mut browser = server.browser();
        for name in ["anna@example.com", "berta@example.com"] {
            server.clock.advance(1);
            let page = browser.visit(&url.path()).await;
            assert!(page.url.starts_with("/register?flow="), "{page:#?}");
            let before = browser.cookies.get("__Host-sid").cloned();
            let form = page.form().set("email", name).set("password", PASSWORD).set("password_again", PASSWORD);
            let page = browser.submit(&form).await;
            assert!(page.url.starts_with("/register/code?"), "{page:#?}");
            let code = code(&server).await;
            let consent = enter(&mut browser, &page, &code).await;
            let params = allow(&mut browser, &consent).await.redirect_params();
            let tokens = redeem(&server, &client, &params["code"]).await.json();
            let userinfo = server.userinfo(&text(&tokens, "access_token")).await.json();
            assert_eq!(userinfo["email"], name);
            if let Some(before) = before {
                let mut former = server.browser();
                former.cookies.insert("__Host-sid".to_owned(), before);
                assert_eq!(former.visit("/account").await.url, "/login", "the former session has ended");
            }
        }

        // Whoever has an account after all logs in instead.
        server.clock.advance(1);
        let page = browser.visit(&url.path()).await;
        let link = page.body.split("id=\"to-login\"").next().unwrap().rsplit("href=\"").next().unwrap().split('"').next().unwrap();
        let page = browser.visit(&link.replace("&amp;", "&")).await;
        let form = page.form().set("username", "anna@example.com").set("password", PASSWORD);
        assert!(browser.submit(&form).await.redirect_params().contains_key("code"));
    }

    async fn prompt_create_ends_the_former_session_where_no_code_is_asked_for(database: TestDatabase) {
        let server = open_with(database, |config| config.registration.identifier = Identifier::Username).await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let mut secrets = Vec::new();
        for name in ["anna", "berta"] {
            server.clock.advance(1);
            let page = browser.visit(&AuthorizationUrl::new(&client).with("prompt", "create").path()).await;
            let form = page.form().set("username", name).set("password", PASSWORD).set("password_again", PASSWORD);
            assert!(browser.submit(&form).await.redirect_params().contains_key("code"));
            secrets.push(browser.cookies["__Host-sid"].clone());
        }
        browser.cookies.insert("__Host-sid".to_owned(), secrets[0].clone());
        assert_eq!(browser.visit("/account").await.url, "/login");
    }
}

#[tokio::test]
async fn prompt_create_is_offered_and_taken_only_where_anybody_may_register() {
    for mode in [RegistrationMode::Open, RegistrationMode::Invitation, RegistrationMode::Closed] {
        let server = open_with(TestDatabase::sqlite().await, |config| config.registration.mode = mode).await;
        let discovery = server.get("/.well-known/openid-configuration").await.json();
        let offered = discovery["prompt_values_supported"].as_array().unwrap().contains(&"create".into());
        assert_eq!(offered, mode == RegistrationMode::Open);
        let client = server.client(Persona::Web, |_| {}).await;
        let answer = server.browser().visit(&AuthorizationUrl::new(&client).with("prompt", "create").path()).await;
        if offered {
            assert!(answer.url.starts_with("/register"), "{answer:#?}");
        } else {
            let params = answer.redirect_params();
            assert_eq!(params["error"], "invalid_request");
            assert!(params["error_description"].contains("prompt=create"), "{params:?}");
            assert_eq!(server.last_reason("authorization.refused").await.as_deref(), Some("prompt_create_unsupported"));
        }
    }
}
