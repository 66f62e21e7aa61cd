//! What takes back what a person allowed a device, and who is told when a device is logged out.

use ostiary::storage::sessions::{self, Ending};

use super::{allow, begin, consent_page, decide, poll, television};
use crate::flows::assert_page;
use crate::guard::attack::recorded;
use crate::support::browser::Browser;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, claims, log_in, refresh, text};
use crate::support::server::{TestClient, TestServer};

async fn logged_in(server: &TestServer) -> Browser {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    log_in(&mut browser, &page, "anna").await;
    browser
}

/// Which sessions' ends which clients are to be told of, since the last time.
async fn notices(server: &TestServer) -> Vec<(String, String)> {
    let rows = {
        let mut conn = server.state.db.read().await.unwrap();
        conn.query("SELECT session_id, client_id FROM notices").fetch_all::<(String, String)>().await.unwrap()
    };
    server.state.db.write(async |tx| tx.query("DELETE FROM notices").execute().await).await.unwrap();
    rows
}

on_both! {
    async fn a_no_takes_ones_own_yes_back_until_the_device_has_fetched_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("bert").await;
        let client = television(&server).await;
        let (waiting, fetched) = (begin(&server, &client).await, begin(&server, &client).await);
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &waiting, "anna").await;
        assert_eq!(decide(&mut browser, &page, "allow").await.url, "/device/allowed");
        assert_eq!(decide(&mut browser, &page, "deny").await.url, "/device/denied");
        assert_error(&poll(&server, &client, &waiting).await, 400, "access_denied");

        let mut other = server.browser();
        let of_other = consent_page(&mut other, &fetched, "bert").await;
        let page = consent_page(&mut browser, &fetched, "anna").await;
        decide(&mut browser, &page, "allow").await;
        assert_page(&decide(&mut other, &of_other, "deny").await, 400);
        assert_eq!(poll(&server, &client, &fetched).await.status, 200, "nobody else's no counts");
        let late = decide(&mut browser, &page, "deny").await;
        assert_page(&late, 400);
        assert!(late.body.contains("among the sessions of your account"), "{}", late.body);
        assert!(recorded(&server, "authorization.refused", "user_code_ended").await);
        let denied = server.audit().await.iter().filter(|entry| entry.kind == "consent.denied").count();
        assert_eq!(denied, 1, "only what happened");
    }

    async fn what_was_allowed_in_a_session_and_not_fetched_ends_with_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = television(&server).await;
        let allowed_in = async |browser: &mut Browser| {
            let begun = begin(&server, &client).await;
            let page = consent_page(browser, &begun, "anna").await;
            assert_eq!(decide(browser, &page, "allow").await.url, "/device/allowed");
            begun
        };
        // By a logout.
        let mut browser = logged_in(&server).await;
        let begun = allowed_in(&mut browser).await;
        let page = browser.visit("/logout").await;
        browser.submit(&page.form_of("logout-form")).await;
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");

        // From another browser; what was allowed there stays.
        let (mut here, mut there) = (logged_in(&server).await, logged_in(&server).await);
        let (of_here, elsewhere) = (allowed_in(&mut here).await, allowed_in(&mut there).await);
        let page = here.visit("/account/sessions").await;
        here.submit(&page.form_with_button("end-others").set("others", "all")).await;
        assert_error(&poll(&server, &client, &elsewhere).await, 400, "access_denied");
        assert_eq!(poll(&server, &client, &of_here).await.status, 200);

        // By an administrator who ends all, also of a session that ended by itself.
        let begun = allowed_in(&mut logged_in(&server).await).await;
        let ending = Ending::of_everything(server.clock.now());
        let sql = "DELETE FROM sessions WHERE user_id = $1";
        server.state.db.write(async |tx| tx.query(sql).bind(&anna.id).execute().await).await.unwrap();
        server.state.db.write(async |tx| sessions::end_all(tx, &anna.id, None, ending).await).await.unwrap();
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");
        assert!(recorded(&server, "token.refused", "device_denied").await);
    }

    async fn a_device_code_that_comes_again_takes_back_what_it_gave_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        allow(&server, &begun, "anna").await;
        let given = poll(&server, &client, &begun).await.json();
        let other = television(&server).await;
        assert_error(&poll(&server, &other, &begun).await, 400, "invalid_grant");
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 200, "not by another client");
        assert_error(&poll(&server, &client, &begun).await, 400, "invalid_grant");
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 401);
        assert_error(&refresh(&server, &client, &text(&given, "refresh_token")).await, 400, "invalid_grant");
        assert!(recorded(&server, "code.replayed", "device_code_used").await);
        assert!(!recorded(&server, "token.refused", "device_code_used").await, "one event");
    }

    async fn an_application_is_told_whichever_way_its_device_is_logged_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let uri = "https://app.example/hear";
        server.update_client(&client, |client| client.metadata.backchannel_logout_uri = Some(uri.to_owned())).await;
        let connect = async |client: &TestClient| {
            let begun = begin(&server, client).await;
            allow(&server, &begun, "anna").await;
            let given = poll(&server, client, &begun).await.json();
            let sid = claims(&text(&given, "id_token"))["sid"].as_str().unwrap().to_owned();
            (begun, text(&given, "refresh_token"), vec![(sid, client.id().to_owned())])
        };
        // Its person shuts it out.
        let (_, _, told) = connect(&client).await;
        let mut browser = logged_in(&server).await;
        let page = browser.visit("/account/apps").await;
        browser.submit(&page.form_with("client_id").set("client_id", client.id())).await;
        assert_eq!(notices(&server).await, told);
        // It gives its own token back.
        let (_, token, told) = connect(&client).await;
        assert_eq!(server.post_as(&client, "/revoke", &[("token", &token)]).await.status, 200);
        assert_eq!(notices(&server).await, told);
        // A refresh token comes again.
        let (_, token, told) = connect(&client).await;
        let next = refresh(&server, &client, &token).await.json();
        refresh(&server, &client, &text(&next, "refresh_token")).await;
        assert_error(&refresh(&server, &client, &token).await, 400, "invalid_grant");
        assert_eq!(notices(&server).await, told);
        // Its device code comes again.
        let (begun, _, told) = connect(&client).await;
        assert_error(&poll(&server, &client, &begun).await, 400, "invalid_grant");
        assert_eq!(notices(&server).await, told);
    }
}
