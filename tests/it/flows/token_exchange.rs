//! Token exchange: behaviours 1.6 X2 to X8.

mod bounds;
mod details;

use ostiary::protocol::client::{AccessTokenFormat, Algorithm, Client, ClientStatus, GrantType};
use ostiary::protocol::jwt::TokenType;
use ostiary::protocol::scope::Scope;
use ostiary::protocol::token_exchange::ExchangePolicy;
use serde_json::{Value, json};

use crate::guard::attack::recorded;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, assert_error, claims, text, tokens_of};
use crate::support::server::{Persona, TestClient, TestServer};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const API: &str = "https://api.example";
const LEDGER: &str = "https://ledger.example";
const MAIL: &str = "https://mail.example";

/// Where people log in; it calls the API.
async fn front(server: &TestServer) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.audiences = vec![API.to_owned()];
            metadata.scope = Scope::parse("openid email offline_access reports:read reports:write").unwrap();
        })
        .await
}

/// A service that is called as `accepts` and calls `audiences`.
async fn service(server: &TestServer, accepts: &str, audiences: &[&str]) -> TestClient {
    let policy = ExchangePolicy {
        audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
        accepts: vec![accepts.to_owned()],
        impersonation: false,
    };
    server
        .client(Persona::Service, |metadata| {
            metadata.grant_types.push(GrantType::TokenExchange);
            metadata.token_exchange = Some(policy);
        })
        .await
}

/// The tokens of a person who logged in at the front.
async fn logged_in(server: &TestServer, front: &TestClient) -> Value {
    let url = AuthorizationUrl::new(front).with("scope", "openid offline_access reports:read reports:write");
    tokens_of(server, front, &url, "anna").await
}

async fn exchange(server: &TestServer, client: &TestClient, token: &str, fields: &[(&str, &str)]) -> Answer {
    let subject = [("grant_type", GRANT), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    let kept = subject.into_iter().filter(|(name, _)| fields.iter().all(|(other, _)| other != name));
    server.token(client, &kept.chain(fields.iter().copied()).collect::<Vec<_>>()).await
}

async fn exchanged(server: &TestServer, client: &TestClient, token: &str, audience: &str) -> String {
    let answer = exchange(server, client, token, &[("audience", audience)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
    text(&answer.json(), "access_token")
}

async fn is_active(server: &TestServer, client: &TestClient, token: &str) -> bool {
    server.introspect(client, token).await["active"] == true
}

async fn opaque(server: &TestServer, client: &TestClient) {
    server.update_client(client, |client| client.metadata.access_token_format = AccessTokenFormat::Opaque).await;
}

/// The same token with other claims, signed by the server.
fn resigned(server: &TestServer, token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(token);
    change(&mut claims);
    server.state.keys.sign(Algorithm::ES256, TokenType::AccessToken, &claims).unwrap()
}

on_both! {
    async fn x7_a_service_acts_for_a_person_and_says_so_all_the_way(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let front = front(&server).await;
        let api = service(&server, API, &[LEDGER, MAIL]).await;
        let ledger = service(&server, LEDGER, &[MAIL]).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            for client in [&front, &api, &ledger] {
                server.update_client(client, |client| client.metadata.access_token_format = format).await;
            }
            let token = text(&logged_in(&server, &front).await, "access_token");
            let answer = exchange(&server, &api, &token, &[("audience", LEDGER), ("scope", "reports:read")]).await.json();
            assert_eq!((answer["issued_token_type"].as_str(), answer["token_type"].as_str()), (Some(ACCESS_TOKEN), Some("Bearer")));
            assert_eq!(answer["scope"], "reports:read");
            assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
            let second = text(&answer, "access_token");
            let told = server.introspect(&api, &second).await;
            assert_eq!(told["act"], json!({ "sub": api.id() }));
            assert_eq!((told["sub"].as_str(), told["client_id"].as_str()), (Some(anna.id.as_str()), Some(api.id())));
            assert_eq!((told["aud"].as_str(), told["scope"].as_str()), (Some(LEDGER), Some("reports:read")));
            assert_eq!(told["acr"], "1", "how the person logged in goes along");

            // It has one audience, which need not be named.
            let third = text(&exchange(&server, &ledger, &second, &[]).await.json(), "access_token");
            let told = server.introspect(&api, &third).await;
            assert_eq!(told["act"], json!({ "sub": ledger.id(), "act": { "sub": api.id() } }));
            assert_eq!((told["aud"].as_str(), told["scope"].as_str()), (Some(MAIL), Some("reports:read")));
            if format == AccessTokenFormat::Jwt {
                assert_eq!(claims(&third)["act"], told["act"]);
            }
        }
        let events = server.audit().await;
        let last = events.iter().find(|entry| entry.details.get("actor").is_some_and(|actor| actor == ledger.id())).unwrap();
        assert_eq!((last.kind.as_str(), last.details["grant_type"].as_str()), ("token.issued", Some("token_exchange")));
        assert_eq!(last.user_id.as_ref(), Some(&anna.id));
    }

    async fn x7_an_exchanged_token_ends_with_the_one_that_it_came_of(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        server.clock.advance(600);
        let answer = exchange(&server, &api, &token, &[]).await.json();
        assert_eq!(answer["expires_in"], 300, "a quarter of an hour, of which ten minutes are over");
        let child = text(&answer, "access_token");
        server.clock.advance(299);
        assert!(is_active(&server, &api, &child).await);
        server.clock.advance(1);
        assert!(!is_active(&server, &api, &child).await);
    }

    async fn x7_whatever_ends_the_first_token_ends_all_that_came_of_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (front, api, ledger) =
            (front(&server).await, service(&server, API, &[LEDGER]).await, service(&server, LEDGER, &[MAIL]).await);
        let anna = server.person("anna").await;
        for way in ["revoke", "logout", "replace", "client", "middle", "person"] {
            opaque(&server, &ledger).await;
            let given = logged_in(&server, &front).await;
            let token = text(&given, "access_token");
            let second = exchanged(&server, &api, &token, LEDGER).await;
            let third = exchanged(&server, &ledger, &second, MAIL).await;
            assert!(is_active(&server, &api, &second).await && is_active(&server, &api, &third).await);
            match way {
                "revoke" => _ = server.post_as(&front, "/revoke", &[("token", &token)]).await,
                "logout" => _ = server.post_as(&front, "/revoke", &[("token", &text(&given, "refresh_token"))]).await,
                "replace" => _ = server.post_as(&api, "/revoke", &[("token", &second)]).await,
                "client" => server.update_client(&front, |client: &mut Client| client.status = ClientStatus::Disabled).await,
                "middle" => server.update_client(&api, |client: &mut Client| client.status = ClientStatus::Disabled).await,
                _ => server.disable(&anna).await,
            }
            for (name, token) in [("second", &second), ("third", &third)] {
                assert!(!is_active(&server, &ledger, token).await, "{way}: {name}");
            }
            assert_error(&exchange(&server, &ledger, &second, &[]).await, 400, "invalid_request");
            assert_eq!(is_active(&server, &ledger, &token).await, ["replace", "middle"].contains(&way), "{way}");
            for client in [&front, &api] {
                server.update_client(client, |client: &mut Client| client.status = ClientStatus::Active).await;
            }
        }
    }

    async fn an_id_token_of_the_clients_own_login_is_exchanged_while_that_stands(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let front = front(&server).await;
        server
            .update_client(&front, |client| {
                client.metadata.grant_types.push(GrantType::TokenExchange);
                let audiences = vec![LEDGER.to_owned()];
                client.metadata.token_exchange = Some(ExchangePolicy { audiences, accepts: Vec::new(), impersonation: false });
            })
            .await;
        let api = service(&server, API, &[LEDGER]).await;
        let given = logged_in(&server, &front).await;
        let id_token = text(&given, "id_token");
        let fields = [("subject_token_type", ID_TOKEN)];
        let child = text(&exchange(&server, &front, &id_token, &fields).await.json(), "access_token");
        let told = server.introspect(&front, &child).await;
        assert_eq!((told["sub"].as_str(), told["scope"].as_str()), (Some(anna.id.as_str()), Some("reports:read reports:write")));
        assert_error(&exchange(&server, &api, &id_token, &fields).await, 400, "invalid_request");
        assert_error(&exchange(&server, &front, &id_token, &[]).await, 400, "invalid_request");

        server.post_as(&front, "/revoke", &[("token", &text(&given, "refresh_token"))]).await;
        assert!(!is_active(&server, &front, &child).await);
        assert_error(&exchange(&server, &front, &id_token, &fields).await, 400, "invalid_request");
        assert!(recorded(&server, "token.refused", "subject_token_invalid").await);
        let given = logged_in(&server, &front).await;
        server.clock.advance(claims(&text(&given, "id_token"))["exp"].as_i64().unwrap() - server.clock.now().as_seconds());
        assert_error(&exchange(&server, &front, &text(&given, "id_token"), &fields).await, 400, "invalid_request");
    }

    async fn a_services_own_token_is_exchanged_and_names_the_service(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let reports = server.client(Persona::Service, |_| {}).await;
        let api = service(&server, API, &[LEDGER]).await;
        opaque(&server, &api).await;
        let token = text(&server.token(&reports, &[("grant_type", "client_credentials")]).await.json(), "access_token");
        let child = exchanged(&server, &api, &token, LEDGER).await;
        let told = server.introspect(&api, &child).await;
        assert_eq!((told["sub"].as_str(), &told["act"]), (Some(reports.id()), &json!({ "sub": api.id() })));
        server.update_client(&reports, |client: &mut Client| client.status = ClientStatus::Disabled).await;
        assert!(!is_active(&server, &api, &child).await);
    }

    async fn an_actor_token_names_who_acts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api, other) =
            (front(&server).await, service(&server, API, &[LEDGER]).await, service(&server, API, &[LEDGER]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        let own = async |client: &TestClient| {
            text(&server.token(client, &[("grant_type", "client_credentials")]).await.json(), "access_token")
        };
        let (of_api, of_other) = (own(&api).await, own(&other).await);
        let with = async |actor: &str, kind: &str| {
            exchange(&server, &api, &token, &[("actor_token", actor), ("actor_token_type", kind)]).await
        };
        let child = text(&with(&of_api, ACCESS_TOKEN).await.json(), "access_token");
        assert_eq!(claims(&child)["act"], json!({ "sub": api.id() }));
        for (actor, kind) in [(of_other.as_str(), ACCESS_TOKEN), ("x", ACCESS_TOKEN), (&token, ACCESS_TOKEN), (&of_api, ID_TOKEN)] {
            assert_error(&with(actor, kind).await, 400, "invalid_request");
        }
        for half in [("actor_token", of_api.as_str()), ("actor_token_type", ACCESS_TOKEN)] {
            assert_error(&exchange(&server, &api, &token, &[half]).await, 400, "invalid_request");
        }
        // With the token itself in the place of the actor's nobody would learn who acts.
        let own_subject = exchange(&server, &api, &of_api, &[("actor_token", &of_api), ("actor_token_type", ACCESS_TOKEN)]).await;
        assert_error(&own_subject, 400, "invalid_request");
    }
}
