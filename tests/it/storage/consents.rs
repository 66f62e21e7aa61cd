//! What people allowed.

use std::collections::BTreeSet;

use ostiary::protocol::resource::Reach;
use ostiary::protocol::scope::Scope;
use ostiary::protocol::time::Timestamp;
use ostiary::storage::consents::{self, Consent};
use tokio::task::JoinSet;

use super::persona::{anna_and_app, at, client_id, user_id};
use crate::support::database::{TestDatabase, on_both};

fn consent(scope: &str, claims: &[&str], now: Timestamp) -> Consent {
    Consent {
        user_id: user_id("u-anna"),
        client_id: client_id("app"),
        scope: Scope::parse(scope).unwrap(),
        claims: claims.iter().map(ToString::to_string).collect(),
        reach: Reach::default(),
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
        for (resource, seconds) in [("https://a.example", 2), ("https://b.example", 2)] {
            let more = Consent { reach: reach(resource), ..consent("openid phone", &["birthdate"], at(seconds)) };
            db.write(async |tx| consents::save(tx, &more).await).await.unwrap();
        }
        let reach = reach("https://a.example").remembered(&reach("https://b.example"));
        let both = Consent { reach, updated_at: at(2), ..consent("email openid phone", &["birthdate", "name"], at(1)) };
        let mut conn = db.read().await.unwrap();
        let (anna, app) = (user_id("u-anna"), client_id("app"));
        assert_eq!(consents::load(&mut conn, &anna, &app).await.unwrap(), Some(both.clone()));
        assert_eq!(consents::list_for_user(&mut conn, &anna).await.unwrap(), [both]);
        drop(conn);
        assert!(db.write(async |tx| consents::delete(tx, &anna, &app).await).await.unwrap());
        assert!(!db.write(async |tx| consents::delete(tx, &anna, &app).await).await.unwrap());
        assert_eq!(consents::load(&mut db.read().await.unwrap(), &anna, &app).await.unwrap(), None);
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
