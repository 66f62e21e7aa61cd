//! Applications that register themselves, and look after their registration (RFC 7591, RFC 7592; behaviours 1.9).

mod own;

use axum::body::Body;
use http::{Method, Request, header};
use ostiary::config::ClientRegistrationMode;
use ostiary::keys::hash::TokenKind;
use ostiary::protocol::client::ClientStatus;
use ostiary::protocol::id::ClientId;
use ostiary::protocol::time::Seconds;
use ostiary::random;
use ostiary::storage::client_registrations::{self, InitialAccessToken};
use ostiary::storage::clients;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::assertion::reason;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{CHALLENGE, VERIFIER, assert_error, log_in, text, tokens};
use crate::support::server::{Persona, TestServer, basic};

const ENDPOINT: &str = "/client-registration";

async fn start(database: TestDatabase, mode: ClientRegistrationMode) -> TestServer {
    TestServer::start_with(database, |config| config.client_registration.mode = mode).await
}

async fn open(database: TestDatabase) -> TestServer {
    start(database, ClientRegistrationMode::Open).await
}

async fn call(server: &TestServer, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
    // So that a refusal is not folded with those before it.
    server.state.refusals.flush().await;
    let mut request = Request::builder().method(method).uri(server.path_of(path));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = match body {
        Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    server.send(request.unwrap()).await
}

async fn register(server: &TestServer, token: Option<&str>, body: &Value) -> Answer {
    call(server, Method::POST, ENDPOINT, token, Some(body)).await
}

/// A registration that succeeds.
async fn registered(server: &TestServer, body: &Value) -> Value {
    let answer = register(server, None, body).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

fn app() -> Value {
    json!({ "redirect_uris": ["https://app.example/cb"], "client_name": "Calendar", "scope": "openid email" })
}

/// Stores an initial access token.
async fn initial(server: &TestServer, uses_left: i64) -> String {
    let token = random::secret();
    let now = server.clock.now();
    let row = InitialAccessToken {
        id: random::identifier(),
        hash: server.state.tokens.hash(TokenKind::InitialAccessToken, &token),
        uses_left,
        created_at: now,
        expires_at: now + Seconds::days(7),
        maker: None,
    };
    server.state.db.write(async |tx| client_registrations::insert_initial(tx, &row).await).await.unwrap();
    token
}

async fn change(server: &TestServer, id: &str, change: impl FnOnce(&mut ostiary::protocol::client::Client)) {
    let id = ClientId::parse(id).unwrap();
    let mut client = clients::load(&mut server.state.db.read().await.unwrap(), &id).await.unwrap().unwrap();
    let version = client.version;
    change(&mut client);
    assert!(server.state.db.write(async |tx| clients::update(tx, &client, version).await).await.unwrap());
}

fn authorize(client: &Value, more: &[(&str, &str)]) -> String {
    let own = [
        ("response_type", "code"),
        ("client_id", client["client_id"].as_str().unwrap()),
        ("redirect_uri", "https://app.example/cb"),
        ("scope", "openid email"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    format!("/authorize?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(own).extend_pairs(more).finish())
}

on_both! {
    async fn an_application_registers_itself_and_logs_people_in(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna").await;
        let client = registered(&server, &app()).await;
        let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
        assert_eq!(client["client_id_issued_at"], server.clock.now().as_seconds());
        assert_eq!(client["client_secret_expires_at"], 0);
        assert_eq!(client["registration_client_uri"], format!("{}{ENDPOINT}/{id}", server.issuer()));
        assert_eq!((&client["scope"], &client["client_name"]), (&json!("email openid"), &json!("Calendar")));
        assert_eq!((&client["response_types"], &client["grant_types"]), (&json!(["code"]), &json!(["authorization_code"])));
        assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
        for hidden in ["self_registered", "first_party", "audiences", "allowed_origins"] {
            assert!(client.get(hidden).is_none(), "{hidden}");
        }

        let mut browser = server.browser();
        let page = browser.visit(&authorize(&client, &[])).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.body.contains("id=\"unvouched\""), "people are told");
        let code = browser.submit(&page.form_of("consent-form").set("decision", "allow")).await.redirect_params()["code"].clone();
        let fields = [
            ("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER),
        ];
        let tokens = server.post_with("/token", &[("authorization", &basic(&id, &secret))], &fields).await;
        assert_eq!(tokens.status, 200, "{tokens:#?}");
        let created = server.audit().await.into_iter().find(|entry| entry.kind == "client.created").unwrap();
        assert_eq!(created.client_id.map(|id| id.to_string()), Some(id));
    }

    async fn n1_where_a_token_is_needed_it_works_as_often_as_it_says(database: TestDatabase) {
        let server = start(database, ClientRegistrationMode::Token).await;
        let none = register(&server, None, &app()).await;
        assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, Some("Bearer realm=\"ostiary\"")));
        let token = initial(&server, 2).await;
        // A bad request costs no use.
        assert_error(&register(&server, Some(&token), &json!({})).await, 400, "invalid_client_metadata");
        for _ in 0..2 {
            assert_eq!(register(&server, Some(&token), &app()).await.status, 201);
        }
        for dead in [token.as_str(), "unknown", &initial(&server, 0).await] {
            let answer = register(&server, Some(dead), &app()).await;
            assert_error(&answer, 401, "invalid_token");
            assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
            assert_eq!(reason(&server, &answer).await, "registration_token_invalid");
        }
        let late = initial(&server, 1).await;
        server.clock.advance(7 * 86_400);
        assert_error(&register(&server, Some(&late), &app()).await, 401, "invalid_token");
        // The token that manages a registration registers nothing, and the other way round.
        let one = initial(&server, 1).await;
        let client = register(&server, Some(&one), &app()).await.json();
        let own = text(&client, "registration_access_token");
        assert_error(&register(&server, Some(&own), &app()).await, 401, "invalid_token");
        let other = initial(&server, 1).await;
        assert_error(&call(&server, Method::GET, &text(&client, "registration_client_uri"), Some(&other), None).await, 401, "invalid_token");
    }

    async fn n1_a_token_for_one_client_registers_one_however_many_ask_at_once(database: TestDatabase) {
        let server = start(database, ClientRegistrationMode::Token).await;
        let token = initial(&server, 1).await;
        let other = server.another_node().await;
        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let (server, token) = (if number % 2 == 0 { server.clone() } else { other.clone() }, token.clone());
            tasks.spawn(async move { register(&server, Some(&token), &app()).await.status.as_u16() });
        }
        let mut statuses = tasks.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [&[201][..], &[401; 9]].concat());
    }

    async fn n2_n3_n5_n11_what_may_not_be_registered_is_refused(database: TestDatabase) {
        let server = open(database).await;
        let with = |name: &str, value: Value| {
            let mut body = app();
            body[name] = value;
            body
        };
        for uri in [
            "https://app.example/cb#x", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://a.example/1",
            "https://*.example/cb", "http://app.example/cb", "https://a@app.example/cb", "https://10.0.0.1/cb", "https://[fc00::1]/cb", "",
        ] {
            let answer = register(&server, None, &with("redirect_uris", json!([uri]))).await;
            assert_error(&answer, 400, "invalid_redirect_uri");
        }
        for body in [
            json!(null), json!([]), json!("x"), json!({}),
            with("redirect_uris", json!((0..1_000).map(|number| format!("https://app.example/{number}")).collect::<Vec<_>>())),
            with("jwks", json!({ "keys": [{ "kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB" }] })),
            json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [] }, "jwks_uri": "https://app.example/jwks" }),
            with("id_token_signed_response_alg", json!("none")),
            with("grant_types", json!(["refresh_token"])),
            with("grant_types", json!(["client_credentials"])),
            with("response_types", json!(["token"])),
            with("subject_type", json!("elsewhere")),
            with("sector_identifier_uri", json!("https://127.0.0.1/sector.json")),
            with("jwks_uri", json!("https://127.0.0.1/jwks")),
            with("jwks_uri", json!("https://169.254.169.254/latest")),
            with("jwks_uri", json!("https://app.example:22/jwks")),
            with("logo_uri", json!("https://10.0.0.1/logo.png")),
            with("logo_uri", json!("file:///logo.png")),
            with("backchannel_logout_uri", json!("https://[::ffff:10.0.0.1]/out")),
            with("backchannel_logout_uri", json!("http://app.example/out")),
            with("frontchannel_logout_uri", json!("https://elsewhere.example/out")),
            with("initiate_login_uri", json!("javascript:alert(1)")),
            with("client_name", json!("evil\u{202e}name")),
        ] {
            let answer = register(&server, None, &body).await;
            assert_error(&answer, 400, "invalid_client_metadata");
        }
        assert_error(&register(&server, None, &with("software_statement", json!("a.b.c"))).await, 400, "invalid_software_statement");
        let form = server.post_with(ENDPOINT, &[], &[("redirect_uris", "https://app.example/cb")]).await;
        assert_eq!(form.status, 400);
        assert_eq!(clients::count(&mut server.state.db.read().await.unwrap()).await.unwrap(), 0);
    }

    async fn an_application_reads_changes_and_deletes_its_own_registration(database: TestDatabase) {
        let server = open(database).await;
        let client = registered(&server, &app()).await;
        let (uri, token) = (text(&client, "registration_client_uri"), text(&client, "registration_access_token"));
        let read = call(&server, Method::GET, &uri, Some(&token), None).await;
        let mut expected = client.clone();
        for shown_once in ["client_secret", "client_secret_expires_at"] {
            expected.as_object_mut().unwrap().remove(shown_once);
        }
        assert_eq!((read.status.as_u16(), read.json()), (200, expected));

        let mut wish = app();
        wish["client_id"] = client["client_id"].clone();
        wish["client_name"] = json!("Diary");
        wish["first_party"] = json!(true);
        wish["scope"] = json!("openid users:write");
        let changed = call(&server, Method::PUT, &uri, Some(&token), Some(&wish)).await;
        assert_eq!((changed.status.as_u16(), &changed.json()["client_name"], &changed.json()["scope"]), (200, &json!("Diary"), &json!("openid")));
        let id = ClientId::parse(text(&client, "client_id")).unwrap();
        let stored = clients::load(&mut server.state.db.read().await.unwrap(), &id).await.unwrap().unwrap();
        assert!(!stored.metadata.first_party && stored.metadata.self_registered);
        assert_eq!(stored.secrets.len(), 1, "its secret stays");

        for (name, value) in [("client_id", json!("other")), ("client_id", json!(null)), ("client_secret", json!("wrong"))] {
            let mut bad = wish.clone();
            bad[name] = value;
            assert_error(&call(&server, Method::PUT, &uri, Some(&token), Some(&bad)).await, 400, "invalid_client_metadata");
        }
        wish["client_secret"] = client["client_secret"].clone();
        assert_eq!(call(&server, Method::PUT, &uri, Some(&token), Some(&wish)).await.status, 200);

        assert_eq!(call(&server, Method::DELETE, &uri, Some(&token), None).await.status, 204);
        assert_error(&call(&server, Method::GET, &uri, Some(&token), None).await, 401, "invalid_token");
        assert!(clients::load(&mut server.state.db.read().await.unwrap(), &id).await.unwrap().is_none());
    }

    /// RFC 7662 §4: whoever may register is no resource server for that.
    async fn who_registered_itself_learns_of_its_own_tokens_alone(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna").await;
        let client = registered(&server, &app()).await;
        let web = server.client(Persona::Web, |_| {}).await;
        let token = text(&tokens(&server, &web, "anna").await, "access_token");
        let basic = basic(&text(&client, "client_id"), &text(&client, "client_secret"));
        let look = async || server.post_with("/introspect", &[("authorization", &basic)], &[("token", &token)]).await.json();
        assert_eq!(look().await, json!({ "active": false }));
        assert_eq!(server.introspect(&web, &token).await["active"], true);
        let id = ClientId::parse(text(&client, "client_id")).unwrap();
        let stored = clients::load(&mut server.state.db.read().await.unwrap(), &id).await.unwrap().unwrap();
        let mut vouched_for = stored.clone();
        vouched_for.metadata.self_registered = false;
        assert!(server.state.db.write(async |tx| clients::update(tx, &vouched_for, stored.version).await).await.unwrap());
        assert_eq!(look().await["active"], true);
    }

    async fn n8_nobody_manages_what_is_not_theirs_or_was_taken_away(database: TestDatabase) {
        let server = open(database).await;
        let (mine, other) = (registered(&server, &app()).await, registered(&server, &app()).await);
        let fixed = server.client(Persona::Web, |_| {}).await;
        let token = text(&mine, "registration_access_token");
        let fixed = format!("{ENDPOINT}/{}", fixed.id());
        for uri in [text(&other, "registration_client_uri"), fixed, format!("{ENDPOINT}/nobody")] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let body = (method == Method::PUT).then(app);
                let answer = call(&server, method.clone(), &uri, Some(&token), body.as_ref()).await;
                assert_error(&answer, 401, "invalid_token");
                assert_eq!(reason(&server, &answer).await, "registration_token_invalid", "{method} {uri}");
            }
        }
        let (uri, id) = (text(&mine, "registration_client_uri"), text(&mine, "client_id"));
        assert_eq!(call(&server, Method::GET, &uri, None, None).await.status, 401);
        change(&server, &id, |client| client.status = ClientStatus::Disabled).await;
        let mut wish = app();
        wish["client_id"] = json!(id);
        wish["status"] = json!("active");
        assert_error(&call(&server, Method::PUT, &uri, Some(&token), Some(&wish)).await, 401, "invalid_token");
        assert_error(&call(&server, Method::GET, &uri, Some(&token), None).await, 401, "invalid_token");
        // What an administrator vouched for is no longer the client's to change.
        change(&server, &id, |client| {
            client.status = ClientStatus::Active;
            client.metadata.self_registered = false;
        })
        .await;
        assert_error(&call(&server, Method::PUT, &uri, Some(&token), Some(&wish)).await, 401, "invalid_token");
    }

    async fn a40_an_error_does_not_lead_to_a_client_that_nobody_vouched_for(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna").await;
        let client = registered(&server, &app()).await;
        let shown = |answer: &Answer, error: &str| {
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:#?}");
            let page = scraper::Html::parse_document(&answer.body);
            let of = |selector: &str| page.select(&scraper::Selector::parse(selector).unwrap()).next().unwrap();
            assert_eq!(of("#error").text().collect::<String>(), error);
            assert!(of("h1 + p").text().collect::<String>().contains("app.example"), "where it would lead");
            of("#go-back").value().attr("href").unwrap().to_owned()
        };
        let next = shown(&server.get(&authorize(&client, &[("prompt", "none")])).await, "login_required");
        assert!(next.starts_with("https://app.example/cb?error=login_required&") && next.contains("&state=s&"), "{next}");
        shown(&server.get(&authorize(&client, &[("response_mode", "nonsense")])).await, "invalid_request");
        shown(&server.get(&authorize(&client, &[("prompt", "none"), ("response_mode", "fragment")])).await, "login_required");
        let form = server.get(&authorize(&client, &[("prompt", "none"), ("response_mode", "form_post")])).await;
        assert!(form.form().action == "https://app.example/cb" && !form.body.contains("<script"), "nothing is sent by itself");
        let mut browser = server.browser();
        let page = browser.visit(&authorize(&client, &[])).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let denied = browser.submit(&page.form_of("consent-form").set("decision", "deny")).await;
        shown(&denied, "access_denied");
        // One that an administrator looked at is like any other.
        change(&server, &text(&client, "client_id"), |client| client.metadata.self_registered = false).await;
        let answer = server.get(&authorize(&client, &[("prompt", "none")])).await;
        assert_eq!(answer.redirect_params()["error"], "login_required");
    }
}

#[tokio::test]
async fn where_it_is_off_there_is_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    assert_eq!(register(&server, None, &app()).await.status, 404);
    assert!(server.get("/.well-known/openid-configuration").await.json().get("registration_endpoint").is_none());
    let server = open(TestDatabase::sqlite().await).await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["registration_endpoint"], format!("{}{ENDPOINT}", server.issuer()));
}

#[tokio::test]
async fn one_address_registers_five_a_day_and_no_more() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.client_registration.mode = ClientRegistrationMode::Open;
        config.limits.enabled = true;
    })
    .await;
    for _ in 0..5 {
        assert_eq!(register(&server, None, &app()).await.status, 201);
    }
    let answer = register(&server, None, &app()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn scripts_of_every_origin_may_register_and_then_call_from_their_own() {
    let server = open(TestDatabase::sqlite().await).await;
    let preflight = Request::builder().method(Method::OPTIONS).uri(ENDPOINT).header("origin", "https://spa.example");
    let answer = server.send(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials")),
        (Some("*"), None)
    );
    let body = json!({ "redirect_uris": ["https://spa.example/cb"], "token_endpoint_auth_method": "none" });
    let answer = register(&server, None, &body).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let client = answer.json();
    assert!(client.get("client_secret").is_none());
    assert_eq!(client["scope"], "email openid profile", "all that such a client may have, without a refresh token");
    let fields = [("grant_type", "authorization_code"), ("client_id", client["client_id"].as_str().unwrap()), ("code", "x")];
    let answer = server.post_with("/token", &[("origin", "https://spa.example")], &fields).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://spa.example"));
}
