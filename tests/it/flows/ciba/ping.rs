//! Clients that are told that there is an answer (OpenID Connect CIBA Core 1.0 §10.2).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use ostiary::protocol::client::ClientStatus;

use super::*;
use crate::support::logout::{deliver, messenger};

/// The client's endpoint, on a port of this machine.
#[derive(Clone)]
struct Ear {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<VecDeque<(HeaderMap, Value)>>,
    status: Mutex<StatusCode>,
}

impl Ear {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/ping", post(hear)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    fn answer_with(&self, status: u16) {
        *self.shared.status.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    /// What came since the last time.
    fn heard(&self) -> Vec<(HeaderMap, Value)> {
        self.shared.heard.lock().unwrap().drain(..).collect()
    }
}

async fn hear(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> StatusCode {
    shared.heard.lock().unwrap().push_back((headers, serde_json::from_str(&body).unwrap()));
    *shared.status.lock().unwrap()
}

async fn start(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| config.outbound.private_hosts = vec!["127.0.0.1".to_owned()]).await
}

async fn pinged(server: &TestServer, ear: &Ear) -> TestClient {
    call_centre(server, |metadata| {
        metadata.backchannel_token_delivery_mode = Some(DeliveryMode::Ping);
        metadata.backchannel_client_notification_endpoint = Some(ear.url.clone());
    })
    .await
}

const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

async fn ask(server: &TestServer, client: &TestClient) -> Value {
    let fields = [("scope", "openid"), ("login_hint", "anna"), ("client_notification_token", TOKEN)];
    let answer = ask_with(server, client, &fields).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

on_both! {
    async fn a_client_is_told_that_there_is_an_answer_whatever_it_is(database: TestDatabase) {
        let server = start(database).await;
        person(&server, "anna").await;
        let ear = Ear::open().await;
        let client = pinged(&server, &ear).await;
        for decision in ["allow", "deny"] {
            let asked = ask(&server, &client).await;
            deliver(&server).await;
            assert_eq!(ear.heard().len(), 0, "nobody has decided");
            let mut browser = server.browser();
            let page = consent_page(&mut browser, &link(&server).await, "anna").await;
            decide(&mut browser, &page, decision).await;
            assert_eq!(ear.heard().len(), 0, "not on the path of whoever decides");
            // By two nodes at once.
            let other = server.another_node().await;
            let (here, there) = (messenger(&server), messenger(&other));
            let (here, there) = tokio::join!(here.round(), there.round());
            here.and(there).expect("the database answers");
            let heard = ear.heard();
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert_eq!(heard[0].0["authorization"], format!("Bearer {TOKEN}"));
            assert_eq!(heard[0].0["content-type"], "application/json");
            assert_eq!(heard[0].1, json!({ "auth_req_id": asked["auth_req_id"] }), "no token goes this way");
            let answer = poll(&server, &client, &asked).await;
            assert_eq!(answer.status.as_u16(), if decision == "allow" { 200 } else { 400 });
        }
    }

    async fn a_client_that_does_not_work_is_told_later_and_not_after_the_end(database: TestDatabase) {
        let server = start(database).await;
        person(&server, "anna").await;
        let ear = Ear::open().await;
        let client = pinged(&server, &ear).await;
        ask(&server, &client).await;
        allow(&server, &link(&server).await, "anna").await;
        ear.answer_with(503);
        deliver(&server).await;
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 1, "not before a pause");
        server.clock.advance(120);
        ear.answer_with(204);
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 1);
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 0);

        ask(&server, &client).await;
        allow(&server, &link(&server).await, "anna").await;
        ear.answer_with(500);
        deliver(&server).await;
        server.clock.advance(600);
        ear.heard();
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 0);
        assert_eq!(server.last_reason("backchannel.undelivered").await.as_deref(), Some("expired"));
    }

    async fn a_client_that_says_no_or_is_disabled_is_left_alone(database: TestDatabase) {
        let server = start(database).await;
        person(&server, "anna").await;
        let ear = Ear::open().await;
        let client = pinged(&server, &ear).await;
        for status in [401, 302] {
            let fields =
                [("scope", "openid"), ("login_hint", "anna"), ("client_notification_token", TOKEN), ("requested_expiry", "3600")];
            assert_eq!(ask_with(&server, &client, &fields).await.status, 200);
            allow(&server, &link(&server).await, "anna").await;
            ear.answer_with(status);
            // It is believed after a while, in which it may have been replaced.
            for _ in 0..9 {
                deliver(&server).await;
                server.clock.advance(400);
            }
            assert_eq!(ear.heard().len(), 8, "{status}");
            assert_eq!(server.last_reason("backchannel.undelivered").await.as_deref(), Some("refused_by_client"));
        }
        ask(&server, &client).await;
        allow(&server, &link(&server).await, "anna").await;
        server.update_client(&client, |client| client.status = ClientStatus::Disabled).await;
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 0);
    }

    async fn who_is_to_be_told_says_with_what_and_who_asks_by_itself_is_not_told(database: TestDatabase) {
        let server = start(database).await;
        person(&server, "anna").await;
        let ear = Ear::open().await;
        let client = pinged(&server, &ear).await;
        for token in [None, Some("a b"), Some("a\r\nb")] {
            let fields = [("scope", "openid"), ("login_hint", "anna")];
            let fields: Vec<_> = fields.into_iter().chain(token.map(|token| ("client_notification_token", token))).collect();
            assert_error(&ask_with(&server, &client, &fields).await, 400, "invalid_request");
        }
        let polling = call_centre(&server, |_| {}).await;
        ask(&server, &polling).await;
        allow(&server, &link(&server).await, "anna").await;
        deliver(&server).await;
        assert_eq!(ear.heard().len(), 0);
    }
}
