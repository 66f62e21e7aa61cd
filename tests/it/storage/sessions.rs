//! Browser sessions and set-up links.

use ostiary::authn::session::replace;
use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::storage::page::Page;
use ostiary::storage::sessions::{self, Ending, Session, SessionFilter};
use ostiary::storage::users::{self, UserStatus};
use ostiary::storage::{notices, session_clients, setup_links};
use tokio::task::JoinSet;

use super::persona::{anna_and_app, at, client, hash, session, session_id, user, user_id};
use crate::support::database::{TestDatabase, on_both};

const IDLE: Seconds = Seconds(3_600);

const ENDING: Ending = Ending { now: Timestamp::from_seconds(1_800_000_001), offline: false };

on_both! {
    async fn a_session_stands_until_it_is_ended(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        let session = session("s", 1);
        db.write(async |tx| sessions::insert(tx, &session).await).await.unwrap();
        assert!(db.write(async |tx| sessions::stands(tx, &session.id).await).await.unwrap());
        db.write(async |tx| sessions::end(tx, &session.id, ENDING).await).await.unwrap();
        assert!(!db.write(async |tx| sessions::stands(tx, &session.id).await).await.unwrap());
    }

    async fn of_two_logins_at_once_in_one_browser_neither_ends_the_other(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        let mut app = client("app");
        app.metadata.backchannel_logout_uri = Some("https://app.example/logout".to_owned());
        let former = session("s", 1);
        db.write(async |tx| {
            sessions::insert(tx, &former).await?;
            session_clients::add(tx, &former.id, &app).await
        })
        .await
        .unwrap();
        let begin = async |number| {
            let new = Session { hash: hash(number), ..former.clone() };
            db.write(async |tx| replace(tx, Some(&former), &new, ENDING).await).await.unwrap()
        };
        let (first, second) = (begin(2).await, begin(3).await);
        assert_eq!(first, former.id);
        assert_ne!(second, first);
        let mut conn = db.read().await.unwrap();
        for (number, id) in [(2, &first), (3, &second)] {
            let (found, _) = sessions::by_hash(db, &hash(number), at(1), IDLE).await.unwrap().unwrap();
            assert_eq!(&found.id, id);
        }
        assert_eq!(notices::count(&mut conn).await.unwrap(), 0, "it goes on");
        assert_eq!(session_clients::list(&mut conn, &first).await.unwrap(), [app.id], "and its end will be told");
    }

    async fn a_session_is_found_by_its_hash_with_its_person(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| sessions::insert(tx, &session("s", 1)).await).await.unwrap();
        let (stored, anna) = sessions::by_hash(db, &hash(1), at(1), IDLE).await.unwrap().unwrap();
        assert_eq!(stored, session("s", 1));
        assert_eq!(anna.id, user_id("u-anna"));
        assert!(sessions::by_hash(db, &hash(2), at(1), IDLE).await.unwrap().is_none());
    }

    async fn a_session_ends_at_its_limits(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| sessions::insert(tx, &session("s", 1)).await).await.unwrap();
        let lives = async |now| sessions::by_hash(db, &hash(1), at(now), IDLE).await.unwrap().is_some();
        assert!(lives(3_599).await);
        assert!(!lives(3_600).await, "idle");
        assert!(db.write(async |tx| sessions::touch(tx, &session_id("s"), at(86_399)).await).await.unwrap());
        assert!(lives(86_399).await);
        assert!(!lives(86_400).await, "absolute");
        assert!(!db.write(async |tx| sessions::touch(tx, &session_id("s"), at(5)).await).await.unwrap(), "time runs forward");
    }

    async fn a_disabled_person_has_no_session(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| sessions::insert(tx, &session("s", 1)).await).await.unwrap();
        let mut anna = user("anna");
        anna.status = UserStatus::Disabled;
        db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap();
        assert!(sessions::by_hash(db, &hash(1), at(1), IDLE).await.unwrap().is_none());
    }

    async fn no_session_of_the_old_password_survives_a_new_one(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        for round in 0..30 {
            let before = users::by_id(&mut db.read().await.unwrap(), &user_id("u-anna")).await.unwrap().unwrap();
            let mut tasks = JoinSet::new();
            for number in 0..4 {
                let (db, anna) = (db.clone(), before.clone());
                tasks.spawn(async move {
                    let new = session(&format!("{round}-{number}"), round * 4 + number);
                    db.write(async |tx| {
                        if users::stands(tx, &anna).await? { sessions::insert(tx, &new).await } else { Ok(()) }
                    })
                    .await
                    .unwrap();
                });
            }
            let db = db.clone();
            tasks.spawn(async move {
                let hash = format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$new{round}").into();
                db.write(async |tx| {
                    users::set_password(tx, &user_id("u-anna"), &hash, at(1)).await?;
                    sessions::end_all(tx, &user_id("u-anna"), None, ENDING).await
                })
                .await
                .unwrap();
            });
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            let filter = SessionFilter { user_id: None, now: at(1), idle: IDLE };
            let left = sessions::list(&mut database.db.read().await.unwrap(), &filter, &Page::first(10)).await.unwrap();
            assert!(left.items.is_empty(), "{left:?}");
        }
    }

    async fn all_sessions_but_one_can_be_ended(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| users::insert(tx, &user("bert")).await).await.unwrap();
        for (id, number) in [("a", 1), ("b", 2), ("c", 3)] {
            db.write(async |tx| sessions::insert(tx, &session(id, number)).await).await.unwrap();
        }
        let mut of_bert = session("d", 4);
        of_bert.user_id = user_id("u-bert");
        db.write(async |tx| sessions::insert(tx, &of_bert).await).await.unwrap();

        let listed = async |user: Option<&str>, now, page: Page| {
            let filter = SessionFilter { user_id: user.map(user_id), now: at(now), idle: IDLE };
            let listed = sessions::list(&mut db.read().await.unwrap(), &filter, &page).await.unwrap();
            (listed.items.iter().map(|session| session.id.to_string()).collect::<Vec<_>>(), listed.next)
        };
        assert_eq!(listed(Some("u-anna"), 1, Page::first(2)).await, (vec!["a".into(), "b".into()], Some("b".to_owned())));
        assert_eq!(listed(None, 1, Page { after: Some("b".into()), limit: 2 }).await, (vec!["c".into(), "d".into()], None));
        assert_eq!(listed(None, 3_600, Page::first(9)).await, (vec![], None));

        let ended = db.write(async |tx| sessions::end_all(tx, &user_id("u-anna"), Some(&session_id("b")), ENDING).await).await;
        assert_eq!(ended.unwrap(), 2);
        assert_eq!(listed(None, 1, Page::first(9)).await.0, ["b", "d"]);
        assert!(db.write(async |tx| sessions::end(tx, &session_id("b"), ENDING).await).await.unwrap());
        assert!(!db.write(async |tx| sessions::end(tx, &session_id("b"), ENDING).await).await.unwrap());
        assert_eq!(db.write(async |tx| sessions::end_all(tx, &user_id("u-bert"), None, ENDING).await).await.unwrap(), 1);
    }

    async fn cleaning_up_takes_a_bounded_number_of_dead_sessions(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        for number in 1..=5 {
            let mut session = session(&format!("s{number}"), number);
            session.last_seen_at = at(i64::from(number));
            db.write(async |tx| sessions::insert(tx, &session).await).await.unwrap();
        }
        let clean = async || db.write(async |tx| sessions::delete_expired(tx, at(3_603), IDLE, 2).await).await.unwrap();
        assert_eq!((clean().await, clean().await, clean().await), (2, 1, 0));
    }

    async fn a_setup_link_works_once_and_not_for_long(database: TestDatabase) {
        let db = &database.db;
        db.write(async |tx| setup_links::insert(tx, &hash(1), at(60)).await).await.unwrap();
        let mut conn = db.read().await.unwrap();
        assert!(setup_links::is_valid(&mut conn, &hash(1), at(59)).await.unwrap());
        assert!(!setup_links::is_valid(&mut conn, &hash(1), at(60)).await.unwrap());
        assert!(!setup_links::is_valid(&mut conn, &hash(2), at(0)).await.unwrap());
        drop(conn);
        assert!(!db.write(async |tx| setup_links::consume(tx, &hash(1), at(60)).await).await.unwrap());
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let db = db.clone();
            tasks.spawn(async move { db.write(async |tx| setup_links::consume(tx, &hash(1), at(1)).await).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
        db.write(async |tx| setup_links::insert(tx, &hash(3), at(60)).await).await.unwrap();
        assert_eq!(db.write(async |tx| setup_links::clear(tx).await).await.unwrap(), 1);
    }
}
