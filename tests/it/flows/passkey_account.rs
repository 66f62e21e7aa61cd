//! What people do with their passkeys: behaviours 1.14 rows B3, B4, B6 and B8, and 1.11 S15.

use http::StatusCode;
use ostiary::config::{Config, UserVerification};
use ostiary::outbound::mail::{Factor, Message};
use ostiary::protocol::authentication::Acr;
use ostiary::protocol::email_address::EmailAddress;
use ostiary::storage::users::User;
use ostiary::storage::{email_addresses, passkeys};
use serde_json::json;

use crate::support::authenticator::{self, BACKED_UP, BACKUP_ELIGIBLE, Passkey, USER_PRESENT, USER_VERIFIED};
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, claims, log_in, redeem, text};
use crate::support::passkeys::{give_passkey, give_passkey_like, question, use_passkey, use_passkey_twisted};
use crate::support::server::{PASSWORD, Persona, START, TestServer};

const NEW: &str = "/account/security/passkeys";

async fn logged_in(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert_eq!(log_in(&mut browser, &page, name).await.url, "/account");
    browser
}

/// Makes a passkey on the page for it.
async fn make(browser: &mut Browser, page: &Answer, twist: impl FnOnce(&mut authenticator::Answer)) -> (Passkey, Answer) {
    let (options, form) = question(page);
    let (passkey, answer) = Passkey::create(&options, twist);
    (passkey, browser.submit(&form.set("credential", &answer)).await)
}

async fn stored(server: &TestServer, user: &User) -> Vec<passkeys::Passkey> {
    passkeys::list(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap()
}

/// Someone with an address that they proved.
async fn person(server: &TestServer, name: &str) -> User {
    let person = server.person(name).await;
    let address = EmailAddress::parse(&format!("{name}@example.com")).unwrap();
    server.state.db.write(async |tx| email_addresses::save(tx, &person.id, &address, true, START).await).await.unwrap();
    person
}

/// The form that removes this passkey.
fn removal(page: &Answer, id: &str) -> crate::support::browser::Form {
    let csrf = page.form().field("csrf").to_owned();
    let fields = [("csrf".to_owned(), csrf), ("passkey".to_owned(), id.to_owned())];
    crate::support::browser::Form { action: "/account/security/passkeys/remove".to_owned(), fields: fields.to_vec() }
}

on_both! {
    async fn a_person_sets_up_a_passkey_names_it_and_logs_in_with_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna").await;
        let mut browser = logged_in(&server, "anna").await;
        let page = browser.visit(NEW).await;
        let (options, _) = question(&page);
        assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "preferred");
        assert_eq!((&options["attestation"], &options["excludeCredentials"]), (&json!("none"), &json!([])));
        assert_eq!(options["user"]["name"], "anna");
        let offered: Vec<_> = options["pubKeyCredParams"].as_array().unwrap().iter().map(|param| param["alg"].clone()).collect();
        assert_eq!(offered, [-7, -35, -257]);

        let (mut passkey, page) = make(&mut browser, &page, |_| {}).await;
        assert!(page.url.starts_with("/account/security/passkeys/name"), "{page:#?}");
        assert!(!anna.id.as_str().as_bytes().eq(passkey.handle.as_slice()), "authenticators learn nothing of the account");
        let page = browser.submit(&page.form().set("name", "My <b>phone</b>\u{7}")).await;
        assert_eq!(page.url, "/account/security");
        assert!(page.body.contains("My &#60;b&#62;phone") || page.body.contains("My &lt;b&gt;phone"), "{}", page.body);
        let mails = server.mails().await;
        assert!(matches!(&mails[0].message, Message::FactorAdded { what: Factor::Passkey { .. } }), "{mails:?}");
        let kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).collect();
        assert!(kinds.contains(&"passkey.added".to_owned()) && kinds.contains(&"passkey.renamed".to_owned()), "{kinds:?}");

        // The next one is not to be on the same device, and has the same handle.
        let (options, _) = question(&browser.visit(NEW).await);
        assert_eq!(options["excludeCredentials"][0]["id"], passkey.name());
        let mut other = server.browser();
        let page = other.visit("/login").await;
        assert_eq!(use_passkey(&mut other, &page, &mut passkey).await.url, "/account");
    }

    async fn a_credential_that_somebody_has_is_nobody_elses(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let bert = server.person("bert").await;
        let of_anna = give_passkey(&server, &anna).await;
        for (name, expected) in [("bert", "passkey_taken"), ("anna", "passkey_algorithm")] {
            server.clock.advance(1);
            let mut browser = logged_in(&server, name).await;
            let page = browser.visit(NEW).await;
            let (_, refused) = make(&mut browser, &page, |answer| answer.id.clone_from(&of_anna.id)).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(server.last_reason("passkey.added").await.as_deref(), Some(expected));
        }
        assert_eq!((stored(&server, &anna).await.len(), stored(&server, &bert).await.len()), (1, 0));
    }

    async fn the_page_that_makes_a_passkey_works_once_in_its_session(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut browser = logged_in(&server, "anna").await;
        let (options, form) = question(&browser.visit(NEW).await);
        let good = form.set("credential", &Passkey::create(&options, |_| {}).1);
        let mut other = logged_in(&server, "anna").await;
        let theirs = question(&other.visit(NEW).await).1;
        let stolen = theirs.set("credential", good.field("credential")).set("passkey_challenge", good.field("passkey_challenge"));
        assert_eq!(other.submit(&stolen).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(browser.submit(&good).await.status, StatusCode::OK);
        assert_eq!(browser.submit(&good).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(stored(&server, &anna).await.len(), 1);

        // Nor is the challenge of a login good for it, nor the other way round.
        let (options, form) = question(&browser.visit(NEW).await);
        let of_login = question(&server.browser().visit("/login").await).1;
        let crossed = form.set("credential", &Passkey::create(&options, |_| {}).1);
        let crossed = crossed.set("passkey_challenge", of_login.field("passkey_challenge"));
        assert_eq!(browser.submit(&crossed).await.status, StatusCode::BAD_REQUEST);
    }

    async fn what_is_sensitive_needs_a_proof_of_the_last_minutes(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let mut browser = logged_in(&server, "anna").await;
        let fresh = browser.visit(NEW).await;
        let security = browser.visit("/account/security").await;
        server.clock.advance(301);
        let (options, form) = question(&fresh);
        let late = form.set("credential", &Passkey::create(&options, |_| {}).1);
        let remove_password = security.form_with_button("remove-password");
        for form in [late, removal(&security, &passkey.name()), remove_password] {
            assert!(browser.submit(&form).await.url.starts_with("/account/reauthenticate"), "{}", form.action);
        }
        assert_eq!(stored(&server, &anna).await.len(), 1);

        let page = browser.visit(NEW).await;
        assert!(page.url.starts_with("/account/reauthenticate"), "{}", page.url);
        let before = browser.cookies["__Host-sid"].clone();
        let wrong = use_passkey_twisted(&mut browser, &page, &mut passkey, |answer| answer.flags = 0).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        let page = use_passkey(&mut browser, &wrong, &mut passkey).await;
        assert_eq!(page.url, NEW, "a passkey is a proof too");
        assert_ne!(browser.cookies["__Host-sid"], before, "and gives the session another secret");
        assert_eq!(make(&mut browser, &page, |_| {}).await.1.status, StatusCode::OK);
    }

    async fn the_last_way_in_is_not_removed_not_by_two_at_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna").await;
        let (one, other) = (give_passkey(&server, &anna).await, give_passkey(&server, &anna).await);
        let mut browser = logged_in(&server, "anna").await;
        let page = browser.visit("/account/security").await;
        let mut elsewhere = logged_in(&server, "anna").await;
        let page = browser.submit(&page.form_with_button("remove-password")).await;
        assert!(page.body.contains("id=\"no-password\""), "{}", page.body);
        assert_eq!(elsewhere.visit("/account").await.url, "/login", "other sessions ended");
        assert!(server.mails().await.iter().any(|mail| mail.message == Message::PasswordRemoved));
        let mut stranger = server.browser();
        let login = stranger.visit("/login").await;
        let refused = stranger.submit(&login.form().set("username", "anna").set("password", PASSWORD)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

        let tries = [&one, &other].map(|passkey| {
            let (mut browser, form) = (browser.clone(), removal(&page, &passkey.name()));
            tokio::spawn(async move { browser.post(&form.action, &form.fields).await.status })
        });
        let mut statuses = Vec::new();
        for attempt in tries {
            statuses.push(attempt.await.unwrap().as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 403]);
        let [left] = &stored(&server, &anna).await[..] else { panic!("one is left") };
        let page = browser.visit("/account/security").await;
        assert!(page.body.contains("You need this one to log in"), "{}", page.body);
        assert_eq!(browser.submit(&removal(&page, &left.id)).await.status, StatusCode::FORBIDDEN);
        assert!(server.audit().await.iter().any(|entry| entry.reason.as_deref() == Some("last_factor")));
        let mut left = if left.id == one.name() { one } else { other };
        let mut again = server.browser();
        let page = again.visit("/login").await;
        assert_eq!(use_passkey(&mut again, &page, &mut left).await.url, "/account");
    }

    async fn a_passkey_is_a_second_factor_after_a_password(database: TestDatabase) {
        let server = TestServer::start_with(database, require(Acr::Multi)).await;
        let root = server.person_with("root", &["admin"], None).await;
        let bert = server.person("bert").await;
        let mut of_bert = give_passkey(&server, &bert).await;
        // One that verifies nobody: a factor beside a password, and no login.
        let mut passkey = give_passkey_like(&server, &root, |answer| answer.flags &= !USER_VERIFIED).await;
        let unverified = |answer: &mut authenticator::Answer| answer.flags &= !USER_VERIFIED;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        assert_eq!(use_passkey_twisted(&mut browser, &page, &mut passkey, unverified).await.status, StatusCode::BAD_REQUEST);
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "root").await;
        assert!(page.url.starts_with("/login/factor"), "{page:#?}");
        let (options, _) = question(&page);
        assert_eq!(options["allowCredentials"][0]["id"], passkey.name());
        assert_eq!(options["allowCredentials"][0]["transports"], json!(["internal", "hybrid", "unknown"]));
        let page = use_passkey(&mut browser, &page, &mut of_bert).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "somebody else's");
        assert!(page.body.contains("This passkey was not accepted"), "{}", page.body);
        let answer = use_passkey_twisted(&mut browser, &page, &mut passkey, unverified).await;
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        let claims = claims(&text(&tokens, "id_token"));
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("phr"), &json!(["pwd", "hwk", "user", "mfa"])));
    }

    async fn whoever_needs_a_passkey_is_led_to_make_one_and_on_to_the_client(database: TestDatabase) {
        let server = TestServer::start_with(database, require(Acr::PhishingResistant)).await;
        server.person_with("root", &["admin"], None).await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).with("acr_values", "phr").path()).await;
        let mut page = log_in(&mut browser, &page, "root").await;
        if !page.url.starts_with(NEW) {
            page = browser.visit(NEW).await;
        }
        assert!(page.url.starts_with(NEW), "{page:#?}");
        let (mut passkey, page) = make(&mut browser, &page, |_| {}).await;
        let mut page = browser.submit(&page.form()).await;
        if page.url.starts_with("/account") {
            page = browser.visit(&AuthorizationUrl::new(&client).with("acr_values", "phr").path()).await;
        }
        assert!(page.url.starts_with("/login/factor"), "what was made is shown: {page:#?}");
        let answer = use_passkey(&mut browser, &page, &mut passkey).await;
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        assert_eq!(claims(&text(&tokens, "id_token"))["acr"], "phr");
        // It can't be removed then.
        let page = browser.visit("/account/security").await;
        assert_eq!(browser.submit(&removal(&page, &passkey.name())).await.status, StatusCode::FORBIDDEN);
    }

    async fn nobody_reaches_the_passkeys_of_somebody_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        server.person("bert").await;
        let passkey = give_passkey(&server, &anna).await;
        let mut bert = logged_in(&server, "bert").await;
        let token = bert.visit(NEW).await;
        make(&mut bert, &token, |_| {}).await;
        let page = bert.visit("/account/security").await;
        let name_path = format!("/account/security/passkeys/name?passkey={}", passkey.name());
        assert_eq!(bert.visit(&name_path).await.status, StatusCode::NOT_FOUND);
        let rename = token.form().set("passkey", &passkey.name()).set("name", "Mine");
        let rename = crate::support::browser::Form { action: "/account/security/passkeys/name".to_owned(), ..rename };
        assert_eq!(bert.submit(&rename).await.status, StatusCode::NOT_FOUND);
        assert_eq!(bert.submit(&removal(&page, &passkey.name())).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stored(&server, &anna).await[0].name, "Pocket");
    }
}

fn require(acr: Acr) -> impl FnOnce(&mut Config) {
    move |config| {
        config.authentication.required_acr_by_role.insert("admin".to_owned(), acr);
    }
}

#[tokio::test]
async fn a_new_passkey_that_is_wrong_in_anything_is_refused() {
    type Twist = Box<dyn Fn(&mut authenticator::Answer)>;
    let wrong: Vec<(&str, Twist)> = vec![
        ("passkey_user_not_present", Box::new(|answer| answer.flags &= !USER_PRESENT)),
        ("passkey_user_not_verified", Box::new(|answer| answer.flags &= !USER_VERIFIED)),
        ("passkey_backup_flags", Box::new(|answer| answer.flags |= BACKED_UP)),
        ("passkey_wrong_type", Box::new(|answer| answer.client_data["type"] = "webauthn.get".into())),
        ("passkey_wrong_challenge", Box::new(|answer| answer.client_data["challenge"] = "AAAA".into())),
        ("passkey_wrong_origin", Box::new(|answer| answer.client_data["origin"] = "https://evil.example".into())),
        ("passkey_cross_origin", Box::new(|answer| answer.client_data["crossOrigin"] = true.into())),
        ("passkey_wrong_rp_id", Box::new(|answer| answer.rp_id = "evil.example".to_owned())),
        ("passkey_malformed", Box::new(|answer| answer.kind = "password")),
        // EdDSA and P-521 with SHA-512: the key is another kind's, and neither was offered.
        ("passkey_algorithm", Box::new(|answer| answer.algorithm = -36)),
    ];
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.passkeys.user_verification = UserVerification::Required;
    })
    .await;
    let anna = server.person("anna").await;
    let mut browser = logged_in(&server, "anna").await;
    for (expected, twist) in wrong {
        server.clock.advance(1);
        let page = browser.visit(NEW).await;
        let (_, refused) = make(&mut browser, &page, |answer| twist(answer)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{expected}");
        let events = server.audit().await;
        let reason = events.into_iter().find(|entry| entry.kind == "passkey.added" && entry.at == server.clock.now());
        assert_eq!(reason.and_then(|entry| entry.reason).as_deref(), Some(expected));
    }
    for algorithm in [-8, -37, -65_535, 7, -25] {
        let page = browser.visit(NEW).await;
        assert_eq!(make(&mut browser, &page, |answer| answer.algorithm = algorithm).await.1.status, StatusCode::BAD_REQUEST);
    }
    assert!(stored(&server, &anna).await.is_empty());
    let page = browser.visit(NEW).await;
    let synchronised = |answer: &mut authenticator::Answer| answer.flags |= BACKUP_ELIGIBLE | BACKED_UP;
    assert_eq!(make(&mut browser, &page, synchronised).await.1.status, StatusCode::OK, "the next one is taken");
    assert!(browser.visit("/account/security").await.body.contains("Synchronised"));
}

#[tokio::test]
async fn there_are_no_more_passkeys_than_may_be() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.passkeys.max_per_person = 1).await;
    let anna = server.person("anna").await;
    let mut browser = logged_in(&server, "anna").await;
    let page = browser.visit(NEW).await;
    let again = page.clone();
    make(&mut browser, &page, |_| {}).await;
    assert_eq!(make(&mut browser, &again, |_| {}).await.1.status, StatusCode::BAD_REQUEST, "its challenge is spent");
    let page = browser.visit(NEW).await;
    let (_, refused) = make(&mut browser, &page, |_| {}).await;
    assert!(refused.body.contains("You have as many passkeys as you may have"), "{}", refused.body);
    assert_eq!(stored(&server, &anna).await.len(), 1);
    assert!(!browser.visit("/account/security").await.body.contains("id=\"add-passkey\""));
}

#[tokio::test]
async fn a_password_goes_only_when_a_passkey_can_take_its_place() {
    for (allowed, verified) in [(false, true), (true, false)] {
        let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
            config.passkeys.allow_without_password = allowed;
        })
        .await;
        let anna = server.person("anna").await;
        let flags = if verified { USER_PRESENT | USER_VERIFIED } else { USER_PRESENT };
        give_passkey_like(&server, &anna, |answer| answer.flags = flags | (answer.flags & 0x40)).await;
        let mut browser = logged_in(&server, "anna").await;
        let page = browser.visit("/account/security").await;
        assert!(!page.body.contains("id=\"remove-password\""));
        let mut form = removal(&page, "");
        form.action = "/account/security/password/remove".to_owned();
        assert_eq!(browser.submit(&form).await.status, StatusCode::FORBIDDEN);
        logged_in(&server, "anna").await;
    }
}

/// The operator turned passkeys off, or the issuer has no host name any more.
#[tokio::test]
async fn where_no_passkey_can_be_asked_for_none_is_offered() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = person(&server, "anna").await;
    give_passkey(&server, &anna).await;
    let app = crate::support::factors::give_app(&server, &anna).await;
    let offers = |page: &Answer| page.body.to_lowercase().contains("passkey") || page.body.contains("webauthn");
    assert!(offers(&server.browser().visit("/login").await));

    let server = server.restarted_with(|config| config.passkeys.enabled = false).await;
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert!(!offers(&page));
    let page = log_in(&mut browser, &page, "anna").await;
    assert!(page.url.starts_with("/login/factor") && !offers(&page), "{page:#?}");
    let code = crate::support::factors::code_of(&server, &app, 0);
    let page = crate::support::factors::enter_code(&mut browser, &page, &code).await;
    assert_eq!(page.url, "/account");
    for path in ["/account/security", "/account/reauthenticate"] {
        let page = browser.visit(path).await;
        assert!(!offers(&page), "{path} {page:#?}");
    }
    assert_eq!(browser.visit(NEW).await.status, StatusCode::NOT_FOUND);
}
