//! What becomes of the row of such an application.

use ostiary::protocol::authentication::Acr;
use ostiary::protocol::client::SubjectType;
use ostiary::protocol::time::Timestamp;

use super::*;

on_both! {
    /// N8: what the document says is no way around what an administrator said.
    async fn a_document_takes_nothing_away_that_an_administrator_restricted(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        tokens(&server, &client, "anna").await;
        change(&server, &client, |client| {
            client.metadata.required_acr = Some(Acr::Multi);
            client.metadata.subject_type = SubjectType::Pairwise;
            client.metadata.access_token_lifetime = Some(60);
            client.metadata.scope = "openid".to_owned().try_into().unwrap();
        })
        .await;
        let before = stored(&server, &client).await.unwrap();
        publisher.publish(&with(&publisher.url, &json!({ "client_name": "Writer", "scope": "openid email", "subject_type": "public" })));
        server.clock.advance(3_600);
        assert_login(&server.get(&AuthorizationUrl::new(&client).with("scope", "openid").path()).await);
        let mut expected = before.metadata;
        expected.client_name = "Writer".to_owned();
        assert_eq!(stored(&server, &client).await.unwrap().metadata, expected);
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "client.updated").unwrap();
        assert_eq!(event.details["changed"], json!(["client_name"]));
    }

    /// N7, where an application publishes its registration.
    async fn n7_a_document_puts_its_client_into_no_sector_that_does_not_know_it(database: TestDatabase) {
        let server = start(database).await;
        let (sector, publisher) = (Publisher::start(&json!(["https://bank.example/cb"])).await, publisher(&json!({})).await);
        let client = editor(&server, &publisher).await;
        publisher.publish(&with(&publisher.url, &json!({ "subject_type": "pairwise", "sector_identifier_uri": sector.url })));
        assert_refused(&server, &AuthorizationUrl::new(&client), "client_document_refused").await;
        sector.answer_with("503 Service Unavailable", "", "");
        server.clock.advance(60);
        assert_refused(&server, &AuthorizationUrl::new(&client), "client_document_unavailable").await;
        sector.publish(&json!(["https://bank.example/cb", "https://editor.example/cb"]));
        server.clock.advance(60);
        assert_login(&server.get(&AuthorizationUrl::new(&client).path()).await);
    }

    async fn to_be_stored_for_a_pushed_request_counts_as_a_registration(database: TestDatabase) {
        let server = start_with(database, |config| {
            config.limits.enabled = true;
            config.rates.register_client = "2/d".parse().unwrap();
        }).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        let push = async |number: usize| {
            let id = format!("{}{number}", publisher.url);
            publisher.publish(&document(&id));
            let url = AuthorizationUrl::new(&client).with("client_id", &id);
            let fields: Vec<_> = url.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            server.post_with("/par", &[], &fields).await.status.as_u16()
        };
        assert_eq!([push(0).await, push(1).await, push(2).await], [201, 201, 429]);
        assert_eq!(push(0).await, 201, "it is stored already");
    }

    async fn who_is_not_used_is_forgotten(database: TestDatabase) {
        let server = start(database).await;
        let publishers = [publisher(&json!({})).await, publisher(&json!({})).await];
        let [used, disabled] = [editor(&server, &publishers[0]).await, editor(&server, &publishers[1]).await];
        for client in [&used, &disabled] {
            tokens(&server, client, "anna").await;
        }
        change(&server, &disabled, |client| client.status = ClientStatus::Disabled).await;
        let clean = async |now: Timestamp| cleanup::clean(&server.state.db, now, &server.state.config).await.unwrap();
        server.clock.advance(89 * DAY);
        clean(server.clock.now()).await;
        assert!(stored(&server, &used).await.is_some());
        server.clock.advance(2 * DAY);
        clean(server.clock.now()).await;
        assert_eq!(stored(&server, &used).await, None);
        assert!(stored(&server, &disabled).await.is_some(), "it is what keeps the document out");
        assert!(authorize(&mut server.browser(), &AuthorizationUrl::new(&used), "anna").await.contains_key("code"), "it may come again");
    }
}
