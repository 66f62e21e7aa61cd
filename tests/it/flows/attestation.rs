//! Which authenticators new passkeys may come from, where the operator says it.

use std::fmt::Write as _;

use http::StatusCode;
use ostiary::authn::passkey::RelyingParty;
use ostiary::config::{Config, PasskeysConfig};
use ostiary::protocol::time::Seconds;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::persona::{Caller, assert_refused};
use crate::support::attestation::{Maker, Statement};
use crate::support::authenticator::{self, Passkey};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::log_in;
use crate::support::passkeys::{give_passkey, question, use_passkey};
use crate::support::server::{START, TestServer};

const NEW: &str = "/account/security/passkeys";
const MODEL: [u8; 16] = *b"a model of ours.";

/// A server that takes passkeys of these makers' authenticators only, and the folder with the file that says so.
async fn choosy(database: TestDatabase, makers: &[&Maker], change: impl FnOnce(&mut Config)) -> (TestServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("makers.pem");
    let text = makers.iter().fold(String::new(), |mut text, maker| {
        writeln!(text, "# A maker\n{}", maker.pem()).unwrap();
        text
    });
    std::fs::write(&file, text).unwrap();
    let server = TestServer::start_with(database, |config| {
        config.passkeys.attestation_ca_file = file;
        change(config);
    });
    (server.await, folder)
}

/// Makes a passkey on the page for it: the page that comes then.
async fn make(server: &TestServer, twist: impl FnOnce(&mut authenticator::Answer)) -> (Passkey, crate::support::browser::Answer) {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert_eq!(log_in(&mut browser, &page, "anna").await.url, "/account");
    let (options, form) = question(&browser.visit(NEW).await);
    let (passkey, answer) = Passkey::create(&options, twist);
    (passkey, browser.submit(&form.set("credential", &answer)).await)
}

fn of(maker: &Maker) -> impl FnOnce(&mut authenticator::Answer) {
    let statement = Statement::Of(maker.authenticator());
    move |answer| answer.statement = statement
}

on_both! {
    async fn without_authorities_nobody_is_asked_and_any_statement_will_do(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let stranger = Maker::new("Stranger");
        for statement in [Statement::Nothing, Statement::OfItself, Statement::Of(stranger.authenticator())] {
            let (mut passkey, page) = make(&server, |answer| answer.statement = statement.clone()).await;
            assert_eq!(page.status, StatusCode::OK, "{statement:?} {page:#?}");
            let mut browser = server.browser();
            let page = browser.visit("/login").await;
            assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
        }
    }

    async fn a_passkey_is_taken_from_an_authenticator_that_an_authority_vouches_for(database: TestDatabase) {
        // Two of one name, as when a maker's root is renewed.
        let (maker, renewed) = (Maker::new("Maker"), Maker::new("Maker"));
        let (server, _folder) = choosy(database, &[&maker, &renewed], |_| {}).await;
        server.person("anna").await;
        for authenticator in [maker.authenticator(), renewed.authenticator(), renewed.authenticator_below()] {
            let (mut passkey, page) = make(&server, |answer| answer.statement = Statement::Of(authenticator)).await;
            assert_eq!(page.status, StatusCode::OK, "{page:#?}");
            let mut browser = server.browser();
            let page = browser.visit("/login").await;
            assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
        }
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        assert_eq!(question(&browser.visit(NEW).await).0["attestation"], "direct");
    }

    async fn an_authenticator_that_nobody_vouches_for_gives_no_passkey(database: TestDatabase) {
        let (maker, stranger) = (Maker::new("Maker"), Maker::new("Maker"));
        let (server, _folder) = choosy(database, &[&maker], |_| {}).await;
        let anna = server.person("anna").await;
        // From before there was a choice: it goes on working.
        let mut old = {
            let lenient = server.restarted_with(|config| config.passkeys.attestation_ca_file = "".into()).await;
            give_passkey(&lenient, &anna).await
        };
        let mut forged = maker.authenticator();
        forged.key = stranger.authenticator().key;
        let refused = [
            (Statement::Nothing, "passkey_untrusted"),
            (Statement::OfItself, "passkey_untrusted"),
            (Statement::Of(stranger.authenticator()), "passkey_untrusted"),
            (Statement::Of(stranger.authenticator_below()), "passkey_untrusted"),
            (Statement::Of(maker.authenticator_until(START - Seconds(1))), "passkey_untrusted"),
            // Signed by somebody else than the one who is vouched for.
            (Statement::Of(forged), "passkey_malformed"),
        ];
        for (statement, reason) in refused {
            server.clock.advance(1);
            let (_, page) = make(&server, |answer| answer.statement = statement.clone()).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{statement:?}");
            let told = page.body.contains("Passkeys of this device or app are not accepted here.");
            assert_eq!(told, reason == "passkey_untrusted", "{statement:?} {page:#?}");
            assert_eq!(server.last_reason("passkey.added").await.as_deref(), Some(reason), "{statement:?}");
        }
        let stored = ostiary::storage::passkeys::list(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap();
        assert_eq!(stored.len(), 1, "the old one alone");
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        assert_eq!(use_passkey(&mut browser, &page, &mut old).await.url, "/account");

        // The certificate's time ends while the server runs.
        let brief = Statement::Of(maker.authenticator_until(server.clock.now() + Seconds(60)));
        assert_eq!(make(&server, |answer| answer.statement = brief.clone()).await.1.status, StatusCode::OK);
        server.clock.advance(61);
        assert_eq!(make(&server, |answer| answer.statement = brief).await.1.status, StatusCode::BAD_REQUEST);
    }

    async fn of_a_maker_s_models_those_that_are_listed_are_taken(database: TestDatabase) {
        let maker = Maker::new("Maker");
        let model = uuid::Uuid::from_bytes(MODEL);
        let (server, _folder) = choosy(database, &[&maker], |config| config.passkeys.attestation_models = vec![model]).await;
        server.person("anna").await;
        assert_eq!(make(&server, of(&maker)).await.1.status, StatusCode::BAD_REQUEST);
        let right = |answer: &mut authenticator::Answer| {
            of(&maker)(answer);
            answer.model = MODEL;
        };
        assert_eq!(make(&server, right).await.1.status, StatusCode::OK);
    }

    async fn applications_learn_that_nobody_vouches_for_an_authenticator(database: TestDatabase) {
        let maker = Maker::new("Maker");
        let (server, _folder) = choosy(database, &[&maker], |_| {}).await;
        let anna = server.person("anna").await;
        let caller = Caller::app(&server, &anna).await;
        let create = async |twist: &dyn Fn(&mut authenticator::Answer)| {
            let question = caller.post("/users/me/passkeys/options", &Value::Null).await.json();
            let credential: Value = serde_json::from_str(&Passkey::create(&question["publicKey"], twist).1).unwrap();
            caller.post("/users/me/passkeys", &json!({"challenge": question["challenge"], "credential": credential})).await
        };
        assert_refused(&create(&|_| {}).await, 403, "passkey_untrusted");
        assert_eq!(create(&|answer| of(&maker)(answer)).await.status, 201);
    }
}

#[test]
fn a_file_without_authorities_and_models_without_a_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = url::Url::parse("https://id.example").unwrap();
    let maker = Maker::new("Maker").pem();
    let cut = maker.lines().take(3).chain(["-----END CERTIFICATE-----"]).collect::<Vec<_>>().join("\n");
    for (text, usable) in [(maker.clone(), true), (String::new(), false), (cut.clone(), false), (format!("{maker}{cut}"), false)]
    {
        let file = folder.path().join("makers.pem");
        std::fs::write(&file, &text).unwrap();
        let config = PasskeysConfig { attestation_ca_file: file, ..PasskeysConfig::default() };
        assert_eq!(RelyingParty::new(&config, &issuer).is_ok(), usable, "{text}");
    }
    let missing = PasskeysConfig { attestation_ca_file: folder.path().join("nothing"), ..PasskeysConfig::default() };
    let refused = RelyingParty::new(&missing, &issuer).unwrap_err().to_string();
    assert!(refused.contains("'passkeys.attestation_ca_file'"), "{refused}");

    let mut config = Config::default();
    config.server.issuer = "https://id.example".to_owned();
    config.passkeys.attestation_models = vec![uuid::Uuid::from_bytes(MODEL)];
    assert_eq!(config.validate().unwrap_err().key, "passkeys.attestation_models");
}
