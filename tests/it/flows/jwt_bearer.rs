//! The JWT bearer grant (RFC 7523 §2.1). What behaviours 1.3 C8 to C12 ask of assertions by clients holds for those about people.

mod bounds;

use ostiary::config::{SubjectIs, TrustedIssuer};
use ostiary::protocol::client::{AccessTokenFormat, Algorithm, GrantType};
use ostiary::protocol::scope::Scope;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::guard::attack::recorded;
use crate::support::assertion::{ClientKey, Publisher, jwks, reason};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, claims, log_in, text};
use crate::support::server::{Persona, TestClient, TestServer};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const HR: &str = "https://hr.example";
const API: &str = "https://api.example";

/// Somebody else who knows the people here.
struct Issuer {
    key: ClientKey,
    publisher: Publisher,
}

impl Issuer {
    async fn new() -> Self {
        let key = ClientKey::new(Algorithm::ES256);
        let publisher = Publisher::start(&jwks(&[&key])).await;
        Self { key, publisher }
    }

    fn trusted(&self) -> TrustedIssuer {
        TrustedIssuer {
            issuer: HR.to_owned(),
            jwks_file: std::path::PathBuf::new(),
            jwks_uri: self.publisher.url.clone(),
            algorithms: vec![Algorithm::ES256],
            subject: SubjectIs::SignInName,
            scopes: vec!["reports:read".to_owned(), "reports:write".to_owned()],
            audiences: Vec::new(),
            clients: Vec::new(),
        }
    }

    /// A server that trusts it, changed as the test needs it.
    async fn server(&self, database: TestDatabase, change: impl FnOnce(&mut TrustedIssuer)) -> TestServer {
        let mut trusted = self.trusted();
        change(&mut trusted);
        let host = self.publisher.url.split('/').nth(2).unwrap().to_owned();
        TestServer::start_with(database, |config| {
            config.outbound.private_hosts = vec![host];
            config.jwt_bearer.issuers = vec![trusted];
        })
        .await
    }

    fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims)
    }
}

/// What a good assertion says, another one each time.
fn about(server: &TestServer, subject: &str) -> Value {
    let now = server.clock.now().as_seconds();
    let jti = ostiary::random::identifier();
    json!({ "iss": HR, "sub": subject, "aud": server.issuer(), "iat": now, "exp": now + 60, "jti": jti })
}

/// A service that brings assertions.
async fn service(server: &TestServer) -> TestClient {
    server.client(Persona::Service, |metadata| metadata.grant_types = vec![GrantType::JwtBearer]).await
}

async fn bring(server: &TestServer, client: &TestClient, assertion: &str, fields: &[(&str, &str)]) -> Answer {
    server.state.refusals.flush().await;
    let own = [("grant_type", GRANT), ("assertion", assertion)];
    server.token(client, &[&own[..], fields].concat()).await
}

/// Why it is refused, which its client is not told.
async fn refused(server: &TestServer, client: &TestClient, assertion: &str) -> String {
    let answer = bring(server, client, assertion, &[]).await;
    assert_error(&answer, 400, "invalid_grant");
    assert_eq!(answer.json()["error_description"], "The assertion is not valid.");
    reason(server, &answer).await
}

on_both! {
    async fn a_service_acts_for_whom_a_trusted_issuer_names(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        let anna = server.person("anna").await;
        let client = service(&server).await;
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            server.update_client(&client, |client| client.metadata.access_token_format = format).await;
            let answer = bring(&server, &client, &issuer.sign(&about(&server, "anna")), &[("scope", "reports:read")]).await;
            assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
            let given = answer.json();
            assert!(given.get("refresh_token").is_none() && given.get("id_token").is_none());
            assert_eq!((given["scope"].as_str(), given["token_type"].as_str()), (Some("reports:read"), Some("Bearer")));
            let told = server.introspect(&client, &text(&given, "access_token")).await;
            assert_eq!((told["active"].as_bool(), told["sub"].as_str()), (Some(true), Some(anna.id.as_str())));
            assert_eq!((told["aud"].as_str(), told["scope"].as_str()), (Some(API), Some("reports:read")));
            // Nobody logged in here.
            assert_eq!((told["acr"].as_str(), told.get("auth_time"), told.get("amr")), (Some("0"), None, None));
        }
        let events = server.audit().await;
        let event = events.iter().rfind(|entry| entry.kind == "token.issued").unwrap();
        assert_eq!((event.details["grant_type"].as_str(), event.details["assertion_issuer"].as_str()), (Some("jwt_bearer"), Some(HR)));
        assert_eq!(event.user_id.as_ref(), Some(&anna.id));
    }

    async fn a_person_is_named_as_the_operator_says(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |trusted| trusted.subject = SubjectIs::Email).await;
        let anna = server.person("anna").await;
        server.person("bob@app.example").await;
        let client = service(&server).await;
        let subject = async |server: &TestServer, name: &str| {
            let answer = bring(server, &client, &issuer.sign(&about(server, name)), &[]).await;
            (answer.status == 200).then(|| text(&claims(&text(&answer.json(), "access_token")), "sub"))
        };
        let address = ostiary::protocol::email_address::EmailAddress::parse("Anna@app.example").unwrap();
        let save = async |verified: bool| {
            let now = server.clock.now();
            let saved = server.state.db.write(async |tx| {
                ostiary::storage::email_addresses::save(tx, &anna.id, &address, verified, now).await
            });
            saved.await.unwrap();
        };
        save(false).await;
        // Neither an address that nobody proved, nor a sign-in name that looks like one.
        for name in ["anna@app.example", "bob@app.example", "anna", anna.id.as_str()] {
            assert_eq!(subject(&server, name).await, None, "{name}");
        }
        save(true).await;
        assert_eq!(subject(&server, "anna@APP.example").await.as_deref(), Some(anna.id.as_str()));

        let server = server.restarted_with(|config| config.jwt_bearer.issuers[0].subject = SubjectIs::UserId).await;
        assert_eq!(subject(&server, anna.id.as_str()).await.as_deref(), Some(anna.id.as_str()));
        for name in ["anna", "anna@app.example", "", "nobody"] {
            assert_eq!(subject(&server, name).await, None, "{name}");
        }
    }

    /// C10.
    async fn an_assertion_counts_once_on_all_nodes_at_once_and_after_a_restart(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        let other = server.another_node().await;
        server.person("anna").await;
        let client = service(&server).await;
        let assertion = issuer.sign(&about(&server, "anna"));
        let mut calls = JoinSet::new();
        for turn in 0..20 {
            let (server, client, assertion) = (if turn % 2 == 0 { server.clone() } else { other.clone() }, client.clone(), assertion.clone());
            calls.spawn(async move { bring(&server, &client, &assertion, &[]).await });
        }
        let (given, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((given.len(), refused.len()), (1, 19));
        for answer in refused {
            assert_error(&answer, 400, "invalid_grant");
        }
        let restarted = server.restarted().await;
        assert_eq!(self::refused(&restarted, &client, &assertion).await, "bearer_replayed");
        // What is refused for something else is not used up.
        let assertion = issuer.sign(&about(&server, "anna"));
        assert_error(&bring(&server, &client, &assertion, &[("scope", "admin")]).await, 400, "invalid_scope");
        assert_eq!(bring(&server, &client, &assertion, &[]).await.status, 200);
    }

    async fn whatever_ends_the_persons_grants_ends_the_token(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        let anna = server.person("anna").await;
        let client = service(&server).await;
        let given = async || {
            let answer = bring(&server, &client, &issuer.sign(&about(&server, "anna")), &[]).await;
            text(&answer.json(), "access_token")
        };
        let is_active = async |token: &str| server.introspect(&client, token).await["active"] == true;
        let token = given().await;
        server.post_as(&client, "/revoke", &[("token", &token)]).await;
        assert!(!is_active(&token).await);

        // The person sees the application among theirs, and shuts it out.
        let token = given().await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let apps = browser.visit("/account/apps").await;
        assert!(apps.body.contains("Report Service"), "{}", apps.body);
        browser.submit(&apps.form_with("client_id")).await;
        assert!(!is_active(&token).await);

        let token = given().await;
        server.clock.advance(899);
        assert!(is_active(&token).await);
        server.clock.advance(1);
        assert!(!is_active(&token).await);
        let token = given().await;
        server.disable(&anna).await;
        assert!(!is_active(&token).await);
    }

    async fn nobody_is_acted_for_who_may_not_log_in(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        let (anna, bob) = (server.person("anna").await, server.person("bob").await);
        let client = service(&server).await;
        let about = |name: &str| issuer.sign(&about(&server, name));
        assert_eq!(refused(&server, &client, &about("nobody")).await, "bearer_subject_unknown");
        let due = server.clock.now() + ostiary::protocol::time::Seconds::days(3);
        server.state.db.write(async |tx| ostiary::storage::users::schedule_deletion(tx, &bob.id, due).await).await.unwrap();
        assert_eq!(refused(&server, &client, &about("bob")).await, "user_being_deleted");
        server.disable(&anna).await;
        assert_eq!(refused(&server, &client, &about("anna")).await, "user_disabled");
        assert!(recorded(&server, "token.refused", "user_disabled").await);
    }

    async fn who_has_to_log_in_strongly_is_not_acted_for(database: TestDatabase) {
        use ostiary::protocol::authentication::Acr;

        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person_with("root", &["admin"], None).await;
        server.person("anna").await;
        let client = service(&server).await;
        assert_eq!(bring(&server, &client, &issuer.sign(&about(&server, "root")), &[]).await.status, 200);
        let strict = server
            .restarted_with(|config| _ = config.authentication.required_acr_by_role.insert("admin".to_owned(), Acr::Single))
            .await;
        assert_eq!(refused(&strict, &client, &issuer.sign(&about(&server, "root"))).await, "bearer_without_factors");
        assert_eq!(bring(&strict, &client, &issuer.sign(&about(&server, "anna")), &[]).await.status, 200);
        server.update_client(&client, |client| client.metadata.required_acr = Some(Acr::Single)).await;
        assert_eq!(refused(&server, &client, &issuer.sign(&about(&server, "anna"))).await, "bearer_without_factors");
    }
}
