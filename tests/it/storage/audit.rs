//! The audit log.

use ostiary::protocol::time::Timestamp;
use ostiary::storage::audit::{self, Actor, AuditFilter, Event, Outcome};
use ostiary::storage::page::Page;
use ostiary::telemetry::metrics::EVENTS;

use super::persona::{at, client_id, user_id};
use crate::support::database::{TestDatabase, on_both};

fn event(kind: &'static str, at: Timestamp) -> Event {
    Event {
        at,
        kind,
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::Anonymous,
        client_id: None,
        user_id: None,
        address: None,
        trace_id: "t".to_owned(),
        count: 1,
        details: serde_json::Map::new(),
    }
}

fn counted(kind: &'static str) -> u64 {
    let all = EVENTS.all();
    all.iter().filter(|((counted, _), _)| *counted == kind).map(|(_, number)| number).sum()
}

/// M5: what is undone did not happen.
async fn events_are_counted_once_they_are_committed(database: TestDatabase, kind: &'static str) {
    let event = Event { count: 3, ..event(kind, at(0)) };
    let undone = database.db.write(async |tx| {
        audit::insert(tx, &event).await?;
        Err::<(), _>(ostiary::storage::error::Error::Conflict)
    });
    assert!(undone.await.is_err());
    assert_eq!(counted(kind), 0);
    let refused = database.db.write(async |tx| {
        audit::insert(tx, &event).await?;
        // It spoils the transaction, whatever is made of it.
        _ = tx.query("SELECT nothing FROM nowhere").execute().await;
        Ok(())
    });
    assert!(refused.await.is_err());
    assert_eq!(counted(kind), 0);
    database.db.write(async |tx| audit::insert(tx, &event).await).await.unwrap();
    assert_eq!(counted(kind), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_once_they_are_committed_to_sqlite() {
    events_are_counted_once_they_are_committed(TestDatabase::sqlite().await, "of_a_test_on_sqlite").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn events_are_counted_once_they_are_committed_to_postgresql() {
    events_are_counted_once_they_are_committed(TestDatabase::postgres().await, "of_a_test_on_postgresql").await;
}

on_both! {
    async fn an_event_comes_back_as_written(database: TestDatabase) {
        let db = &database.db;
        let actors = [
            Actor::Anonymous,
            Actor::User(user_id("u")),
            Actor::Client(client_id("c")),
            Actor::System,
            Actor::CommandLine,
        ];
        for (number, actor) in (0..).zip(&actors) {
            let event = Event {
                outcome: Outcome::Refused,
                reason: Some("wrong_password"),
                actor: actor.clone(),
                client_id: Some(client_id("app")),
                user_id: Some(user_id("gone")),
                address: Some("192.0.2.1".to_owned()),
                count: 7,
                details: serde_json::json!({ "scope": "openid", "é": [1, null] }).as_object().unwrap().clone(),
                ..event("user.login", at(number))
            };
            db.write(async |tx| audit::insert(tx, &event).await).await.unwrap();
        }
        let listed = audit::list(&mut db.read().await.unwrap(), &AuditFilter::default(), &Page::first(9)).await.unwrap();
        let newest_first: Vec<_> = listed.items.iter().map(|entry| entry.actor.clone()).collect();
        assert_eq!(newest_first, actors.iter().rev().cloned().collect::<Vec<_>>());
        let entry = &listed.items[4];
        assert_eq!((entry.at, entry.kind.as_str(), entry.outcome), (at(0), "user.login", Outcome::Refused));
        assert_eq!((entry.reason.as_deref(), entry.count), (Some("wrong_password"), 7));
        assert_eq!((entry.client_id.clone(), entry.user_id.clone()), (Some(client_id("app")), Some(user_id("gone"))));
        assert_eq!((entry.address.as_deref(), entry.trace_id.as_str()), (Some("192.0.2.1"), "t"));
        assert_eq!(entry.details["é"], serde_json::json!([1, null]));
    }

    async fn the_log_is_searched_and_paged(database: TestDatabase) {
        let db = &database.db;
        for number in 0..6 {
            let event = Event {
                kind: if number % 2 == 0 { "user.login" } else { "token.issued" },
                outcome: if number < 3 { Outcome::Success } else { Outcome::Refused },
                user_id: (number % 3 == 0).then(|| user_id("u")),
                client_id: (number % 3 == 1).then(|| client_id("c")),
                trace_id: format!("t{number}"),
                ..event("", at(number))
            };
            db.write(async |tx| audit::insert(tx, &event).await).await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        let all = AuditFilter::default;
        for (filter, found) in [
            (all(), vec![5, 4, 3, 2, 1, 0]),
            (AuditFilter { kind: Some("user.login".to_owned()), ..all() }, vec![4, 2, 0]),
            (AuditFilter { kind: Some("USER.LOGIN".to_owned()), ..all() }, vec![]),
            (AuditFilter { outcome: Some(Outcome::Refused), ..all() }, vec![5, 4, 3]),
            (AuditFilter { user_id: Some(user_id("u")), ..all() }, vec![3, 0]),
            (AuditFilter { user_id: Some(user_id("u")), outcome: Some(Outcome::Success), ..all() }, vec![0]),
            (AuditFilter { client_id: Some(client_id("c")), ..all() }, vec![4, 1]),
            (AuditFilter { trace_id: Some("t2".to_owned()), ..all() }, vec![2]),
            (AuditFilter { from: Some(at(2)), until: Some(at(4)), ..all() }, vec![3, 2]),
        ] {
            let listed = audit::list(&mut conn, &filter, &Page::first(9)).await.unwrap();
            let seconds: Vec<_> = listed.items.iter().map(|entry| entry.at.as_seconds() - at(0).as_seconds()).collect();
            assert_eq!(seconds, found, "{filter:?}");
        }
        let filter = AuditFilter { until: Some(at(5)), ..all() };
        let first = audit::list(&mut conn, &filter, &Page::first(2)).await.unwrap();
        assert_eq!(first.items.iter().map(|entry| entry.at).collect::<Vec<_>>(), [at(4), at(3)]);
        let second = audit::list(&mut conn, &filter, &Page { after: first.next, limit: 3 }).await.unwrap();
        assert_eq!(second.items.iter().map(|entry| entry.at).collect::<Vec<_>>(), [at(2), at(1), at(0)]);
        assert_eq!(second.next, None);
    }
}
