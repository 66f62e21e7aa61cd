//! An application that wants to hear of logouts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawForm, State};
use axum::routing::post;
use http::StatusCode;
use ostiary::jobs::notices::{Messenger, Parts};
use ostiary::protocol::jwt::TokenType;
use serde_json::Value;

use super::flow::header;
use super::server::TestServer;

/// Its endpoint for logout tokens, on a port of this machine.
#[derive(Clone)]
pub struct Ear {
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<VecDeque<String>>,
    status: Mutex<StatusCode>,
}

impl Ear {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/logout?tenant=a", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/logout", post(hear)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub fn answer_with(&self, status: u16) {
        *self.shared.status.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    /// The logout tokens that came since the last time.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().drain(..).collect()
    }

    /// The claims of the one that came since the last time, which `server` signed.
    #[track_caller]
    pub fn claims(&self, server: &TestServer) -> Value {
        let tokens = self.tokens();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert_eq!(header(&tokens[0])["typ"], "logout+jwt");
        server.state.keys.verify(&tokens[0], TokenType::LogoutToken).expect("our signature")
    }
}

async fn hear(State(shared): State<Arc<Shared>>, RawForm(form): RawForm) -> StatusCode {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&form).into_owned().collect();
    let [(name, token)] = fields.as_slice() else { return StatusCode::BAD_REQUEST };
    assert_eq!(name, "logout_token");
    shared.heard.lock().unwrap().push_back(token.clone());
    *shared.status.lock().unwrap()
}

/// What tells applications, on this node.
pub fn messenger(server: &TestServer) -> Messenger {
    let state = &server.state;
    Messenger::new(Parts {
        db: state.db.clone(),
        clock: server.clock.clone(),
        outbound: state.outbound.clone(),
        clients: state.clients.clone(),
        client_keys: state.client_keys.clone(),
        keys: state.keys.clone(),
        subjects: state.subjects.clone(),
        notifications: state.notifications.clone(),
        issuer: server.issuer().to_owned(),
    })
}

/// Tells everybody who is to be told now.
pub async fn deliver(server: &TestServer) {
    messenger(server).round().await.expect("the database answers");
}
