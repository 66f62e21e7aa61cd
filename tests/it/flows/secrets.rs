//! No password, code, token, secret or cookie reaches the log, whatever its level, or an error's text.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, authorize, redeem, refresh, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // This test's runtime has one thread, on which everything but the hashing of passwords happens.
    let guard = tracing::subscriber::set_default(subscriber);
    // Other tests run without a subscriber, and would switch off what they log first, for everybody: while there is but one
    // subscriber, tracing asks that of the thread which comes first. With two it asks both.
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::sink);
    let _second = tracing::Dispatch::new(everything.finish());
    tracing::callsite::rebuild_interest_cache();

    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Spa, |_| {}).await;
    let web = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await["code"].clone();
    let first = redeem(&server, &client, &code).await.json();
    let second = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
    let replayed = redeem(&server, &client, &code).await;
    server.introspect(&web, &text(&second, "access_token")).await;
    server.userinfo(&text(&second, "access_token")).await;
    server.post_as(&web, "/revoke", &[("token", &text(&second, "refresh_token"))]).await;
    server.state.db.close().await;
    let failed = refresh(&server, &client, &text(&second, "refresh_token")).await;
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("temporarily unavailable"), "not captured: {log}");
    let mut secrets = vec![PASSWORD.to_owned(), code, web.secret.clone().unwrap()];
    secrets.extend(browser.cookies.values().cloned());
    for tokens in [&first, &second] {
        secrets.extend(["access_token", "refresh_token", "id_token"].map(|name| text(tokens, name)));
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} was logged");
        assert!(!replayed.body.contains(&secret) && !failed.body.contains(&secret));
    }
    for state in [format!("{:?}", server.state), format!("{web:?}")] {
        assert!(!state.contains("PRIVATE") && !state.contains("\"d\":"));
    }
}
