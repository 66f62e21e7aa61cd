//! A server on a port of this machine, a client that listens on another origin, and a browser that nobody has used.

use ostiary::app;
use ostiary::config::Config;
use ostiary::web::server::{Limits, Shutdown, serve};
use tokio::net::TcpListener;

use super::driver::Browser;
use super::relying_party::{Arrival, RelyingParty};
use crate::support::database::TestDatabase;
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

/// The name of the person that a [`Scene`] has.
pub const NAME: &str = "anna";

/// A server that browsers can reach, as `http://localhost:PORT`.
pub async fn reachable() -> TestServer {
    reachable_with(|_| {}).await
}

/// With the configuration that `change` makes of it.
pub async fn reachable_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.server.issuer = issuer;
        change(config);
    })
    .await;
    let limits = Limits::from(&server.state.config.server);
    tokio::spawn(serve(listener, app::shell(&server.state), limits, Shutdown::new()));
    server
}

/// Fills in the login form.
pub async fn log_in(browser: &Browser) {
    browser.fill("#username", NAME).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#log-in").await;
}

pub struct Scene {
    pub server: TestServer,
    pub client: TestClient,
    pub party: RelyingParty,
    pub browser: Browser,
}

impl Scene {
    pub async fn set() -> Self {
        Self::set_with(|_| {}).await
    }

    pub async fn set_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = reachable_with(change).await;
        server.person(NAME).await;
        let party = RelyingParty::start().await;
        let client = server
            .client(Persona::Web, |metadata| {
                metadata.client_name = "Photo Printer".to_owned();
                metadata.redirect_uris = vec![party.redirect_uri.clone()];
            })
            .await;
        Self { server, client, party, browser: Browser::start().await }
    }

    /// The URL of an authorization request, with `more` parameters.
    pub fn request(&self, more: &[(&str, &str)]) -> String {
        self.party.request(self.server.issuer(), self.client.id(), more)
    }

    /// A moment later than what went before.
    pub async fn begin(&self, more: &[(&str, &str)]) {
        self.server.clock.advance(1);
        self.browser.goto(&self.request(more)).await;
    }

    pub async fn log_in(&self) {
        log_in(&self.browser).await;
    }

    /// Logs in, agrees, and comes to the client.
    pub async fn arrive(&self) {
        self.begin(&[]).await;
        self.log_in().await;
        self.browser.click("#allow").await;
        self.arrived().await;
    }

    /// The browser is at the client's, and nothing was refused on the way.
    pub async fn arrived(&self) -> Arrival {
        self.browser.find("#arrived").await;
        self.browser.assert_content("the way to the client").await;
        self.party.arrival().expect("the client was called")
    }
}
