//! The client registry.

use std::sync::Arc;

use ostiary::protocol::client::ClientStatus;
use ostiary::storage::clients::{self, ClientFilter};
use ostiary::storage::error::Error;
use ostiary::storage::page::Page;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::persona::{at, client, client_id, secret};
use crate::support::database::{TestDatabase, on_both};

on_both! {
    /// H7: a newer version of the server may run beside this one.
    async fn what_a_newer_version_wrote_is_read_and_kept(database: TestDatabase) {
        let db = &database.db;
        let app = client("app");
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        let newer = "UPDATE clients SET metadata = replace(metadata, '{\"client_name\"', '{\"of_tomorrow\":[1],\"client_name\"')";
        db.write(async |tx| tx.query(newer).execute().await).await.unwrap();
        let mut found = clients::load(&mut db.read().await.unwrap(), &app.id).await.unwrap().unwrap();
        assert_eq!(found.metadata, app.metadata);
        found.metadata.client_name = "Changed".to_owned();
        assert!(db.write(async |tx| clients::update(tx, &found, found.version).await).await.unwrap());
        let (stored,) = db.read().await.unwrap().query("SELECT metadata FROM clients").fetch_one::<(String,)>().await.unwrap();
        let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
        assert_eq!((&stored["of_tomorrow"], &stored["client_name"]), (&serde_json::json!([1]), &serde_json::json!("Changed")));
    }

    async fn a_client_comes_back_as_stored_with_its_secrets(database: TestDatabase) {
        let db = &database.db;
        let mut app = client("app");
        app.secrets = vec![secret("b", at(2)), secret("a", at(1))];
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        let mut conn = db.read().await.unwrap();
        assert_eq!(clients::load(&mut conn, &app.id).await.unwrap(), Some(app));
        assert_eq!(clients::load(&mut conn, &client_id("none")).await.unwrap(), None);
        // Identifiers differ by case (RFC 6749 §1.9).
        assert_eq!(clients::load(&mut conn, &client_id("APP")).await.unwrap(), None);
    }

    async fn an_update_of_another_version_changes_nothing(database: TestDatabase) {
        let db = &database.db;
        let mut app = client("app");
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        app.status = ClientStatus::Disabled;
        app.metadata.client_name = "Renamed".to_owned();
        app.updated_at = at(9);
        assert!(db.write(async |tx| clients::update(tx, &app, 1).await).await.unwrap());
        assert!(!db.write(async |tx| clients::update(tx, &app, 1).await).await.unwrap());
        app.version = 2;
        assert_eq!(clients::load(&mut db.read().await.unwrap(), &app.id).await.unwrap(), Some(app));
    }

    async fn at_most_two_secrets_are_valid(database: TestDatabase) {
        let db = &database.db;
        let mut app = client("app");
        app.secrets = vec![secret("a", at(0))];
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        let add = async |id: &str, now: i64, overlap: i64| {
            db.write(async |tx| clients::add_secret(tx, &client_id("app"), &secret(id, at(now)), at(now + overlap)).await)
                .await
                .unwrap()
        };
        let valid = async |now: i64| {
            let app = clients::load(&mut db.read().await.unwrap(), &client_id("app")).await.unwrap().unwrap();
            let valid = app.secrets.iter().filter(|secret| secret.is_valid(at(now)));
            (valid.map(|secret| secret.id.clone()).collect::<Vec<_>>(), app.version)
        };
        assert!(add("b", 10, 100).await);
        assert_eq!(valid(10).await, (vec!["b".to_owned(), "a".to_owned()], 2));
        assert_eq!(valid(110).await.0, ["b"], "the overlap ends");
        // A third one pushes out the first within its overlap.
        assert!(add("c", 20, 100).await);
        assert_eq!(valid(20).await, (vec!["c".to_owned(), "b".to_owned()], 3));
        // The overlap of an older one is not made longer.
        assert!(add("d", 30, 0).await);
        assert_eq!(valid(30).await.0, ["d"]);
        let none = db.write(async |tx| clients::add_secret(tx, &client_id("none"), &secret("x", at(0)), at(1)).await).await;
        assert!(!none.unwrap());
    }

    async fn clients_are_listed_with_their_secrets_page_by_page(database: TestDatabase) {
        let db = &database.db;
        for id in ["c", "a", "d", "b"] {
            let mut app = client(id);
            app.metadata.client_name = format!("100% {id}_É");
            app.secrets = vec![secret(&format!("{id}2"), at(2)), secret(&format!("{id}1"), at(1))];
            if id == "d" {
                app.status = ClientStatus::Disabled;
            }
            db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        let ids = |clients: &[ostiary::protocol::client::Client]| clients.iter().map(|c| c.id.to_string()).collect::<Vec<_>>();
        let first = clients::list(&mut conn, &ClientFilter::default(), &Page::first(3)).await.unwrap();
        assert_eq!((ids(&first.items), first.next.as_deref()), (vec!["a".into(), "b".into(), "c".into()], Some("c")));
        assert!(first.items.iter().all(|client| client.secrets.len() == 2));
        let second = clients::list(&mut conn, &ClientFilter::default(), &Page { after: first.next, limit: 3 }).await.unwrap();
        assert_eq!((ids(&second.items), second.next), (vec!["d".to_owned()], None));
        let named = |part: &str| ClientFilter { name_contains: Some(part.to_owned()), status: None };
        assert_eq!(ids(&clients::list(&mut conn, &named("B_é"), &Page::first(9)).await.unwrap().items), ["b"]);
        assert!(clients::list(&mut conn, &named("100_"), &Page::first(9)).await.unwrap().items.is_empty());
        let disabled = ClientFilter { status: Some(ClientStatus::Disabled), ..ClientFilter::default() };
        assert_eq!(ids(&clients::list(&mut conn, &disabled, &Page::first(9)).await.unwrap().items), ["d"]);
    }

    async fn of_parallel_registrations_under_one_id_one_wins(database: TestDatabase) {
        let barrier = Arc::new(Barrier::new(20));
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let (db, barrier) = (database.db.clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                let mut app = client("app");
                app.metadata.client_name = format!("Number {number}");
                app.secrets = vec![secret(&format!("{number:02}"), at(0))];
                barrier.wait().await;
                (number, db.write(async |tx| clients::insert(tx, &app).await).await)
            });
        }
        let results = tasks.join_all().await;
        let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).map(|(number, _)| *number).collect();
        assert_eq!(winners.len(), 1);
        assert!(results.iter().all(|(_, result)| matches!(result, Ok(()) | Err(Error::Conflict))), "{results:?}");
        let app = clients::load(&mut database.db.read().await.unwrap(), &client_id("app")).await.unwrap().unwrap();
        assert_eq!(app.metadata.client_name, format!("Number {}", winners[0]));
        assert_eq!(app.secrets.len(), 1, "the losers left nothing");
    }

    async fn of_parallel_secrets_the_two_newest_are_left(database: TestDatabase) {
        database.db.write(async |tx| clients::insert(tx, &client("app")).await).await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let db = database.db.clone();
            tasks.spawn(async move {
                let secret = secret(&format!("{number}"), at(number));
                db.write(async |tx| clients::add_secret(tx, &client_id("app"), &secret, at(1_000)).await).await
            });
        }
        for result in tasks.join_all().await {
            assert!(result.unwrap());
        }
        let app = clients::load(&mut database.db.read().await.unwrap(), &client_id("app")).await.unwrap().unwrap();
        assert_eq!((app.secrets.len(), app.version), (2, 11));
    }

    async fn deleting_a_client_deletes_its_secrets(database: TestDatabase) {
        let db = &database.db;
        let mut app = client("app");
        app.secrets = vec![secret("a", at(0))];
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
        assert!(db.write(async |tx| clients::delete(tx, &app.id).await).await.unwrap());
        assert!(!db.write(async |tx| clients::delete(tx, &app.id).await).await.unwrap());
        // The secret's id is free again.
        db.write(async |tx| clients::insert(tx, &app).await).await.unwrap();
    }
}
