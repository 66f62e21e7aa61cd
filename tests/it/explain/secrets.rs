//! No secret is in any explanation.

use http::Request;

use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, CHALLENGE, code};
use crate::support::server::{PASSWORD, Persona, TestServer, basic};

/// Stands in every place where a secret may be sent.
const MARKER: &str = "s3cr3t-marker-that-must-not-be-kept-anywhere-0123456789";

on_both! {
    async fn secrets_sent_anywhere_are_kept_nowhere(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let web = server.client(Persona::Web, |_| {}).await;
        let spa = server.client(Persona::Spa, |_| {}).await;
        let good = code(&server, &web, "anna").await;
        let mut answers = Vec::new();

        for grant in ["authorization_code", "refresh_token", "client_credentials", "password"] {
            let fields = [
                ("grant_type", grant), ("code", MARKER), ("code_verifier", MARKER), ("refresh_token", MARKER), ("password", MARKER),
                ("username", MARKER), ("redirect_uri", web.redirect_uri()), ("assertion", MARKER), ("device_code", MARKER),
            ];
            answers.push(server.token(&web, &fields).await);
            answers.push(server.token(&spa, &fields).await);
            answers.push(server.post_with("/token", &[("authorization", &basic(web.id(), MARKER))], &fields).await);
            answers.push(server.post_with("/token", &[("authorization", &basic(MARKER, "swapped"))], &fields).await);
            answers.push(server.post_with("/token", &[], &[&[("client_id", web.id()), ("client_secret", MARKER)], &fields[..]].concat()).await);
            answers.push(server.post_with(&format!("/token?client_secret={MARKER}"), &[], &fields).await);
            answers.push(server.post_with("/token", &[("authorization", MARKER)], &fields).await);
            answers.push(server.post_with("/token", &[("cookie", &format!("__Host-sid={MARKER}"))], &[("client_assertion", MARKER)]).await);
            server.state.explanations.flush().await;
        }
        let fields = [("grant_type", "authorization_code"), ("code", good.as_str()), ("redirect_uri", web.redirect_uri()), ("code_verifier", MARKER)];
        answers.push(server.token(&web, &fields).await);
        for path in ["/introspect", "/revoke"] {
            answers.push(server.post_with(path, &[("authorization", &basic(web.id(), MARKER))], &[("token", MARKER)]).await);
            answers.push(server.post_as(&spa, path, &[("token", MARKER), ("token", MARKER)]).await);
        }
        answers.push(server.userinfo(MARKER).await);
        answers.push(server.get(&format!("/userinfo?access_token={MARKER}")).await);
        server.state.explanations.flush().await;

        let url = AuthorizationUrl::new(&web);
        let spoilt = [
            url.clone().with("id_token_hint", MARKER), url.clone().with("login_hint", MARKER).with("prompt", "none"),
            url.clone().with("state", MARKER).with("nonce", MARKER).with("response_type", "token"), url.clone().with("request", MARKER),
            url.clone().with("claims", MARKER), url.without("code_challenge").with("code_challenge", MARKER).with("code_verifier", MARKER),
        ];
        for url in spoilt {
            answers.push(server.get(&url.path()).await);
        }
        server.state.explanations.flush().await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        for form in [
            page.form().set("username", "anna").set("password", MARKER),
            page.form().set("username", MARKER).set("password", PASSWORD),
            page.form().set("csrf", MARKER).set("username", "anna").set("password", MARKER),
        ] {
            answers.push(browser.submit(&form).await);
        }
        for path in ["/login/factor", "/login/passkey", "/recover/code", "/register/code", "/setup", "/consent", "/account/reauthenticate"] {
            let fields = [("csrf", MARKER), ("flow", MARKER), ("login", MARKER), ("code", MARKER), ("token", MARKER), ("credential", MARKER), ("password", MARKER)];
            answers.push(server.post_with(path, &[("cookie", &format!("__Host-browser={MARKER}"))], &fields).await);
        }
        server.state.explanations.flush().await;
        for path in ["auth/login", "auth/mfa", "auth/refresh"] {
            let body = serde_json::json!({
                "client_id": spa.id(), "client_secret": MARKER, "username": MARKER, "password": MARKER, "mfa_token": MARKER,
                "code": MARKER, "refresh_token": MARKER, "device_token": MARKER,
            });
            let request = Request::post(format!("/api/v1/{path}")).header("content-type", "application/json");
            answers.push(server.send(request.body(body.to_string().into()).unwrap()).await);
        }
        let request = Request::get("/api/v1/admin/users").header("authorization", format!("Bearer {MARKER}"));
        answers.push(server.send(request.body(String::new().into()).unwrap()).await);

        let refused = answers.iter().filter(|answer| answer.status.as_u16() >= 400).count();
        assert!(refused > 45, "only {refused} were refused");
        let kept = server.explanations().await;
        assert!(kept.len() > 40, "only {} are explained", kept.len());
        for secret in [MARKER, &good, CHALLENGE, PASSWORD] {
            let found: Vec<_> = kept.iter().filter(|decision| decision.contains(secret)).collect();
            assert!(found.is_empty(), "{secret} in {found:#?}");
        }
    }
}
