//! Authorization codes, and the grants that come of them.

use std::sync::Arc;

use ostiary::storage::db::Db;
use ostiary::storage::error::Error;
use ostiary::storage::users::{self, UserStatus};
use ostiary::storage::{authorization_codes, clients, grants, sessions};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::persona::{
    anna_and_app, anna_and_app_with_a_grant, at, client, client_id, code, grant, grant_id, hash, session, session_id, user,
    user_id,
};
use crate::support::database::{TestDatabase, on_both};

/// Whether the code was spent and its grant begun, both or neither.
async fn redeem(db: &Db) -> bool {
    let redeemed = db.write(async |tx| {
        authorization_codes::consume(tx, &hash(1), at(1)).await?;
        grants::insert(tx, &grant("g-1")).await
    });
    match redeemed.await {
        Ok(()) => true,
        Err(Error::Unmet) => false,
        Err(error) => panic!("{error}"),
    }
}

on_both! {
    async fn a_code_comes_back_as_stored(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| authorization_codes::insert(tx, &code(1)).await).await.unwrap();
        let mut bare = code(2);
        (bare.claims, bare.nonce) = (None, None);
        db.write(async |tx| authorization_codes::insert(tx, &bare).await).await.unwrap();
        assert_eq!(authorization_codes::load(db, &hash(1)).await.unwrap(), Some(code(1)));
        assert_eq!(authorization_codes::load(db, &hash(2)).await.unwrap(), Some(bare));
        assert_eq!(authorization_codes::load(db, &hash(3)).await.unwrap(), None);
    }

    async fn a_code_is_spent_once_and_before_it_expires(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| authorization_codes::insert(tx, &code(1)).await).await.unwrap();
        let consume = async |now| db.write(async |tx| authorization_codes::consume(tx, &hash(1), at(now)).await).await;
        assert!(matches!(consume(60).await, Err(Error::Unmet)), "expired");
        consume(59).await.expect("it is good");
        assert!(matches!(consume(59).await, Err(Error::Unmet)), "spent");
        let stored = authorization_codes::load(db, &hash(1)).await.unwrap().unwrap();
        assert_eq!(stored.consumed_at, Some(at(59)));
    }

    async fn of_fifty_parallel_redemptions_one_wins(database: TestDatabase) {
        anna_and_app(&database.db).await;
        database.db.write(async |tx| authorization_codes::insert(tx, &code(1)).await).await.unwrap();
        let barrier = Arc::new(Barrier::new(50));
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let (db, barrier) = (database.db.clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                barrier.wait().await;
                redeem(&db).await
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }

    /// Decided rule 1: a second use, in a race too, revokes what the first one gave out.
    async fn the_losers_of_a_race_revoke_the_winners_grant(database: TestDatabase) {
        anna_and_app(&database.db).await;
        database.db.write(async |tx| authorization_codes::insert(tx, &code(1)).await).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let db = database.db.clone();
            tasks.spawn(async move {
                if !redeem(&db).await {
                    db.write(async |tx| grants::revoke(tx, &grant_id("g-1"), at(1)).await).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        let grant = grants::load(&mut database.db.read().await.unwrap(), &grant_id("g-1")).await.unwrap().unwrap();
        assert_eq!(grant.revoked_at, Some(at(1)));
    }

    async fn a_grant_comes_back_as_stored(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        let mut bare = grant("bare");
        bare.claims = None;
        db.write(async |tx| grants::insert(tx, &bare).await).await.unwrap();
        let mut conn = db.read().await.unwrap();
        assert_eq!(grants::load(&mut conn, &grant_id("g")).await.unwrap(), Some(grant("g")));
        assert_eq!(grants::live(&mut conn, &grant_id("bare"), at(0)).await.unwrap(), Some(bare));
        assert_eq!(grants::load(&mut conn, &grant_id("none")).await.unwrap(), None);
    }

    async fn a_grant_lives_until_it_is_revoked_expires_or_its_person_is_disabled(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        let lives = async |id, now| grants::live(&mut db.read().await.unwrap(), &grant_id(id), at(now)).await.unwrap().is_some();
        assert!(lives("g", 30 * 86_400 - 1).await);
        assert!(!lives("g", 30 * 86_400).await);
        let mut anna = user("anna");
        anna.status = UserStatus::Disabled;
        db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap();
        assert!(!lives("g", 1).await);
        anna.status = UserStatus::Active;
        db.write(async |tx| users::update(tx, &anna, 2).await).await.unwrap();
        assert!(lives("g", 1).await);
        assert!(db.write(async |tx| grants::revoke(tx, &grant_id("g"), at(2)).await).await.unwrap());
        assert!(!db.write(async |tx| grants::revoke(tx, &grant_id("g"), at(3)).await).await.unwrap());
        assert!(!lives("g", 2).await);
    }

    async fn grants_are_revoked_for_a_person_or_a_client(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        db.write(async |tx| {
            users::insert(tx, &user("bert")).await?;
            clients::insert(tx, &client("other")).await
        })
        .await
        .unwrap();
        for (id, client, user, session) in [
            ("a", "app", "u-anna", "s1"),
            ("b", "other", "u-anna", "s1"),
            ("c", "app", "u-bert", "s2"),
            ("d", "app", "u-anna", "s3"),
        ] {
            let mut grant = grant(id);
            grant.client_id = client_id(client);
            grant.user_id = user_id(user);
            grant.session_id = session_id(session);
            db.write(async |tx| grants::insert(tx, &grant).await).await.unwrap();
        }
        let live = async || {
            let mut live = Vec::new();
            for id in ["a", "b", "c", "d"] {
                if grants::live(&mut db.read().await.unwrap(), &grant_id(id), at(1)).await.unwrap().is_some() {
                    live.push(id);
                }
            }
            live
        };
        let (app, anna) = (client_id("app"), user_id("u-anna"));
        let revoked = db.write(async |tx| grants::revoke_for_client_and_user(tx, &app, &anna, at(1)).await).await;
        assert_eq!((revoked.unwrap(), live().await), (2, vec!["b", "c"]));
        let revoked = db.write(async |tx| grants::revoke_for_user(tx, &anna, at(1)).await).await;
        assert_eq!((revoked.unwrap(), live().await), (1, vec!["c"]));
    }

    async fn revoking_kills_codes_that_are_under_way(database: TestDatabase) {
        let db = &database.db;
        anna_and_app(db).await;
        let anna = user_id("u-anna");
        for number in 1..=4 {
            db.write(async |tx| authorization_codes::insert(tx, &code(number)).await).await.unwrap();
            if number == 1 {
                db.write(async |tx| authorization_codes::consume(tx, &hash(1), at(1)).await).await.unwrap();
                continue;
            }
            db.write(async |tx| match number {
                2 => grants::revoke_for_user(tx, &anna, at(1)).await,
                3 => grants::revoke_for_client_and_user(tx, &client_id("app"), &anna, at(1)).await,
                _ => {
                    sessions::insert(tx, &session("s", 1)).await?;
                    sessions::end(tx, &session_id("s"), sessions::Ending::of_everything(at(1))).await.map(u64::from)
                }
            })
            .await
            .unwrap();
            let loaded = authorization_codes::load(db, &hash(number)).await.unwrap();
            assert_eq!(loaded, None, "{number}");
        }
        // A spent one stays: it tells a replay.
        assert!(authorization_codes::load(db, &hash(1)).await.unwrap().is_some());
    }

    /// A password is changed while a code is being redeemed: whichever comes first, no grant survives.
    async fn a_redemption_can_not_slip_past_a_revocation(database: TestDatabase) {
        anna_and_app(&database.db).await;
        for number in 1..=20 {
            database.db.write(async |tx| authorization_codes::insert(tx, &code(number)).await).await.unwrap();
            let id = format!("g-{number}");
            let redeem = database.db.write(async |tx| {
                authorization_codes::consume(tx, &hash(number), at(1)).await?;
                grants::insert(tx, &grant(&id)).await
            });
            let anna = user_id("u-anna");
            let revoke = database.db.write(async |tx| grants::revoke_for_user(tx, &anna, at(1)).await);
            let (redeemed, revoked) = tokio::join!(redeem, revoke);
            assert!(matches!(redeemed, Ok(()) | Err(Error::Unmet)), "{redeemed:?}");
            revoked.unwrap();
            let live = grants::live(&mut database.db.read().await.unwrap(), &grant_id(&id), at(1)).await.unwrap();
            assert_eq!(live, None);
        }
    }

    async fn cleaning_up_takes_codes_and_grants_that_are_over(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        for number in 1..=3 {
            db.write(async |tx| authorization_codes::insert(tx, &code(number)).await).await.unwrap();
        }
        let clean = async |before| {
            db.write(async |tx| authorization_codes::delete_expired(tx, at(before), 2).await).await.unwrap()
        };
        assert_eq!((clean(59).await, clean(60).await, clean(60).await), (0, 2, 1));
        let clean = async |before| db.write(async |tx| grants::delete_expired(tx, at(before), 9).await).await.unwrap();
        assert_eq!((clean(30 * 86_400 - 1).await, clean(30 * 86_400).await), (0, 1));
    }
}
