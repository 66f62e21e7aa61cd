//! Decided rule 3: rotation, the retry after a lost answer, and replays.

use std::sync::Arc;

use ostiary::protocol::time::Seconds;
use ostiary::storage::db::{Db, Tx};
use ostiary::storage::error::Error;
use ostiary::storage::grants;
use ostiary::storage::refresh_tokens::{self, Rotation};
use ostiary::storage::users::{self, UserStatus};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::persona::{anna_and_app_with_a_grant, at, grant, grant_id, hash, refresh_token, user};
use crate::support::database::{TestDatabase, on_both};

const GRACE: Seconds = Seconds(60);

/// Stores token 1 of the grant `g`.
async fn family(db: &Db) {
    anna_and_app_with_a_grant(db).await;
    db.write(async |tx| refresh_tokens::insert(tx, &refresh_token(1, at(0))).await).await.unwrap();
}

async fn rotate(db: &Db, presented: u8, successor: u8, grace: Seconds, now: i64) -> Rotation {
    let (presented, successor) = (refresh_token(presented, at(0)), refresh_token(successor, at(now)));
    match db.write(async |tx| refresh_tokens::rotate(tx, &presented, &successor, at(now)).await).await {
        Ok(()) => Rotation::Rotated,
        Err(Error::Unmet) => {
            let again = async |tx: &mut Tx| refresh_tokens::rotate_again(tx, &presented, &successor, grace, at(now)).await;
            db.write(again).await.unwrap()
        }
        Err(error) => panic!("{error}"),
    }
}

fn retried(number: u8) -> Rotation {
    Rotation::Retried { dead_access_token_id: format!("jti-{number}") }
}

async fn is_revoked(db: &Db) -> bool {
    grants::load(&mut db.read().await.unwrap(), &grant_id("g")).await.unwrap().unwrap().revoked_at.is_some()
}

on_both! {
    async fn a_token_comes_back_with_its_grant_and_person(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        let loaded = refresh_tokens::load(db, &hash(1)).await.unwrap();
        assert_eq!(loaded, Some((refresh_token(1, at(0)), grant("g"), UserStatus::Active)));
        assert_eq!(refresh_tokens::load(db, &hash(9)).await.unwrap(), None);
        let mut anna = user("anna");
        anna.status = UserStatus::Disabled;
        db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap();
        let (_, _, status) = refresh_tokens::load(db, &hash(1)).await.unwrap().unwrap();
        assert_eq!(status, UserStatus::Disabled);
    }

    async fn a_family_is_passed_from_token_to_token(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        for number in 1..=5 {
            assert_eq!(rotate(db, number, number + 1, GRACE, i64::from(number) * 900).await, Rotation::Rotated);
        }
        assert!(!is_revoked(db).await);
        let (first, ..) = refresh_tokens::load(db, &hash(1)).await.unwrap().unwrap();
        assert_eq!((first.used_at, first.successor, first.dead), (Some(at(900)), Some(hash(2)), false));
    }

    async fn after_a_lost_answer_the_token_works_again_and_the_unused_successor_dies(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        assert_eq!(rotate(db, 1, 2, GRACE, 100).await, Rotation::Rotated);
        assert_eq!(rotate(db, 1, 3, GRACE, 110).await, retried(2));
        assert_eq!(rotate(db, 3, 4, GRACE, 120).await, Rotation::Rotated);
        assert!(!is_revoked(db).await);
    }

    async fn a_dead_successor_is_a_replay(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        rotate(db, 1, 2, GRACE, 100).await;
        rotate(db, 1, 3, GRACE, 110).await;
        assert_eq!(rotate(db, 2, 9, GRACE, 111).await, Rotation::Replayed);
        assert!(is_revoked(db).await);
    }

    async fn once_the_successor_was_used_the_predecessor_is_a_replay(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        rotate(db, 1, 2, GRACE, 100).await;
        rotate(db, 2, 3, GRACE, 101).await;
        assert_eq!(rotate(db, 1, 9, GRACE, 102).await, Rotation::Replayed);
        assert!(is_revoked(db).await);
        // Nothing of the family works any more.
        assert_eq!(rotate(db, 3, 9, GRACE, 103).await, Rotation::Expired);
    }

    async fn the_retried_successor_ends_the_grace_too(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        rotate(db, 1, 2, GRACE, 100).await;
        rotate(db, 1, 3, GRACE, 101).await;
        rotate(db, 3, 4, GRACE, 102).await;
        assert_eq!(rotate(db, 1, 9, GRACE, 103).await, Rotation::Replayed);
    }

    async fn the_grace_ends_with_its_last_second_counted_from_the_first_use(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        rotate(db, 1, 2, GRACE, 100).await;
        assert_eq!(rotate(db, 1, 3, GRACE, 159).await, retried(2));
        assert_eq!(rotate(db, 1, 9, GRACE, 160).await, Rotation::Replayed);
        assert!(is_revoked(db).await);
    }

    async fn the_fourth_retry_is_a_replay(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        rotate(db, 1, 2, GRACE, 100).await;
        for number in 2..=4 {
            assert_eq!(rotate(db, 1, number + 1, GRACE, 100).await, retried(number));
        }
        assert_eq!(rotate(db, 1, 9, GRACE, 100).await, Rotation::Replayed);
        assert!(is_revoked(db).await);
    }

    async fn without_grace_once_means_once(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        assert_eq!(rotate(db, 1, 2, Seconds(0), 100).await, Rotation::Rotated);
        assert_eq!(rotate(db, 1, 3, Seconds(0), 100).await, Rotation::Replayed);
        assert!(is_revoked(db).await);
    }

    async fn an_expired_token_is_refused_and_revokes_nothing(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        let idle = 7 * 86_400;
        assert_eq!(rotate(db, 1, 2, GRACE, idle).await, Rotation::Expired);
        // Nor is one that expires within its grace a replay; it does not work again, though.
        assert_eq!(rotate(db, 1, 2, GRACE, idle - 1).await, Rotation::Rotated);
        assert_eq!(rotate(db, 1, 3, GRACE, idle).await, Rotation::Expired);
        assert!(!is_revoked(db).await);
        assert_eq!(rotate(db, 1, 3, GRACE, idle + 60).await, Rotation::Replayed);
    }

    async fn a_token_does_not_outlive_its_grant(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        let mut late = refresh_token(2, at(0));
        late.expires_at = at(99 * 86_400);
        db.write(async |tx| refresh_tokens::insert(tx, &late).await).await.unwrap();
        assert_eq!(rotate(db, 2, 3, GRACE, 30 * 86_400).await, Rotation::Expired, "the absolute limit");
        db.write(async |tx| grants::revoke(tx, &grant_id("g"), at(1)).await).await.unwrap();
        assert_eq!(rotate(db, 1, 4, GRACE, 2).await, Rotation::Expired, "revoked since it was loaded");
        assert_eq!(refresh_tokens::load(db, &hash(4)).await.unwrap(), None);
    }

    async fn of_fifty_parallel_rotations_without_grace_one_wins(database: TestDatabase) {
        family(&database.db).await;
        let results = race(&database.db, Seconds(0), 50).await;
        assert_eq!(results.iter().filter(|result| **result == Rotation::Rotated).count(), 1);
        assert_eq!(results.iter().filter(|result| **result == Rotation::Replayed).count(), 49);
        assert!(is_revoked(&database.db).await);
    }

    async fn of_parallel_rotations_within_the_grace_each_leaves_one_live_successor(database: TestDatabase) {
        family(&database.db).await;
        let results = race(&database.db, GRACE, 4).await;
        assert_eq!(results.iter().filter(|result| **result == Rotation::Rotated).count(), 1);
        assert_eq!(results.iter().filter(|result| matches!(result, Rotation::Retried { .. })).count(), 3, "{results:?}");
        let mut living = 0;
        for number in 100..104 {
            let (token, ..) = refresh_tokens::load(&database.db, &hash(number)).await.unwrap().unwrap();
            living += i32::from(!token.dead);
        }
        assert_eq!(living, 1);
    }

    /// The client got its answer and uses the successor while the predecessor comes once more: one of the two is the end.
    async fn a_retry_and_the_use_of_the_successor_never_both_succeed(database: TestDatabase) {
        for _ in 0..10 {
            let database = database.another().await;
            let db = &database.db;
            family(db).await;
            rotate(db, 1, 2, GRACE, 100).await;
            let (retry, used) = tokio::join!(rotate(db, 1, 3, GRACE, 101), rotate(db, 2, 4, GRACE, 101));
            let one_won = matches!(
                (&retry, &used),
                (Rotation::Retried { .. }, Rotation::Replayed) | (Rotation::Replayed, Rotation::Rotated)
            );
            assert!(one_won, "{retry:?} {used:?}");
            assert!(is_revoked(db).await);
        }
    }

    async fn a_token_that_stays_has_its_idle_limit_moved(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        assert!(db.write(async |tx| refresh_tokens::extend(tx, &hash(1), at(1_000_000)).await).await.unwrap());
        let (token, ..) = refresh_tokens::load(db, &hash(1)).await.unwrap().unwrap();
        assert_eq!(token.expires_at, at(1_000_000));
        rotate(db, 1, 2, GRACE, 1).await;
        assert!(!db.write(async |tx| refresh_tokens::extend(tx, &hash(1), at(2_000_000)).await).await.unwrap());
    }

    async fn cleaning_up_takes_expired_tokens(database: TestDatabase) {
        let db = &database.db;
        family(db).await;
        let clean = async |now| db.write(async |tx| refresh_tokens::delete_expired(tx, at(now), 9).await).await.unwrap();
        assert_eq!((clean(7 * 86_400 - 1).await, clean(7 * 86_400).await), (0, 1));
    }
}

/// Presents token 1 so often at the same time, for the successors 100, 101, ….
async fn race(db: &Db, grace: Seconds, times: u8) -> Vec<Rotation> {
    let barrier = Arc::new(Barrier::new(times.into()));
    let mut tasks = JoinSet::new();
    for number in 0..times {
        let (db, barrier) = (db.clone(), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            rotate(&db, 1, 100 + number, grace, 100).await
        });
    }
    tasks.join_all().await
}
