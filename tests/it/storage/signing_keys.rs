//! Signing keys: however many nodes rotate at once, one signs.

use ostiary::protocol::id::KeyId;
use ostiary::protocol::jwk::KeyAlgorithm;
use ostiary::storage::error::Error;
use ostiary::storage::signing_keys::{self, KeyState, SigningKey};
use tokio::task::JoinSet;

use super::persona::at;
use crate::support::database::{TestDatabase, on_both};

fn key(id: &str, algorithm: KeyAlgorithm, state: KeyState, created: i64) -> SigningKey {
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        algorithm,
        state,
        sealed: vec![0, 1, 2, 255],
        public_jwk: serde_json::json!({ "kty": "EC", "kid": id }),
        created_at: at(created),
        signing_at: (state == KeyState::Signing).then(|| at(created)),
        retired_at: None,
    }
}

on_both! {
    async fn a_key_goes_through_its_states(database: TestDatabase) {
        let db = &database.db;
        let mut key = key("k1", KeyAlgorithm::ES256, KeyState::Published, 0);
        assert!(db.write(async |tx| signing_keys::insert(tx, &key).await).await.unwrap());
        let set = async |from, to, now| {
            let id = KeyId::parse("k1").unwrap();
            db.write(async |tx| signing_keys::set_state(tx, &id, from, to, at(now)).await).await.unwrap()
        };
        assert!(set(KeyState::Published, KeyState::Signing, 10).await);
        assert!(!set(KeyState::Published, KeyState::Signing, 11).await, "done already");
        assert!(set(KeyState::Signing, KeyState::Retired, 20).await);
        key.state = KeyState::Retired;
        (key.signing_at, key.retired_at) = (Some(at(10)), Some(at(20)));
        assert_eq!(signing_keys::list(&mut db.read().await.unwrap()).await.unwrap(), [key]);
        for (before, deleted) in [(19, 0), (20, 1)] {
            assert_eq!(db.write(async |tx| signing_keys::delete_expired(tx, at(before)).await).await.unwrap(), deleted);
        }
    }

    async fn of_each_algorithm_one_key_signs_and_one_waits(database: TestDatabase) {
        let db = &database.db;
        let insert = async |key: SigningKey| db.write(async |tx| signing_keys::insert(tx, &key).await).await.unwrap();
        assert!(insert(key("a", KeyAlgorithm::ES256, KeyState::Signing, 0)).await);
        assert!(!insert(key("b", KeyAlgorithm::ES256, KeyState::Signing, 0)).await);
        assert!(insert(key("c", KeyAlgorithm::RS256, KeyState::Signing, 1)).await);
        assert!(insert(key("d", KeyAlgorithm::ES256, KeyState::Published, 2)).await);
        assert!(!insert(key("e", KeyAlgorithm::ES256, KeyState::Published, 2)).await);
        let promoted = db
            .write(async |tx| {
                let id = KeyId::parse("d").unwrap();
                signing_keys::set_state(tx, &id, KeyState::Published, KeyState::Signing, at(3)).await
            })
            .await;
        assert!(matches!(promoted, Err(Error::Conflict)), "{promoted:?}");
        let ids: Vec<_> = signing_keys::list(&mut db.read().await.unwrap()).await.unwrap();
        assert_eq!(ids.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    }

    async fn of_nodes_that_start_at_once_one_makes_the_key(database: TestDatabase) {
        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let db = database.another_node().await;
            tasks.spawn(async move {
                let key = key(&format!("k{number}"), KeyAlgorithm::ES256, KeyState::Signing, 0);
                db.write(async |tx| signing_keys::insert(tx, &key).await).await.unwrap()
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(signing_keys::list(&mut database.db.read().await.unwrap()).await.unwrap().len(), 1);
    }
}

#[test]
fn a_key_that_is_printed_shows_nothing_of_itself() {
    let printed = format!("{:?}", key("k1", KeyAlgorithm::ES256, KeyState::Signing, 0));
    assert!(!printed.contains("255"), "{printed}");
}
