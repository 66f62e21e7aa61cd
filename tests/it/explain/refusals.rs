//! From the trace id that a person sees to the whole decision.

use ostiary::protocol::time::Seconds;
use serde_json::json;

use super::{Beside, explained, failed, pair, seen};
use crate::api::persona::Caller;
use crate::guard::attack::limited;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, VERIFIER, authorize, code, redeem, refresh, text, tokens};
use crate::support::server::{PASSWORD, Persona, TestServer, basic};

on_both! {
    async fn a_wrong_redirect_uri_is_explained_on_the_page_on_the_command_line_and_by_the_api(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let wrong = format!("{}/", client.redirect_uri());
        let page = server.get(&AuthorizationUrl::new(&client).with("redirect_uri", &wrong).path()).await;
        assert_eq!(page.status, 400);
        let shown = page.body.split("id=\"trace-id\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
        assert_eq!(shown, page.trace_id());

        let explanation = explained(&server, &page).await;
        assert_eq!(explanation["trace_id"], shown);
        assert_eq!(explanation["occurred_at"], "2027-01-15T08:00:00Z");
        assert_eq!(explanation["client_id"], client.id());
        let head = ["method", "path", "reason", "procedure"].map(|name| explanation[name].as_str().unwrap().to_owned());
        assert_eq!(head, ["GET", "/authorize", "redirect_uri_mismatch", "authorize"]);
        assert_eq!(explanation["status"], 400);
        let (check, saw) = failed(&explanation);
        assert_eq!(check, "redirect_uri");
        assert!(saw.contains(&pair("presented", &wrong)) && saw.contains(&pair("registered", client.redirect_uri())), "{saw:?}");
        let outcome = |name: &str| {
            let checks = explanation["checks"].as_array().unwrap();
            checks.iter().find(|check| check["check"] == name).unwrap()["outcome"].clone()
        };
        assert_eq!((outcome("client"), outcome("code_challenge")), (json!("passed"), json!("not_reached")));

        let beside = Beside::new(&server);
        let said = tokio::task::spawn_blocking({
            let shown = shown.to_owned();
            move || beside.explain(&[&shown])
        });
        let said = said.await.unwrap().ok();
        for part in ["GET /authorize was refused on 2027-01-15T08:00:00Z with status 400", "FAILED", "it takes:", &wrong, client.redirect_uri()] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }

    async fn refusals_of_the_token_endpoint_are_explained(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let redeem_with = async |code: &str, verifier: &str| {
            let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", client.redirect_uri()), ("code_verifier", verifier)];
            server.token(&client, &fields).await
        };

        let answer = redeem_with(&code(&server, &client, "anna").await, "a-verifier-that-is-long-enough-and-still-a-wrong-one").await;
        assert_eq!(answer.json()["trace_id"], answer.trace_id(), "the JSON shows it too");
        let explanation = explained(&server, &answer).await;
        assert_eq!(explanation["procedure"], "token/authorization_code");
        let (check, saw) = failed(&explanation);
        assert_eq!(check, "code_verifier");
        assert!(saw.contains(&pair("characters", "52")) && saw.contains(&pair("code_challenge_method", "S256")), "{saw:?}");

        let late = code(&server, &client, "anna").await;
        server.clock.advance(75);
        let (check, saw) = failed(&explained(&server, &redeem_with(&late, VERIFIER).await).await);
        assert_eq!((check.as_str(), saw), ("code_age", vec![pair("seconds", "75"), pair("lifetime", "60")]));

        let answer = server.post_with("/token", &[("authorization", &basic(client.id(), "no such secret"))], &[("grant_type", "authorization_code")]).await;
        let explanation = explained(&server, &answer).await;
        assert_eq!(failed(&explanation), ("secret".to_owned(), vec![pair("valid_secrets", "1"), pair("expired_secrets", "0")]));
        assert_eq!(seen(&explanation, "authentication_method"), [pair("presented", "client_secret_basic"), pair("registered", "client_secret_basic")]);

        let (check, saw) = failed(&explained(&server, &server.token(&client, &[("grant_type", "authorization_code")]).await).await);
        assert_eq!((check.as_str(), saw), ("code_given", vec![pair("missing", "code")]));

        let given = tokens(&server, &client, "anna").await;
        server.clock.advance(Seconds::days(8).0);
        let (check, saw) = failed(&explained(&server, &refresh(&server, &client, &text(&given, "refresh_token")).await).await);
        assert_eq!(check, "idle");
        assert!(saw.contains(&pair("expired_seconds_ago", "86400")), "{saw:?}");
    }

    async fn the_explanation_tells_what_the_login_page_does_not(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let mut attempts = Vec::new();
        for (name, password) in [("anna", "wrong password"), ("nobody", PASSWORD)] {
            let mut browser = server.browser();
            let page = browser.visit("/login").await;
            let answer = browser.submit(&page.form().set("username", name).set("password", password)).await;
            assert_eq!(answer.status, 422);
            assert!(answer.body.contains(&format!("<code id=\"trace-id\">{}</code>", answer.trace_id())), "{}", answer.body);
            attempts.push(explained(&server, &answer).await);
        }
        assert_eq!(failed(&attempts[0]).0, "password");
        assert_eq!(seen(&attempts[0], "account"), [pair("account", anna.id.as_str())]);
        assert_eq!(seen(&attempts[0], "lock"), [pair("closed", "no")]);
        assert_eq!(failed(&attempts[1]), ("account".to_owned(), vec![pair("account", "none of this name")]));

        crate::guard::attack::attack(&server, "anna", 0..100).await;
        // What others were refused fills the window; this one is to begin with its own.
        server.state.explanations.flush().await;
        server.clock.advance(86_400);
        let mut browser = server.browser().at("203.0.113.77");
        let page = browser.visit("/login").await;
        let answer = browser.submit(&page.form().set("username", "anna").set("password", PASSWORD)).await;
        let explanation = explained(&server, &answer).await;
        assert_eq!(failed(&explanation), ("lock".to_owned(), vec![pair("closed", "password_locked")]));
    }

    async fn who_asks_too_often_is_told_by_which_limit(database: TestDatabase) {
        let server = limited(database).await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let mut refused = None;
        for _ in 0..200 {
            let answer = server.token(&client, &[("grant_type", "authorization_code")]).await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
            server.state.explanations.flush().await;
        }
        let (check, saw) = failed(&explained(&server, &refused.expect("a limit")).await);
        assert_eq!(check, "client_limit");
        assert!(saw[0].1.starts_with("rates."), "{saw:?}");
    }

    async fn an_error_that_is_told_by_redirect_is_found_by_the_header_and_the_audit_log(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let silent = AuthorizationUrl::new(&client).with("prompt", "none");
        let answer = server.get(&silent.path()).await;
        assert_eq!(answer.redirect_params()["error"], "login_required");
        let explanation = explained(&server, &answer).await;
        assert_eq!(failed(&explanation), ("session".to_owned(), vec![pair("seen", "none that counts")]));
        let logged = server.audit().await.into_iter().find(|entry| entry.kind == "authorization.refused").unwrap();
        assert_eq!((logged.trace_id.as_str(), logged.client_id.unwrap().as_str()), (answer.trace_id(), client.id()));

        let mut browser = server.browser();
        authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        server.clock.advance(600);
        let answer = browser.get(&silent.with("max_age", "300").path()).await;
        let (check, saw) = failed(&explained(&server, &answer).await);
        assert_eq!((check.as_str(), saw), ("age", vec![pair("seconds", "600"), pair("max_age", "300")]));
    }

    async fn a_caller_of_the_api_is_explained_and_may_not_explain(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let caller = Caller::service(&server, "users:read").await;
        let known = server.get("/authorize").await;
        let refused = caller.get(&format!("/admin/explain/{}", known.trace_id())).await;
        assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].as_str()), (403, Some("insufficient_scope")));
        assert_eq!(Caller::anonymous(&server).get(&format!("/admin/explain/{}", known.trace_id())).await.status, 401);
        let explanation = explained(&server, &refused).await;
        assert_eq!(refused.json()["error"]["trace_id"], explanation["trace_id"]);
        assert_eq!(failed(&explanation), ("scope".to_owned(), vec![pair("needed", "audit:read"), pair("held", "users:read")]));

        let auditor = Caller::service(&server, "audit:read").await;
        assert_eq!(auditor.get("/admin/explain/00000000000000000000000000000000").await.status, 404);
        for nonsense in ["1", "0000000000000000000000000000000G", "ABCDEF00000000000000000000000000", "000000000000000000000000000000000"] {
            assert_eq!(auditor.get(&format!("/admin/explain/{nonsense}")).await.status, 400, "{nonsense}");
        }
    }

    async fn what_is_answered_as_it_asked_writes_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let page = server.get(&AuthorizationUrl::new(&client).path()).await;
        assert_eq!(page.status, 303);
        let answer = redeem(&server, &client, &code(&server, &client, "anna").await).await;
        assert_eq!(answer.status, 200);
        assert_eq!(server.explanations().await, Vec::<String>::new());
    }
}

#[test]
fn the_command_refuses_what_is_no_trace_id_and_says_when_there_is_nothing() {
    let program = crate::program::Program::new();
    assert_eq!(program.run(&["explain", "x"]).code, 2);
    let nothing = program.run(&["explain", "00000000000000000000000000000000"]);
    assert_eq!(nothing.code, 4, "{nothing:?}");
    assert!(nothing.stderr.contains("no refused request with this trace id"), "{nothing:?}");
}
