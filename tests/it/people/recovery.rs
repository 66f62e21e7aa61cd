//! A forgotten password: E7 to E11.

use http::{Request, StatusCode, header};
use ostiary::outbound::mail::Message;
use ostiary::storage::users::{self, User};
use serde_json::json;

use super::{NEW_PASSWORD, code, comparable, enter, log_in, recover, wrong};
use crate::api::persona::Caller;
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, enter_recovery_code, give_app, give_recovery_codes};
use crate::support::flow::{refresh, text, tokens};
use crate::support::passkeys::{give_passkey, use_passkey};
use crate::support::server::{PASSWORD, Persona, START, TestServer};

/// Somebody whose address an administrator vouches for.
pub(super) async fn person(server: &TestServer, name: &str, address: &str) -> User {
    server.person_with(name, &[], Some(json!({"email": address, "email_verified": true}))).await
}

pub(super) async fn choose(browser: &mut Browser, page: &Answer, password: &str) -> Answer {
    browser.submit(&page.form().set("password", password).set("password_again", password)).await
}

on_both! {
    async fn e10_a_new_password_ends_everything_tells_the_owner_and_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let mut old_session = server.browser();
        assert_eq!(log_in(&mut old_session, "anna", PASSWORD).await.url, "/account");

        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        assert!(page.url.starts_with("/recover/password?id="));
        let answer = choose(&mut browser, &page, NEW_PASSWORD).await;
        assert_eq!(answer.url, "/login", "a login follows, with all its factors");
        let mails = server.mails().await;
        assert_eq!(mails.iter().map(|mail| (&mail.message, mail.to.as_str())).collect::<Vec<_>>(), [(&Message::PasswordChanged, "anna@example.com")]);

        assert!(old_session.visit("/account").await.url.starts_with("/login"));
        assert_eq!(refresh(&server, &client, &text(&tokens, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(log_in(&mut server.browser(), "anna", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(log_in(&mut server.browser(), "anna", NEW_PASSWORD).await.url, "/account");
        assert_eq!(browser.submit(&page.form().set("password", PASSWORD).set("password_again", PASSWORD)).await.status, StatusCode::BAD_REQUEST, "once");
    }

    async fn e8_for_nobody_the_same_is_answered_and_no_mail_sent(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let disabled = person(&server, "dora", "dora@example.com").await;
        server.disable(&disabled).await;
        server.person("no-address").await;
        server.person_with("liar", &[], Some(json!({"email": "unproved@example.com"}))).await;
        let known = recover(&mut server.browser(), "anna").await;
        assert_eq!(server.mails().await.len(), 1);
        for name in ["nobody", "nobody@example.com", "dora", "dora@example.com", "no-address", "liar", "unproved@example.com", "", "a\u{7}b"] {
            let mut browser = server.browser();
            let answer = recover(&mut browser, name).await;
            assert_eq!((answer.status, comparable(&answer, &[])), (known.status, comparable(&known, &[])), "{name:?}");
            assert!(server.mails().await.is_empty(), "{name:?}");
            assert_eq!(enter(&mut browser, &answer, "000000").await.status, StatusCode::BAD_REQUEST);
        }
    }

    async fn e9_steps_can_not_be_left_out_and_codes_not_be_used_twice(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let code = code(&server).await;
        let id = page.form().field("id").to_owned();
        let password_page = format!("/recover/password?id={id}");
        assert_eq!(browser.visit(&password_page).await.status, StatusCode::BAD_REQUEST, "no code was shown");
        assert_eq!(enter(&mut browser, &page, &wrong(&code)).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(browser.visit(&password_page).await.status, StatusCode::BAD_REQUEST, "a wrong code was shown");
        let chooser = enter(&mut browser, &page, &code).await;
        assert_eq!(enter(&mut browser, &page, &code).await.status, StatusCode::BAD_REQUEST, "the code again");
        assert_eq!(server.browser().visit(&password_page).await.status, StatusCode::BAD_REQUEST, "another browser");
        let mut other = server.browser();
        other.visit("/recover").await;
        let stolen = other.post("/recover/password", &chooser.form().set("password", NEW_PASSWORD).set("password_again", NEW_PASSWORD).fields).await;
        assert_eq!(stolen.status, StatusCode::FORBIDDEN, "the form of another browser");
        let refused = choose(&mut browser, &chooser, "short").await;
        assert!(refused.body.contains("id=\"password-problem\""), "the code is not lost by a bad password: {refused:#?}");
        server.clock.advance(601);
        assert_eq!(choose(&mut browser, &refused, NEW_PASSWORD).await.status, StatusCode::BAD_REQUEST, "too late");
        assert_eq!(log_in(&mut server.browser(), "anna", PASSWORD).await.url, "/account");
    }

    /// Whoever skips the code learns nothing: what is wrong with a password would tell whether there is somebody.
    async fn e8_without_the_code_no_password_is_looked_at(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut own = server.browser();
        let page = recover(&mut own, "anna").await;
        let chooser = enter(&mut own, &page, &code(&server).await).await;
        let mut answers = Vec::new();
        for name in ["anna", "nobody"] {
            for password in ["short", NEW_PASSWORD] {
                // The form is one's own, and the id that of somebody else's recovery, asked for in the same browser.
                let asked = recover(&mut own, name).await;
                let form = chooser.form().set("id", asked.form().field("id"));
                let answer = own.post("/recover/password", &form.set("password", password).set("password_again", password).fields).await;
                answers.push((answer.status, answer.without_trace_id()));
            }
        }
        assert_eq!(answers[0].0, StatusCode::BAD_REQUEST);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }

    /// What was asked for before says nothing about what its person has chosen since.
    async fn e12_who_has_done_without_a_password_since_gets_none_by_an_older_code(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        server.state.db.write(async |tx| tx.query("UPDATE users SET password_hash = NULL WHERE id = $1").bind(&anna.id).execute().await).await.unwrap();
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        give_passkey(&server, &anna).await;
        assert_eq!(choose(&mut browser, &page, NEW_PASSWORD).await.status, StatusCode::BAD_REQUEST);
        let anna = users::by_id(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert!(anna.password_hash.is_none());
    }

    /// What a change of the password closes, its removal closes too.
    async fn e12_removing_the_password_ends_what_it_opened(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let mut early = server.browser();
        let asked = recover(&mut early, "anna").await;
        let page = enter(&mut early, &asked, &code(&server).await).await;
        let mut waiting = server.browser();
        let asked = recover(&mut waiting, "anna").await;
        let later = code(&server).await;
        let owner = Caller::browser(&server, &anna).await;
        give_passkey(&server, &anna).await;
        assert_eq!(owner.delete("/users/me/password").await.status, StatusCode::NO_CONTENT);
        assert_eq!(owner.get("/users/me").await.status, StatusCode::OK, "who removes it stays");
        assert_eq!(refresh(&server, &client, &text(&tokens, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(enter(&mut waiting, &asked, &later).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(choose(&mut early, &page, NEW_PASSWORD).await.status, StatusCode::BAD_REQUEST);
    }

    async fn e9_of_fifty_new_passwords_at_once_one_counts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            let password = format!("{NEW_PASSWORD} {number}");
            let (mut browser, form) = (browser.clone(), page.form().set("password", &password).set("password_again", &password));
            tasks.spawn(async move { (password, browser.post("/recover/password", &form.fields).await) });
        }
        let answers = tasks.join_all().await;
        let done: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == StatusCode::SEE_OTHER).collect();
        assert_eq!(done.len(), 1);
        assert_eq!(log_in(&mut server.browser(), "anna", &done[0].0).await.url, "/account");
        assert_eq!(server.mails().await.len(), 1);
    }

    async fn e9_a_code_from_before_the_password_changed_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut early = server.browser();
        let early_page = recover(&mut early, "anna").await;
        let early_code = code(&server).await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        choose(&mut browser, &page, NEW_PASSWORD).await;
        assert_eq!(enter(&mut early, &early_page, &early_code).await.status, StatusCode::BAD_REQUEST);
    }

    async fn e7_a_code_that_went_to_an_address_of_before_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "old@example.com").await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        let new = ostiary::protocol::email_address::EmailAddress::parse("new@example.com").unwrap();
        let now = server.clock.now();
        server.state.db.write(async |tx| ostiary::storage::email_addresses::save(tx, &anna.id, &new, true, now).await).await.unwrap();
        assert_eq!(choose(&mut browser, &page, NEW_PASSWORD).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(log_in(&mut server.browser(), "anna", PASSWORD).await.url, "/account");
    }

    async fn whoever_signs_in_with_an_address_proves_it_by_recovering(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna@example.com").await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "Anna@Example.com").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        assert_eq!(choose(&mut browser, &page, NEW_PASSWORD).await.url, "/login");
        let (profile, _) = ostiary::storage::profiles::load(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!(profile.email_verified, Some(true));
    }

    async fn e10_a_new_password_stands_in_for_no_second_factor(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let app = give_app(&server, &anna).await;
        let codes = give_recovery_codes(&server, &anna).await;
        let mut browser = server.browser();
        let page = recover(&mut browser, "anna").await;
        let page = enter(&mut browser, &page, &code(&server).await).await;
        assert_eq!(choose(&mut browser, &page, NEW_PASSWORD).await.url, "/login");
        let page = log_in(&mut browser, "anna", NEW_PASSWORD).await;
        assert!(page.url.starts_with("/login/factor"), "{page:#?}");
        assert!(browser.visit("/account").await.url.starts_with("/login"), "nothing is open before that");
        assert_eq!(enter_code(&mut browser, &page, &code_of(&server, &app, 0)).await.url, "/account");
        // Nor did it take the others away.
        let mut browser = server.browser();
        let page = log_in(&mut browser, "anna", NEW_PASSWORD).await;
        assert_eq!(enter_recovery_code(&mut browser, &page, &codes[0]).await.url, "/account");
    }

    /// F4, B6: a mailbox is weaker than a passkey, and who has chosen the one must not get the other without a word.
    async fn who_has_passkeys_alone_gets_no_password_by_mail(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let mut passkey = give_passkey(&server, &anna).await;
        assert!(server.state.db.write(async |tx| users::remove_password(tx, &anna.id, START).await).await.unwrap());
        let nobody = recover(&mut server.browser(), "nobody").await;
        let mut browser = server.browser();
        let answer = recover(&mut browser, "anna").await;
        assert_eq!((answer.status, comparable(&answer, &[])), (nobody.status, comparable(&nobody, &[])));
        let mails = server.mails().await;
        let mails: Vec<_> = mails.iter().map(|mail| (&mail.message, mail.to.as_str())).collect();
        assert_eq!(mails, [(&Message::NoPassword, "anna@example.com")], "the owner is told how to get in");
        assert_eq!(enter(&mut browser, &answer, "000000").await.status, StatusCode::BAD_REQUEST);
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
    }

    /// E5, one side: of the codes that one browser asked for the newest counts.
    async fn e5_of_the_codes_of_one_browser_the_newest_counts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut browser = server.browser();
        let first = recover(&mut browser, "anna").await;
        let old = code(&server).await;
        let second = recover(&mut browser, "anna@example.com").await;
        let new = code(&server).await;
        assert_eq!(enter(&mut browser, &first, &old).await.status, StatusCode::BAD_REQUEST);
        assert!(enter(&mut browser, &second, &new).await.url.starts_with("/recover/password"));
    }

    /// E5, the other side: what strangers ask for takes nobody's code away, and uses up none of its tries.
    async fn e5_strangers_take_no_code_away(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let mut owner = server.browser();
        let page = recover(&mut owner, "anna").await;
        let code = code(&server).await;
        let mut stranger = server.browser();
        let theirs = recover(&mut stranger, "anna").await;
        for _ in 0..6 {
            assert_eq!(enter(&mut stranger, &theirs, &wrong(&code)).await.status, StatusCode::BAD_REQUEST);
        }
        let guessed = stranger.submit(&theirs.form().set("id", page.form().field("id")).set("code", &code)).await;
        assert_eq!(guessed.status, StatusCode::BAD_REQUEST, "nor can they use it");
        assert!(enter(&mut owner, &page, &code).await.url.starts_with("/recover/password"));
    }
}

/// With a proof of work after five requests of an hour, or with half a minute of waiting for whoever has no script.
#[tokio::test]
async fn h13_neither_host_nor_forwarded_host_gets_into_a_mail_or_a_link() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let mut browser = server.browser();
    let form = browser.visit("/recover").await.form().set("username", "anna");
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
    let request = Request::post("/recover")
        .header(header::HOST, "id.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .header("origin", server.origin())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(body))
        .unwrap();
    let answer = browser.send(request).await;
    assert!(answer.location().starts_with("/recover/code?id="), "{answer:#?}");
    let mails = format!("{:?}", server.mails().await);
    assert!(!mails.contains("evil"), "{mails}");
}

#[tokio::test]
async fn pages_of_recovery_are_not_kept_and_tell_nobody_where_they_came_from() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let mut browser = server.browser();
    let page = recover(&mut browser, "anna").await;
    let next = enter(&mut browser, &page, &code(&server).await).await;
    for answer in [page, next] {
        assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
    }
}

#[tokio::test]
async fn who_has_no_password_yet_gets_one_by_mail() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = person(&server, "anna", "anna@example.com").await;
    server
        .state
        .db
        .write(async |tx| tx.query("UPDATE users SET password_hash = NULL WHERE id = $1").bind(&anna.id).execute().await)
        .await
        .unwrap();
    let mut browser = server.browser();
    let page = recover(&mut browser, "anna").await;
    let page = enter(&mut browser, &page, &code(&server).await).await;
    assert_eq!(choose(&mut browser, &page, NEW_PASSWORD).await.url, "/login");
    assert!(users::by_id(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap().unwrap().password_hash.is_some());
}

#[tokio::test]
async fn where_no_mail_is_sent_recovery_is_not_offered() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.mail.transport = ostiary::config::MailTransport::Off;
    })
    .await;
    assert_eq!(server.get("/recover").await.status, StatusCode::NOT_FOUND);
    assert!(!server.browser().visit("/login").await.body.contains("to-recover"));
}
