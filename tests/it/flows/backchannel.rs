//! Applications that this server tells of logouts (OpenID Connect Back-Channel Logout 1.0; behaviours L8).

use ostiary::protocol::client::{Algorithm, ClientStatus, KeyManagement, SubjectType};
use ostiary::protocol::jwk::KeyAlgorithm;
use ostiary::protocol::jwt::TokenType;
use ostiary::storage::{notices, users};

use crate::support::browser::Browser;
use crate::support::database::{TestDatabase, on_both};
use crate::support::encryption::EncryptionKey;
use crate::support::flow::{AuthorizationUrl, authorize, claims, header, redeem, text};
use crate::support::logout::{Ear, deliver, messenger};
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

async fn start(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await
}

async fn client(server: &TestServer, ear: &Ear) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.backchannel_logout_uri = Some(ear.url.clone());
        })
        .await
}

/// Logs anna in, and gives the `sid` that the application is told.
async fn log_in(server: &TestServer, client: &TestClient, browser: &mut Browser) -> String {
    let code = authorize(browser, &AuthorizationUrl::new(client), "anna").await["code"].clone();
    let tokens = redeem(server, client, &code).await.json();
    claims(&text(&tokens, "id_token"))["sid"].as_str().unwrap().to_owned()
}

async fn log_out(browser: &mut Browser) {
    let form = browser.get("/logout").await.form_of("logout-form");
    assert_eq!(browser.post(&form.action, &form.fields).await.status, 303);
}

async fn waiting(server: &TestServer) -> i64 {
    notices::count(&mut server.state.db.read().await.unwrap()).await.unwrap()
}

on_both! {
    async fn l8_an_application_is_told_who_logged_out_where(database: TestDatabase) {
        let server = start(database).await;
        let anna = server.person("anna").await;
        let (ear, deaf) = (Ear::open().await, Ear::open().await);
        let client = client(&server, &ear).await;
        // It was never logged in to.
        self::client(&server, &deaf).await;
        let mut browser = server.browser();
        let sid = log_in(&server, &client, &mut browser).await;
        log_in(&server, &client, &mut browser).await;
        log_out(&mut browser).await;
        assert_eq!(ear.tokens().len(), 0, "not on the path of whoever logs out");
        assert_eq!(waiting(&server).await, 1);

        deliver(&server).await;
        let told = ear.claims(&server);
        let now = server.clock.now().as_seconds();
        assert_eq!((&told["iss"], &told["aud"]), (&server.issuer().into(), &client.id().into()));
        assert_eq!((&told["sub"], &told["sid"]), (&anna.id.as_str().into(), &sid.into()));
        assert_eq!((&told["iat"], &told["exp"]), (&now.into(), &(now + 120).into()));
        assert_eq!(told["events"], serde_json::json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
        assert!(told["jti"].as_str().is_some_and(|jti| jti.len() == 22));
        assert!(told.get("nonce").is_none());
        assert_eq!((waiting(&server).await, deaf.tokens().len()), (0, 0));
    }

    /// B7.
    async fn l8_a_logout_token_is_encrypted_where_id_tokens_are(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let (ear, key) = (Ear::open().await, EncryptionKey::new(KeyAlgorithm::EcdhEs));
        let client = server.client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.backchannel_logout_uri = Some(ear.url.clone());
            metadata.jwks = Some(serde_json::json!({ "keys": [key.jwk()] }));
            metadata.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
        }).await;
        let mut browser = server.browser();
        let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await["code"].clone();
        let id_token = key.open(&text(&redeem(&server, &client, &code).await.json(), "id_token"));
        log_out(&mut browser).await;
        deliver(&server).await;
        let [encrypted] = <[String; 1]>::try_from(ear.tokens()).unwrap();
        assert_eq!((&header(&encrypted)["alg"], &header(&encrypted)["iss"]), (&"ECDH-ES".into(), &server.issuer().into()));
        let told: serde_json::Value = server.state.keys.verify(&key.open(&encrypted), TokenType::LogoutToken).expect("signed inside");
        assert_eq!(told["sid"], claims(&id_token)["sid"]);
        assert_eq!(waiting(&server).await, 0);
    }

    /// U5.
    async fn l8_an_application_is_told_of_people_as_it_knows_them(database: TestDatabase) {
        let server = start(database).await;
        let anna = server.person("anna").await;
        let ear = Ear::open().await;
        let client = server.client(Persona::Web, |metadata| {
            metadata.subject_type = SubjectType::Pairwise;
            metadata.backchannel_logout_uri = Some(ear.url.clone());
        }).await;
        let mut browser = server.browser();
        let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await["code"].clone();
        let known = claims(&text(&redeem(&server, &client, &code).await.json(), "id_token"))["sub"].clone();
        log_out(&mut browser).await;
        deliver(&server).await;
        assert_eq!(ear.claims(&server)["sub"], known);
        assert_ne!(known, anna.id.as_str());
    }

    async fn l8_an_application_that_does_not_work_is_told_later_and_once(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        let mut browser = server.browser();
        log_in(&server, &client, &mut browser).await;
        log_out(&mut browser).await;
        let mut jti = None;
        for status in [500, 503, 429, 408] {
            ear.answer_with(status);
            deliver(&server).await;
            let told = ear.claims(&server);
            assert_eq!(jti.get_or_insert(told["jti"].clone()), &told["jti"], "the same word");
            assert_eq!(told["iat"], server.clock.now().as_seconds(), "said anew");
            deliver(&server).await;
            assert_eq!(ear.tokens().len(), 0, "not before a pause");
            server.clock.advance(3_600 * 2);
        }
        ear.answer_with(204);
        deliver(&server).await;
        assert_eq!((ear.tokens().len(), waiting(&server).await), (1, 0));
        deliver(&server).await;
        assert_eq!(ear.tokens().len(), 0);
        assert_eq!(server.last_reason("logout.undelivered").await, None);
    }

    async fn an_application_that_goes_on_to_say_no_is_believed(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        for status in [400, 404, 302] {
            let mut browser = server.browser();
            log_in(&server, &client, &mut browser).await;
            log_out(&mut browser).await;
            ear.answer_with(status);
            for waits in [1, 1, 1, 1, 1, 1, 1, 0] {
                deliver(&server).await;
                assert_eq!((ear.tokens().len(), waiting(&server).await), (1, waits), "{status}");
                server.clock.advance(3_600);
            }
            assert_eq!(server.last_reason("logout.undelivered").await.as_deref(), Some("refused_by_client"));
        }
    }

    async fn a_disabled_application_hears_nothing(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        let mut browser = server.browser();
        log_in(&server, &client, &mut browser).await;
        log_out(&mut browser).await;
        server.update_client(&client, |client| client.status = ClientStatus::Disabled).await;
        deliver(&server).await;
        assert_eq!((ear.tokens().len(), waiting(&server).await), (0, 0));
    }

    async fn after_a_day_an_application_is_given_up(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        let mut browser = server.browser();
        log_in(&server, &client, &mut browser).await;
        log_out(&mut browser).await;
        ear.answer_with(500);
        deliver(&server).await;
        server.clock.advance(24 * 3_600);
        deliver(&server).await;
        assert_eq!((ear.tokens().len(), waiting(&server).await), (1, 0));
        assert_eq!(server.last_reason("logout.undelivered").await.as_deref(), Some("expired"));
    }

    async fn of_two_nodes_one_tells(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        for _ in 0..10 {
            let mut browser = server.browser();
            log_in(&server, &client, &mut browser).await;
            log_out(&mut browser).await;
        }
        let other = server.another_node().await;
        let (here, there) = (messenger(&server), messenger(&other));
        let (one, two) = tokio::join!(here.round(), there.round());
        assert!(one.is_ok() && two.is_ok());
        // A host is asked by a few at once: what found it busy comes later.
        server.clock.advance(60);
        let (one, two) = tokio::join!(here.round(), there.round());
        assert!(one.is_ok() && two.is_ok());
        let mut told: Vec<_> = ear.tokens().iter().map(|token| claims(token)["jti"].clone()).collect();
        told.sort_by_key(ToString::to_string);
        told.dedup();
        assert_eq!((told.len(), waiting(&server).await), (10, 0));
    }

    async fn every_way_in_which_a_session_ends_is_told(database: TestDatabase) {
        let server = start(database).await;
        let anna = server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;

        // From another browser, on the page that lists them.
        let (mut here, mut there) = (server.browser(), server.browser());
        let sid = log_in(&server, &client, &mut there).await;
        let own = log_in(&server, &client, &mut here).await;
        let form = here.get("/account/sessions").await.form_with("session").set("session", &sid);
        here.post("/account/sessions", &form.fields).await;
        deliver(&server).await;
        assert_eq!(ear.claims(&server)["sid"], sid);

        // All others, by a new password.
        let sid = log_in(&server, &client, &mut there).await;
        let page = here.get("/account/password").await;
        let form = page.form().set("current_password", PASSWORD).set("password", "an entirely new passphrase");
        here.submit(&form.set("password_again", "an entirely new passphrase")).await;
        deliver(&server).await;
        assert_eq!(ear.claims(&server)["sid"], sid, "and not the one that goes on");

        // By somebody else who logs in with the same browser.
        server.person("bert").await;
        let url = AuthorizationUrl::new(&client).with("prompt", "login");
        server.clock.advance(1);
        authorize(&mut here, &url, "bert").await;
        deliver(&server).await;
        assert_eq!(ear.claims(&server)["sid"], own);

        // By an administrator, and by the end of the account.
        let sid = {
            let (id, old, now) = (&anna.id, anna.password_hash.as_ref().unwrap(), server.clock.now());
            server.state.db.write(async |tx| users::set_password(tx, id, old, now).await).await.unwrap();
            log_in(&server, &client, &mut there).await
        };
        let ended = server.state.db.write(async |tx| {
            ostiary::account::end_everything(tx, &anna.id, None, server.clock.now()).await?;
            users::delete(tx, &anna.id).await
        });
        assert!(ended.await.unwrap());
        deliver(&server).await;
        let told = ear.claims(&server);
        assert_eq!((&told["sid"], &told["sub"]), (&sid.into(), &anna.id.as_str().into()), "though the person is gone");
    }

    async fn a_session_that_ends_by_itself_is_told_to_nobody(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let ear = Ear::open().await;
        let client = client(&server, &ear).await;
        log_in(&server, &client, &mut server.browser()).await;
        server.clock.advance(30 * 86_400);
        ostiary::jobs::cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        assert_eq!(waiting(&server).await, 0);
    }
}

#[tokio::test]
async fn a_logout_token_is_signed_as_the_clients_id_tokens_are_and_is_none() {
    let server = start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let ear = Ear::open().await;
    let client = client(&server, &ear).await;
    server.update_client(&client, |client| client.metadata.id_token_signed_response_alg = Algorithm::EdDSA).await;
    let mut browser = server.browser();
    log_in(&server, &client, &mut browser).await;
    log_out(&mut browser).await;
    deliver(&server).await;
    let token = ear.tokens().remove(0);
    assert_eq!(header(&token)["alg"], "EdDSA");
    assert_eq!(server.get(&format!("/end-session?id_token_hint={token}")).await.status, 400);
    assert_eq!(server.userinfo(&token).await.status, 401);
}

#[tokio::test]
async fn l8_what_is_not_public_is_not_told() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let ear = Ear::open().await;
    // As if it had been registered while the operator allowed it.
    let client = client(&server, &ear).await;
    let mut browser = server.browser();
    log_in(&server, &client, &mut browser).await;
    log_out(&mut browser).await;
    deliver(&server).await;
    assert_eq!((ear.tokens().len(), waiting(&server).await), (0, 0));
    assert_eq!(server.last_reason("logout.undelivered").await.as_deref(), Some("refused_by_client"));
}
