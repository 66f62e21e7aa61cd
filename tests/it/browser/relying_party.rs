//! A relying party that listens on an origin of its own: what a browser has to reach at the end of a login.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawForm, State};
use axum::response::Html;
use axum::routing::get;
use http::Method;

use crate::support::flow::CHALLENGE;

/// How a browser came back, and with what.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub method: Method,
    parameters: Vec<(String, String)>,
}

impl Arrival {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Arrivals = Arc<Mutex<Vec<Arrival>>>;

pub struct RelyingParty {
    pub redirect_uri: String,
    arrivals: Arrivals,
}

impl RelyingParty {
    /// On 127.0.0.1, while the server is called localhost: another site too.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let redirect_uri = format!("http://{}/callback", listener.local_addr().unwrap());
        let arrivals = Arrivals::default();
        let router = Router::new()
            .route("/callback", get(arrive).post(arrive))
            .route("/favicon.ico", get(async || ""))
            .with_state(arrivals.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { redirect_uri, arrivals }
    }

    /// How the last browser came back; each arrival is told once.
    pub fn arrival(&self) -> Option<Arrival> {
        self.arrivals.lock().unwrap().pop()
    }

    /// An authorization request, with `more` parameters.
    pub fn request(&self, issuer: &str, client_id: &str, more: &[(&str, &str)]) -> String {
        let mut url = url::Url::parse(&format!("{issuer}/authorize")).unwrap();
        let own: [(&str, &str); 6] = [
            ("client_id", client_id),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        url.query_pairs_mut().extend_pairs(own.into_iter().filter(|(name, _)| !replaced(name))).extend_pairs(more);
        url.into()
    }
}

async fn arrive(State(arrivals): State<Arrivals>, method: Method, RawForm(form): RawForm) -> Html<&'static str> {
    let parameters = url::form_urlencoded::parse(&form).into_owned().collect();
    arrivals.lock().unwrap().push(Arrival { method, parameters });
    Html("<!doctype html><html lang=\"en\"><title>Arrived</title><h1 id=\"arrived\">Arrived</h1></html>")
}
