//! Who may ask whom for what, and how often.

use super::*;
use crate::flows::resources::register;
use crate::guard::attack::limited_with;
use crate::support::assertion::reason;
use ostiary::protocol::client::{ClientAuthMethod, SubjectType};
use ostiary::storage::audit::{self, AuditFilter};
use ostiary::storage::page::Page;

/// Why it is refused, with this error.
async fn refused(server: &TestServer, client: &TestClient, fields: &[(&str, &str)], error: &str) -> String {
    let answer = ask_with(server, client, fields).await;
    assert_error(&answer, 400, error);
    reason(server, &answer).await
}

const BANK: &str = "https://bank.example/";

const GOOD: [(&str, &str); 2] = [("scope", "openid"), ("login_hint", "anna")];

on_both! {
    async fn a_request_says_whom_it_asks_for_what(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = call_centre(&server, |_| {}).await;
        let with = |name: &'static str, value: &'static str| [&GOOD[..], &[(name, value)]].concat();
        for (fields, error, why) in [
            (vec![("login_hint", "anna")], "invalid_scope", "backchannel_scope_without_openid"),
            (vec![("scope", "email"), ("login_hint", "anna")], "invalid_scope", "backchannel_scope_without_openid"),
            (vec![("scope", "\""), ("login_hint", "anna")], "invalid_scope", "scope_malformed"),
            (vec![("scope", "openid users:read"), ("login_hint", "anna")], "invalid_scope", "scope_not_registered"),
            (vec![("scope", "openid")], "invalid_request", "backchannel_hint_missing"),
            (vec![("scope", "openid"), ("login_hint_token", "a.b.c")], "invalid_request", "login_hint_token_unsupported"),
            (with("id_token_hint", "a.b.c"), "invalid_request", "backchannel_hints_several"),
            (vec![("scope", "openid"), ("id_token_hint", "a.b.c")], "invalid_request", "id_token_hint_invalid"),
            (vec![("scope", "openid"), ("login_hint", "nobody")], "unknown_user_id", "backchannel_person_unknown"),
            (with("binding_message", "a\nb"), "invalid_binding_message", "binding_message_invalid"),
            (with("requested_expiry", "0"), "invalid_request", "requested_expiry_invalid"),
            (with("request", "a.b.c"), "invalid_request", "backchannel_request_unregistered"),
        ] {
            assert_eq!(refused(&server, &client, &fields, error).await, why, "{fields:?}");
        }
        let long = "a".repeat(1_025);
        let fields = [GOOD[0], GOOD[1], ("acr_values", &long)];
        assert_eq!(refused(&server, &client, &fields, "invalid_request").await, "acr_values_too_long");
        assert_error(&ask_with(&server, &client, &[GOOD[0], GOOD[1], GOOD[1]]).await, 400, "invalid_request");
        assert_eq!(server.mails().await.len(), 0);
    }

    /// RFC 8707, RFC 9396.
    async fn a_request_names_apis_and_details_that_its_person_sees(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let payment = json!({ "description": "Pay from your account", "schema": { "properties": { "to": { "type": "string" } } } });
        register(&server, BANK, json!({ "name": "Bank", "authorization_details_types": { "payment": payment } })).await;
        let client = call_centre(&server, |metadata| {
            metadata.audiences = vec![BANK.to_owned()];
            metadata.authorization_details_types = vec!["payment".to_owned()];
        }).await;
        let details = json!([{ "type": "payment", "to": "Bob" }]);
        let text_of_details = details.to_string();
        let fields = [&GOOD[..], &[("resource", BANK), ("authorization_details", text_of_details.as_str())]].concat();
        let asked = ask_with(&server, &client, &fields).await.json();
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link(&server).await, "anna").await;
        for shown in ["Pay from your account", "Bob", BANK] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        decide(&mut browser, &page, "allow").await;
        let told = claims(&text(&poll(&server, &client, &asked).await.json(), "access_token"));
        assert_eq!((&told["aud"], &told["authorization_details"]), (&json!(BANK), &details));

        let with = |name: &'static str, value: &'static str| [&GOOD[..], &[(name, value)]].concat();
        for (fields, error, why) in [
            (with("resource", "https://other.example"), "invalid_target", "resource_unknown"),
            (with("authorization_details", "[{}]"), "invalid_authorization_details", "authorization_details_malformed"),
        ] {
            assert_eq!(refused(&server, &client, &fields, error).await, why);
        }
    }

    /// D1.
    async fn only_confidential_clients_ask_that_are_registered_for_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let web = server.client(Persona::Web, |_| {}).await;
        let public = call_centre(&server, |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::None).await;
        let modeless = call_centre(&server, |metadata| metadata.backchannel_token_delivery_mode = None).await;
        for client in [&web, &public, &modeless] {
            assert_error(&ask_with(&server, client, &GOOD).await, 400, "unauthorized_client");
        }
        assert!(recorded(&server, "backchannel.refused", "backchannel_grant_not_registered").await);
        let fields = [("grant_type", GRANT), ("auth_req_id", "x")];
        assert_error(&server.token(&web, &fields).await, 400, "unauthorized_client");
        let fields = [&GOOD[..], &[("client_id", web.id())]].concat();
        assert_error(&server.post_with(ENDPOINT, &[], &fields).await, 401, "invalid_client");
    }

    async fn an_id_token_of_the_clients_own_names_its_person(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.rates.mailbox_hourly = config.rates.mailbox_daily).await;
        person(&server, "anna").await;
        for subject_type in SubjectType::ALL {
            let client = call_centre(&server, |metadata| {
                metadata.subject_type = subject_type;
                metadata.redirect_uris = vec!["https://app.example/cb".to_owned()];
            }).await;
            let other = call_centre(&server, |_| {}).await;
            let asked = ask(&server, &client, "anna").await;
            allow(&server, &link(&server).await, "anna").await;
            let given = poll(&server, &client, &asked).await.json();
            let id_token = text(&given, "id_token");
            server.clock.advance(901);
            let fields = [("scope", "openid"), ("id_token_hint", id_token.as_str())];
            let asked = ask_with(&server, &client, &fields).await;
            assert_eq!(asked.status, 200, "{subject_type:?}: it may have expired: {asked:#?}");
            allow(&server, &link(&server).await, "anna").await;
            let again = poll(&server, &client, &asked.json()).await.json();
            assert_eq!(claims(&text(&again, "id_token"))["sub"], claims(&id_token)["sub"]);
            assert_eq!(refused(&server, &other, &fields, "invalid_request").await, "id_token_hint_invalid");
        }
    }

    async fn a_person_is_not_asked_again_and_again(database: TestDatabase) {
        let server = limited_with(database, |_| {}).await;
        server.person("anna").await;
        server.person("bert").await;
        let (client, other) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        for turn in 0..5 {
            let client = if turn % 2 == 0 { &client } else { &other };
            assert_eq!(ask_with(&server, client, &GOOD).await.status, 200);
        }
        let answer = ask_with(&server, &client, &GOOD).await;
        assert_error(&answer, 429, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("120"));
        assert!(recorded(&server, "backchannel.refused", "rate_limited").await);
        assert_eq!(ask_with(&server, &other, &GOOD).await.status, 429, "whichever client");
        let bert = [("scope", "openid"), ("login_hint", "bert")];
        assert_eq!(ask_with(&server, &client, &bert).await.status, 200);
        server.clock.advance(120);
        assert_eq!(ask_with(&server, &client, &GOOD).await.status, 200);
    }

    /// Nor is it worn down by one that takes no no for an answer, nor by mail.
    async fn who_said_no_is_not_asked_again_by_the_same_client_for_an_hour(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other_node = server.another_node().await;
        person(&server, "anna").await;
        person(&server, "bert").await;
        let (client, other) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        ask(&server, &client, "anna").await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link(&server).await, "anna").await;
        decide(&mut browser, &page, "deny").await;
        let again = async |server: &TestServer| ask_with(server, &client, &GOOD).await;
        server.clock.advance(3_599);
        for node in [&server, &other_node] {
            let answer = again(node).await;
            assert_error(&answer, 403, "access_denied");
            assert_eq!(reason(node, &answer).await, "backchannel_denied_lately");
        }
        assert_eq!(links(&server).await.len(), 0);
        ask(&server, &other, "anna").await;
        ask(&server, &client, "bert").await;
        server.clock.advance(1);
        assert_eq!(again(&server).await.status, 200);
    }

    /// Nor does it have to say so as often as it was asked at once: what it has seen and what not ends together, for this client.
    async fn a_no_is_the_answer_to_everything_that_the_client_asks_at_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other_node = server.another_node().await;
        person(&server, "anna").await;
        person(&server, "bert").await;
        let (client, other) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        let asked = [ask(&server, &client, "anna").await, ask(&server, &client, "anna").await, ask(&server, &client, "anna").await];
        let link = links(&server).await.remove(1);
        let (of_another, of_bert) = (ask(&server, &other, "anna").await, ask(&server, &client, "bert").await);
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link, "anna").await;
        let left = browser.visit("/account/requests").await;
        assert_eq!(left.body.matches("/account/requests?request=").count(), 4, "{}", left.body);
        assert_eq!(decide(&mut browser, &page, "deny").await.url, "/account/requests/denied");
        for asked in &asked {
            assert_error(&poll(&other_node, &client, asked).await, 400, "access_denied");
        }
        assert_error(&poll(&server, &other, &of_another).await, 400, "authorization_pending");
        assert_error(&poll(&server, &client, &of_bert).await, 400, "authorization_pending");
        let left = browser.visit("/account/requests").await;
        assert_eq!(left.body.matches("/account/requests?request=").count(), 1, "{}", left.body);
        let filter = AuditFilter { kind: Some("consent.denied".to_owned()), ..AuditFilter::default() };
        let entries = audit::list(&mut server.state.db.read().await.unwrap(), &filter, &Page::first(9)).await.unwrap().items;
        assert_eq!(entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [3], "one entry for all of them");
    }

    async fn a_mailbox_gets_three_mails_of_it_an_hour_and_the_page_has_all_requests(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        for _ in 0..5 {
            ask(&server, &client, "anna").await;
        }
        assert_eq!(links(&server).await.len(), 3);
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let page = browser.visit("/account/requests").await;
        assert_eq!(page.body.matches("/account/requests?request=").count(), 5, "{}", page.body);
        server.clock.advance(3_600);
        ask(&server, &client, "anna").await;
        assert_eq!(links(&server).await.len(), 1);
    }

    async fn a_client_that_names_many_at_once_learns_no_more(database: TestDatabase) {
        let server = limited_with(database, |config| config.rates.unknown_people = "5/h".parse().unwrap()).await;
        let client = call_centre(&server, |_| {}).await;
        let mut asking = tokio::task::JoinSet::new();
        for turn in 0..30 {
            let (server, client) = (server.clone(), client.clone());
            asking.spawn(async move {
                let name = format!("nobody{turn}");
                server.post_as(&client, ENDPOINT, &[("scope", "openid"), ("login_hint", &name)]).await.status.as_u16()
            });
        }
        let told = asking.join_all().await.into_iter().filter(|status| *status == 400).count();
        assert_eq!(told, 5);
    }

    async fn a_client_does_not_find_out_who_there_is(database: TestDatabase) {
        let server = limited_with(database, |_| {}).await;
        server.person("anna").await;
        let (client, other) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        for turn in 0..30 {
            let name = format!("nobody{turn}");
            assert_error(&ask_with(&server, &client, &[("scope", "openid"), ("login_hint", &name)]).await, 400, "unknown_user_id");
        }
        assert_error(&ask_with(&server, &client, &GOOD).await, 429, "temporarily_unavailable");
        assert_eq!(ask_with(&server, &other, &GOOD).await.status, 200);
    }
}
