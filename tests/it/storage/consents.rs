//! What people allowed.

use std::collections::BTreeSet;

use ostiary::protocol::authorize::ConsentedScope;
use ostiary::protocol::resource::Reach;
use ostiary::protocol::scope::Scope;
use ostiary::protocol::time::Timestamp;
use ostiary::storage::consents::{self, Consent};
use ostiary::storage::error::Error as StorageError;
use tokio::task::JoinSet;

use super::persona::{anna_and_app, at, client_id, user_id};
use crate::support::database::{TestDatabase, on_both};

fn agreement(scope: &str, claims: &[&str], reach: Reach) -> ConsentedScope {
    ConsentedScope { scope: Scope::parse(scope).unwrap(), claims: claims.iter().map(ToString::to_string).collect(), reach }
}

fn consent(scope: &str, claims: &[&str], now: Timestamp) -> Consent {
    Consent {
        user_id: user_id("u-anna"),
        client_id: client_id("app"),
        scope: Scope::parse(scope).unwrap(),
        claims: claims.iter().map(ToString::to_string).collect(),
        agreements: vec![agreement(scope, claims, Reach::default())],
        created_at: now,
        updated_at: now,
    }
}

on_both! {
    async fn consents_add_up(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| consents::save(tx, &consent("openid email", &["name"], at(1))).await).await.unwrap();
        let detail = serde_json::json!({ "type": "payment" });
        let reach = |resource: &str| Reach { resources: [resource.to_owned()].into(), authorization_details: vec![detail.clone()] };
        let bare = |resource: &str| Reach { authorization_details: Vec::new(), ..reach(resource) };
        let (first, second) = ("https://a.example", "https://b.example");
        for (scope, resource) in [("openid phone", first), ("openid", second), ("address", first)] {
            let agreements = vec![agreement(scope, &["birthdate"], reach(resource))];
            let more = Consent { agreements, ..consent(scope, &["birthdate"], at(2)) };
            db.write(async |tx| consents::save(tx, &more).await).await.unwrap();
        }
        let agreements = vec![
            agreement("openid email", &["name"], Reach::default()),
            agreement("address openid phone", &["birthdate"], bare(first)),
            agreement("openid", &["birthdate"], bare(second)),
        ];
        let both =
            Consent { agreements, updated_at: at(2), ..consent("address email openid phone", &["birthdate", "name"], at(1)) };
        let mut conn = db.read().await.unwrap();
        let (anna, app) = (user_id("u-anna"), client_id("app"));
        assert_eq!(consents::load(&mut conn, &anna, &app).await.unwrap(), Some(both.clone()));
        assert_eq!(consents::list_for_user(&mut conn, &anna).await.unwrap(), [both]);
        drop(conn);
        assert!(db.write(async |tx| consents::delete(tx, &anna, &app).await).await.unwrap());
        assert!(!db.write(async |tx| consents::delete(tx, &anna, &app).await).await.unwrap());
        assert_eq!(consents::load(&mut db.read().await.unwrap(), &anna, &app).await.unwrap(), None);
    }

    async fn a_consent_as_an_older_version_wrote_it_stands_once_it_is_written_anew(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        let older = Consent { agreements: Vec::new(), ..consent("openid email", &["name"], at(1)) };
        db.write(async |tx| consents::save(tx, &older).await).await.unwrap();
        let (anna, app) = (user_id("u-anna"), client_id("app"));
        let read = consents::load(&mut db.read().await.unwrap(), &anna, &app).await.unwrap().unwrap();
        assert_eq!(read, consent("openid email", &["name"], at(1)));
        let stands = async || db.write(async |tx| consents::must_stand(tx, &anna, &app, &read.agreements).await).await;
        assert!(matches!(stands().await, Err(StorageError::Unmet)));
        db.write(async |tx| consents::write_anew(tx, &read).await).await.unwrap();
        stands().await.unwrap();
        assert_eq!(consents::load(&mut db.read().await.unwrap(), &anna, &app).await.unwrap(), Some(read));
    }

    async fn of_parallel_consents_none_is_lost(database: TestDatabase) {
        anna_and_app(&database.db).await;
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let db = database.db.clone();
            tasks.spawn(async move {
                let value = format!("scope{number}");
                db.write(async |tx| consents::save(tx, &consent(&value, &[&value], at(number))).await).await.unwrap();
            });
        }
        tasks.join_all().await;
        let mut conn = database.db.read().await.unwrap();
        let stored = consents::load(&mut conn, &user_id("u-anna"), &client_id("app")).await.unwrap().unwrap();
        let all: BTreeSet<String> = (0..20).map(|number| format!("scope{number}")).collect();
        assert_eq!(stored.scope.iter().map(str::to_owned).collect::<BTreeSet<_>>(), all);
        assert_eq!(stored.claims, all);
    }
}
