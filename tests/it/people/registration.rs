//! Registration and codes: E1, E3, E4, E5, E6, E12, H13.

use http::StatusCode;
use ostiary::config::Identifier;
use ostiary::outbound::mail::Message;
use ostiary::storage::{email_addresses, users};

use super::{code, code_in, comparable, enter, log_in, open, open_with, recover, register, registered, wrong};
use crate::guard::attack::solve;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, allow, claims, redeem, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// How many accounts there are.
async fn accounts(server: &TestServer) -> i64 {
    users::count(&mut server.state.db.read().await.unwrap()).await.unwrap()
}

on_both! {
    async fn somebody_registers_proves_the_address_and_is_logged_in(database: TestDatabase) {
        let server = open(database).await;
        let mut browser = server.browser();
        let page = register(&mut browser, " Anna@B\u{fc}cher.example", PASSWORD).await;
        assert!(page.url.starts_with("/register/code?id="), "{page:#?}");
        assert!(page.body.contains("Anna@B\u{fc}cher.example"), "a mistyped address is seen");
        assert_eq!(accounts(&server).await, 0, "nobody exists before the code is right");
        let code = code(&server).await;
        assert!(!page.body.contains(&code));
        let answer = enter(&mut browser, &page, &code).await;
        assert_eq!((answer.status, answer.url.as_str()), (StatusCode::OK, "/account"));

        let user = users::find_by_login_name(&mut server.state.db.read().await.unwrap(), "anna@xn--bcher-kva.example").await.unwrap().unwrap();
        assert!(user.roles.is_empty());
        let address = email_addresses::load(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap().unwrap();
        assert_eq!(address.verified_at, Some(server.clock.now()));
        assert_eq!(log_in(&mut server.browser(), "ANNA@b\u{fc}cher.example", PASSWORD).await.url, "/account");
        let kinds: std::collections::BTreeSet<_> = server.audit().await.into_iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["user.login", "user.registered", "user.registration_requested"]);
    }

    async fn registering_on_the_way_to_a_client_ends_at_the_client(database: TestDatabase) {
        let server = open(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let login = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let link = login.body.split("id=\"to-register\"").next().unwrap().rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&amp;", "&");
        let page = browser.visit(&link).await;
        let form = page.form().set("email", "anna@example.com").set("password", PASSWORD).set("password_again", PASSWORD);
        let page = browser.submit(&form).await;
        let code = code(&server).await;
        let consent = enter(&mut browser, &page, &code).await;
        let params = allow(&mut browser, &consent).await.redirect_params();
        let tokens = redeem(&server, &client, &params["code"]).await.json();
        let id_token = claims(&text(&tokens, "id_token"));
        let userinfo = server.userinfo(&text(&tokens, "access_token")).await.json();
        assert_eq!((userinfo["email"].as_str(), userinfo["email_verified"].as_bool()), (Some("anna@example.com"), Some(true)));
        assert_eq!(userinfo["sub"], id_token["sub"]);
    }

    async fn e1_an_address_that_has_an_account_gets_the_same_page_and_its_owner_a_notice(database: TestDatabase) {
        let server = open(database).await;
        registered(&server, &mut server.browser(), "anna@example.com").await;
        server.person("berta@example.com").await;
        let mut newcomer = server.browser();
        let fresh = register(&mut newcomer, "carla@example.com", PASSWORD).await;
        server.mails().await;
        for taken in ["anna@example.com", "ANNA@Example.com", "berta@example.com"] {
            let mut stranger = server.browser();
            let page = register(&mut stranger, taken, PASSWORD).await;
            assert_eq!((page.status, comparable(&page, &[taken])), (fresh.status, comparable(&fresh, &["carla@example.com"])));
            let mails = server.mails().await;
            assert_eq!(mails.len(), 1);
            assert_eq!((&mails[0].message, mails[0].to.canonical()), (&Message::AccountExists, taken.to_lowercase().as_str()));
            for code in ["000000", "123456", ""] {
                assert_eq!(enter(&mut stranger, &page, code).await.status, StatusCode::BAD_REQUEST);
            }
        }
        assert_eq!(accounts(&server).await, 2);
        assert_eq!(log_in(&mut server.browser(), "anna@example.com", PASSWORD).await.url, "/account", "nothing of the account has changed");
    }

    async fn e4_whoever_registered_with_somebody_elses_address_before_has_nothing_of_the_owners_account(database: TestDatabase) {
        let server = open(database).await;
        let mut attacker = server.browser();
        let theirs = register(&mut attacker, "victim@example.com", "the attacker knows this one").await;
        server.mails().await;
        assert_eq!(log_in(&mut server.browser(), "victim@example.com", "the attacker knows this one").await.status, StatusCode::UNPROCESSABLE_ENTITY);
        // Somebody who may write what they like into their profile claims the address too.
        let liar = server.person_with("liar", &[], Some(serde_json::json!({"email": "victim@example.com"}))).await;
        let mut victim = server.browser();
        registered(&server, &mut victim, "victim@example.com").await;
        assert_eq!(enter(&mut attacker, &theirs, "000000").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(log_in(&mut server.browser(), "victim@example.com", "the attacker knows this one").await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let found = users::find_by_login_name(&mut server.state.db.read().await.unwrap(), "victim@example.com").await.unwrap().unwrap();
        assert_ne!(found.id, liar.id);
        assert_eq!(accounts(&server).await, 2);
    }

    async fn e5_a_code_has_five_tries_and_belongs_to_the_browser_that_asked_for_it(database: TestDatabase) {
        let server = open(database).await;
        let (mut own, mut other) = (server.browser(), server.browser());
        let page = register(&mut own, "anna@example.com", PASSWORD).await;
        let first = code(&server).await;
        // Somebody else's browser, with the code and the id and a form of its own.
        let theirs = register(&mut other, "berta@example.com", PASSWORD).await;
        server.mails().await;
        let stolen = theirs.form().set("id", page.form().field("id")).set("code", &first);
        assert_eq!(other.submit(&stolen).await.status, StatusCode::BAD_REQUEST);
        for _ in 0..5 {
            let refused = enter(&mut own, &page, &wrong(&first)).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST);
            assert!(refused.body.contains("id=\"code-problem\""));
        }
        assert_eq!(enter(&mut own, &page, &first).await.status, StatusCode::BAD_REQUEST, "the sixth try, though it is right");
        assert_eq!(accounts(&server).await, 0);
    }

    async fn e5_only_the_newest_code_counts_and_none_after_ten_minutes(database: TestDatabase) {
        let server = open(database).await;
        let mut browser = server.browser();
        let page = register(&mut browser, "anna@example.com", PASSWORD).await;
        let old = code(&server).await;
        let again = browser.submit(&page.form().set("decision", "again")).await;
        assert!(again.url.starts_with("/register/code?id=") && again.url != page.url);
        let new = code(&server).await;
        assert_eq!(enter(&mut browser, &page, &old).await.status, StatusCode::BAD_REQUEST, "the old code of the old page");
        if old != new {
            assert_eq!(enter(&mut browser, &again, &old).await.status, StatusCode::BAD_REQUEST);
        }
        server.clock.advance(600);
        assert_eq!(enter(&mut browser, &again, &new).await.status, StatusCode::BAD_REQUEST);
        let page = register(&mut browser, "anna@example.com", PASSWORD).await;
        let code = code(&server).await;
        server.clock.advance(599);
        assert_eq!(enter(&mut browser, &page, &code).await.url, "/account");
        assert_eq!(enter(&mut browser, &page, &code).await.status, StatusCode::BAD_REQUEST, "a code is spent");
    }

    async fn e5_a_code_for_one_purpose_is_none_for_another(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna@example.com").await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna@example.com").await;
        let reset = code(&server).await;
        let register_page = register(&mut browser, "new@example.com", PASSWORD).await;
        server.mails().await;
        let mixed = register_page.form().set("id", page.form().field("id")).set("code", &reset);
        assert_eq!(browser.submit(&mixed).await.status, StatusCode::BAD_REQUEST);
        let right = enter(&mut browser, &page, &reset).await;
        assert!(right.url.starts_with("/recover/password"), "{right:#?}");
    }

    async fn e5_of_fifty_who_show_the_right_code_at_once_one_is_let_in(database: TestDatabase) {
        let server = open(database).await;
        let mut browser = server.browser();
        let page = register(&mut browser, "anna@example.com", PASSWORD).await;
        let form = page.form().set("code", &code(&server).await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (mut browser, form) = (browser.clone(), form.clone());
            tasks.spawn(async move { browser.post("/register/code", &form.fields).await });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count(), 1);
        assert!(answers.iter().all(|answer| [StatusCode::SEE_OTHER, StatusCode::BAD_REQUEST].contains(&answer.status)));
        assert_eq!(accounts(&server).await, 1);
    }

    async fn of_many_who_register_one_address_at_once_one_has_it(database: TestDatabase) {
        let server = open(database).await;
        let mut ready = Vec::new();
        for _ in 0..3 {
            let mut browser = server.browser();
            let page = register(&mut browser, "anna@example.com", PASSWORD).await;
            let form = page.form().set("code", &code(&server).await);
            ready.push((browser, form));
        }
        let tasks: tokio::task::JoinSet<_> =
            ready.into_iter().map(|(mut browser, form)| async move { browser.post("/register/code", &form.fields).await }).collect();
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count(), 1, "{answers:#?}");
        assert_eq!(accounts(&server).await, 1);
    }

    async fn e6_opening_the_page_changes_nothing_whatever_the_address_holds(database: TestDatabase) {
        let server = open(database).await;
        let mut browser = server.browser();
        let page = register(&mut browser, "anna@example.com", PASSWORD).await;
        let code = code(&server).await;
        let id = page.form().field("id").to_owned();
        for _ in 0..10 {
            assert_eq!(browser.get(&format!("/register/code?id={id}&code={code}")).await.status, StatusCode::OK);
        }
        assert_eq!(accounts(&server).await, 0);
        assert_eq!(enter(&mut browser, &page, &code).await.url, "/account");
    }

    async fn a_name_that_was_taken_while_the_code_was_on_its_way_is_not_taken_twice(database: TestDatabase) {
        let server = open_with(database, |config| config.registration.identifier = Identifier::Both).await;
        let mut browsers = [server.browser(), server.browser()];
        let mut pages = Vec::new();
        for (browser, address) in browsers.iter_mut().zip(["a@example.com", "b@example.com"]) {
            let page = browser.visit("/register").await;
            let form = page.form().set("username", "anna").set("email", address).set("password", PASSWORD).set("password_again", PASSWORD);
            let page = browser.submit(&form).await;
            pages.push((page, code(&server).await));
        }
        assert_eq!(enter(&mut browsers[0], &pages[0].0, &pages[0].1).await.url, "/account");
        assert_eq!(enter(&mut browsers[1], &pages[1].0, &pages[1].1).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(accounts(&server).await, 1);
        for name in ["anna", "a@example.com"] {
            assert_eq!(log_in(&mut server.browser(), name, PASSWORD).await.url, "/account", "{name}");
        }
    }
}

#[tokio::test]
async fn e3_what_is_no_address_is_refused_and_reaches_no_mail() {
    let server = open(TestDatabase::sqlite().await).await;
    let mut browser = server.browser();
    let long = format!("a@{}example.com", "b.".repeat(130));
    for address in [
        "a@x\r\nBcc: eve@example.com",
        "\"a b\"@example.com",
        "a@b@example.com",
        "a@[127.0.0.1]",
        "anna",
        "",
        "<a@example.com>",
        &long,
    ] {
        let answer = register(&mut browser, address, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{address:?}");
        assert!(answer.body.contains("id=\"email-problem\""));
    }
    assert!(server.mails().await.is_empty());
    register(&mut browser, "Anna@B\u{fc}cher.example", PASSWORD).await;
    let mail = server.mails().await.remove(0);
    assert_eq!((mail.to.canonical(), mail.to.mailbox()), ("anna@xn--bcher-kva.example", ("Anna", "xn--bcher-kva.example")));
}

#[tokio::test]
async fn e12_breached_contextual_and_short_passwords_are_refused() {
    let list = tempfile::NamedTempFile::new().unwrap();
    // SHA-1 of "nobody would ever think of this".
    let hash = ostiary::authn::password::sha1_hex("nobody would ever think of this");
    std::fs::write(list.path(), format!("{hash}:3\n")).unwrap();
    let server = open_with(TestDatabase::sqlite().await, |config| config.password.breached_hashes = list.path().to_owned()).await;
    let mut browser = server.browser();
    for password in [
        "fourteen chars",
        "nobody would ever think of this",
        "anna.smith@example.com",
        "aaaaaaaaaaaaaaaaaaaaaa",
        "passwordpassword1",
    ] {
        let answer = register(&mut browser, "anna.smith@example.com", password).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert!(answer.body.contains("id=\"password-problem\"") && answer.body.contains("<meter"), "{password}: {}", answer.body);
        assert!(!answer.form().fields.iter().any(|(_, value)| value == password && password != "anna.smith@example.com"));
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn a_name_or_one_that_looks_like_it_is_taken_once_and_is_no_address() {
    let server = open_with(TestDatabase::sqlite().await, |config| config.registration.identifier = Identifier::Username).await;
    let mut browser = server.browser();
    for (name, problem) in [
        ("anna", None),
        ("ANNA", Some("username-problem")),
        ("\u{430}nn\u{430}", Some("username-problem")),
        ("anna@example.com", Some("username-problem")),
    ] {
        let page = server.browser().visit("/register").await;
        assert!(!page.body.contains("name=\"email\""));
        browser = server.browser();
        let page = browser.visit("/register").await;
        let form = page.form().set("username", name).set("password", PASSWORD).set("password_again", PASSWORD);
        let answer = browser.submit(&form).await;
        match problem {
            None => assert_eq!(answer.url, "/account"),
            Some(problem) => assert!(answer.body.contains(&format!("id=\"{problem}\"")), "{name}: {}", answer.body),
        }
    }
    assert!(server.mails().await.is_empty());
    drop(browser);
}

#[tokio::test]
async fn where_registration_is_closed_there_is_no_way_in() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let mut browser = server.browser();
    assert_eq!(browser.visit("/register").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.visit("/register?invitation=made-up").await.status, StatusCode::FORBIDDEN);
    assert!(!browser.visit("/login").await.body.contains("to-register"));
    let form = browser.visit("/login").await.form();
    let fields = [("csrf".to_owned(), form.field("csrf").to_owned()), ("email".to_owned(), "a@example.com".to_owned())];
    assert_eq!(browser.post("/register", &fields).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_addresses_of_the_allowed_domains_register() {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.registration.allowed_domains = vec!["Example.com".to_owned(), "b\u{fc}cher.example".to_owned()];
    })
    .await;
    let mut browser = server.browser();
    for address in ["a@example.org", "a@example.com.evil.example", "a@sub.example.com", "a@evilexample.com"] {
        assert!(register(&mut browser, address, PASSWORD).await.body.contains("id=\"email-problem\""), "{address}");
    }
    for address in ["a@EXAMPLE.com", "a@xn--bcher-kva.example"] {
        assert!(register(&mut browser, address, PASSWORD).await.url.starts_with("/register/code"), "{address}");
    }
}

#[tokio::test]
async fn a_mailbox_gets_three_codes_an_hour_and_ten_a_day_and_the_answer_is_always_the_same() {
    let server = open(TestDatabase::sqlite().await).await;
    let mut sent = Vec::new();
    for _ in 0..12 {
        let mut hour = 0;
        for _ in 0..5 {
            let page = register(&mut server.browser(), "anna@example.com", PASSWORD).await;
            assert!(page.url.starts_with("/register/code"));
            hour += server.mails().await.iter().filter(|mail| code_in(mail).is_some()).count();
        }
        sent.push(hour);
        server.clock.advance(3_600);
    }
    assert_eq!(sent, [3, 3, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// One address registers three people an hour, and so does one mail domain; beyond that a machine has to work.
#[tokio::test]
async fn after_three_registrations_a_proof_of_work_is_asked_for_and_taken() {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.limits.proof_of_work_bits = 8;
    })
    .await;
    for number in 0..3 {
        let answer = register(&mut server.browser(), &format!("person{number}@example.com"), PASSWORD).await;
        assert!(answer.url.starts_with("/register/code"), "{answer:#?}");
    }
    let mut browser = server.browser();
    let challenged = register(&mut browser, "person3@example.com", PASSWORD).await;
    assert_eq!(challenged.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = challenged.form().set("password", PASSWORD).set("password_again", PASSWORD);
    assert_eq!(browser.submit(&form.clone().set("solution", "x")).await.status, StatusCode::UNPROCESSABLE_ENTITY, "not solved");
    let solved = form.clone().set("solution", &solve(form.field("challenge")));
    assert!(browser.submit(&solved).await.url.starts_with("/register/code"));
    assert_eq!(browser.submit(&solved).await.status, StatusCode::UNPROCESSABLE_ENTITY, "a proof counts once");
    assert_eq!(server.mails().await.len(), 4);
}
