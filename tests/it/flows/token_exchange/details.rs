//! What goes along beside the scope: details (RFC 9396), and who may act next (RFC 8693 §4.4).

use super::*;
use crate::flows::resources::register;
use crate::support::flow::code_of;

fn payment(amount: i64) -> Value {
    json!({ "type": "payment", "amount": amount })
}

/// Both services may pay, of which one alone is the bank's.
async fn start(database: TestDatabase) -> (TestServer, TestClient, TestClient) {
    let server = TestServer::start(database).await;
    server.person("anna").await;
    let kind = json!({ "description": "Pay", "schema": { "properties": { "amount": { "type": "integer" } } } });
    register(&server, LEDGER, json!({ "name": "Ledger", "authorization_details_types": { "payment": kind } })).await;
    let (front, api) = (front(&server).await, service(&server, API, &[LEDGER, MAIL]).await);
    server
        .update_client(&front, |client| {
            client.metadata.audiences.push(LEDGER.to_owned());
            client.metadata.authorization_details_types = vec!["payment".to_owned()];
        })
        .await;
    let may = |client: &mut Client| client.metadata.authorization_details_types = vec!["payment".to_owned()];
    server.update_client(&api, may).await;
    (server, front, api)
}

async fn paying(server: &TestServer, front: &TestClient) -> String {
    let details = json!([payment(5), payment(6)]).to_string();
    let url = AuthorizationUrl::new(front).with("scope", "openid reports:read").with("authorization_details", &details);
    let code = code_of(server, front, &url, "anna").await;
    text(&crate::support::flow::redeem(server, front, &code).await.json(), "access_token")
}

on_both! {
    async fn x4_details_go_along_to_the_api_that_they_are_for_and_never_grow(database: TestDatabase) {
        let (server, front, api) = start(database).await;
        let token = paying(&server, &front).await;
        assert_eq!(claims(&token)["authorization_details"], json!([payment(5), payment(6)]));
        let ask = async |audience: &str, asked: Option<Value>| {
            let asked = asked.map(|asked| asked.to_string());
            let more = asked.iter().map(|asked| ("authorization_details", asked.as_str()));
            exchange(&server, &api, &token, &[("audience", audience)].into_iter().chain(more).collect::<Vec<_>>()).await
        };
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            server.update_client(&api, |client| client.metadata.access_token_format = format).await;
            let all = ask(LEDGER, None).await.json();
            assert_eq!(all["authorization_details"], json!([payment(5), payment(6)]));
            let told = server.introspect(&api, &text(&all, "access_token")).await;
            assert_eq!(told["authorization_details"], json!([payment(5), payment(6)]));
            let one = ask(LEDGER, Some(json!([payment(6)]))).await.json();
            assert_eq!(one["authorization_details"], json!([payment(6)]));
            let told = server.introspect(&api, &text(&one, "access_token")).await;
            assert_eq!(told["authorization_details"], json!([payment(6)]));
        }
        assert_eq!(ask(MAIL, None).await.json()["authorization_details"], Value::Null, "they are for another API");
        for wider in [json!([payment(7)]), json!([payment(5), payment(7)]), json!([{ "type": "payment" }]), json!([{ "type": "other" }])] {
            assert_error(&ask(LEDGER, Some(wider)).await, 400, "invalid_authorization_details");
            assert!(recorded(&server, "token.refused", "authorization_details_not_granted").await);
        }
        assert_error(&ask(LEDGER, Some(json!({}))).await, 400, "invalid_authorization_details");
        // The service is registered for it no longer.
        server.update_client(&api, |client| client.metadata.authorization_details_types.clear()).await;
        assert_eq!(ask(LEDGER, None).await.json()["authorization_details"], Value::Null);
        assert_error(&ask(LEDGER, Some(json!([payment(5)]))).await, 400, "invalid_authorization_details");
    }

    async fn x5_who_may_act_is_said_of_every_token_that_comes_of_one(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let front = front(&server).await;
        let (api, ledger) = (service(&server, API, &[LEDGER]).await, service(&server, LEDGER, &[MAIL]).await);
        let mail = service(&server, MAIL, &[API]).await;
        server.update_client(&front, |client| client.metadata.may_act = Some(api.client.id.clone())).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            for client in [&front, &api, &ledger] {
                server.update_client(client, |client| client.metadata.access_token_format = format).await;
            }
            let token = text(&logged_in(&server, &front).await, "access_token");
            // Who may act does, and nobody after it.
            let second = exchanged(&server, &api, &token, LEDGER).await;
            assert_error(&exchange(&server, &ledger, &second, &[]).await, 400, "unauthorized_client");
            assert!(recorded(&server, "token.refused", "actor_not_named_by_may_act").await);
            // Unless whoever acts was registered to let somebody act after it: that one, and nobody else.
            server.update_client(&api, |client| client.metadata.may_act = Some(ledger.client.id.clone())).await;
            let second = exchanged(&server, &api, &token, LEDGER).await;
            let third = exchanged(&server, &ledger, &second, MAIL).await;
            let told = server.introspect(&api, &third).await;
            assert_eq!(told["act"], json!({ "sub": ledger.id(), "act": { "sub": api.id() } }));
            assert_error(&exchange(&server, &mail, &third, &[]).await, 400, "unauthorized_client");
            server.update_client(&api, |client| client.metadata.may_act = None).await;
        }
    }
}
