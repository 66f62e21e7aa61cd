//! The life of the signing keys in the database, on both databases: first start, rotation, races, tampering.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use ostiary::config::{KeysConfig, TokenConfig};
use ostiary::jobs::key_rotation::by_the_server;
use ostiary::keys::encryption::Recipient;
use ostiary::keys::ring::{KeyRing, KeyState};
use ostiary::keys::root::Root;
use ostiary::keys::store::{KeyError, Rotation, When};
use ostiary::protocol::client::{Algorithm, ContentEncryption, Encryption, KeyManagement};
use ostiary::protocol::foreign_jwk::ForeignJwk;
use ostiary::protocol::jwe::{Content, Jwe};
use ostiary::protocol::jwk::KeyAlgorithm;
use ostiary::protocol::jwt::TokenType;
use ostiary::protocol::time::Timestamp;
use ostiary::storage::db::Db;
use ostiary::storage::page::Page;
use ostiary::storage::signing_keys::{self, SigningKey};
use ostiary::storage::{audit, error};
use serde_json::{Value, json};

use crate::support::database::{TestDatabase, on_both};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn root() -> Root {
    Root::from_bytes([9; 32])
}

async fn open(db: &Db, seconds: i64) -> Arc<KeyRing> {
    try_open(db, &root(), seconds).await.expect("a ring")
}

async fn try_open(db: &Db, root: &Root, seconds: i64) -> Result<Arc<KeyRing>, KeyError> {
    // RS256 is there whatever is configured.
    let keys = KeysConfig { algorithms: vec![Algorithm::ES256], ..KeysConfig::default() };
    KeyRing::open(db, root, &keys, &TokenConfig::default(), &by_the_server(at(seconds))).await
}

async fn rows(db: &Db) -> Vec<SigningKey> {
    signing_keys::list(&mut db.read().await.unwrap()).await.unwrap()
}

async fn count(db: &Db, state: KeyState) -> usize {
    rows(db).await.iter().filter(|row| row.algorithm == KeyAlgorithm::ES256 && row.state == state).count()
}

async fn rotate(ring: &KeyRing, db: &Db, when: When, seconds: i64) -> Rotation {
    let event = by_the_server(at(seconds));
    ring.rotate(db, KeyAlgorithm::ES256, when, &event).await.unwrap()
}

async fn maintain(ring: &KeyRing, db: &Db, seconds: i64) {
    let event = by_the_server(at(seconds));
    ring.maintain(db, &event).await.unwrap();
}

fn token(ring: &KeyRing) -> String {
    ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({"aud": "api", "exp": 9_999_999_999_u64})).unwrap()
}

fn verifies(ring: &KeyRing, token: &str) -> bool {
    ring.verify::<Value>(token, TokenType::AccessToken).is_ok()
}

fn jwks(ring: &KeyRing) -> JwkSet {
    serde_json::from_slice(&ring.jwks().body).unwrap()
}

/// A resource server that keeps the JWKS and does not ask again.
fn verifies_offline(jwks: &JwkSet, token: &str) -> bool {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let Some(key) = jwks.find(&kid) else { return false };
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["api"]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_ok()
}

on_both! {
    async fn the_first_start_makes_keys_that_sign_and_the_next_start_finds_them(database: TestDatabase) {
        let db = &database.db;
        let first = open(db, 0).await;
        // ES256 was configured; RS256 is always there.
        assert_eq!(first.algorithms(), [Algorithm::RS256, Algorithm::ES256]);
        let before = token(&first);
        let second = open(db, HOUR).await;
        assert_eq!(first.jwks().etag, second.jwks().etag);
        assert!(verifies(&second, &before));
        // And one of each kind that others encrypt with.
        assert_eq!(rows(db).await.len(), 4);
    }

    async fn an_algorithm_that_was_taken_out_is_offered_no_more_and_still_works(database: TestDatabase) {
        let db = &database.db;
        let all = KeysConfig { algorithms: vec![Algorithm::EdDSA], ..KeysConfig::default() };
        let before = KeyRing::open(db, &root(), &all, &TokenConfig::default(), &by_the_server(at(0))).await.unwrap();
        assert_eq!(before.algorithms(), [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
        let after = open(db, HOUR).await;
        assert_eq!(after.algorithms(), [Algorithm::RS256, Algorithm::ES256]);
        let token = after.sign(Algorithm::EdDSA, TokenType::AccessToken, &json!({})).unwrap();
        assert!(verifies(&after, &token));
    }

    async fn nodes_that_start_at_once_agree_on_one_key_for_each_algorithm(database: TestDatabase) {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            let db = if database.is_postgres() { database.another_node().await } else { database.db.clone() };
            nodes.push(tokio::spawn(async move { open(&db, 0).await }));
        }
        let mut etags = Vec::new();
        for node in nodes {
            etags.push(node.await.unwrap().jwks().etag);
        }
        etags.dedup();
        assert_eq!(etags.len(), 1);
        assert_eq!(count(&database.db, KeyState::Signing).await, 1);
        assert_eq!(rows(&database.db).await.len(), 4);
    }

    async fn a_rotation_by_command_publishes_first_and_signs_a_day_later(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        let old = token(&ring);
        let cached = jwks(&ring);

        let Rotation::Published { kid, signs_at } = rotate(&ring, db, When::Known, HOUR).await else { panic!("not published") };
        assert_eq!(signs_at, at(HOUR + DAY));
        assert!(verifies_offline(&cached, &token(&ring)), "the old key still signs");
        // A second command changes nothing.
        assert_eq!(rotate(&ring, db, When::Known, 2 * HOUR).await, Rotation::Published { kid: kid.clone(), signs_at });

        maintain(&ring, db, HOUR + DAY - 1).await;
        let cached = jwks(&ring);
        assert!(!jsonwebtoken::decode_header(token(&ring)).unwrap().kid.unwrap().contains(kid.as_str()));
        maintain(&ring, db, HOUR + DAY).await;
        let new = token(&ring);
        assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid.as_deref(), Some(kid.as_str()));
        assert!(verifies_offline(&cached, &new), "who kept the JWKS knew the key before it signed");
        assert!(verifies_offline(&jwks(&ring), &old), "and what was signed before still counts");

        // The old key stays for the longest token and a day, and then goes.
        maintain(&ring, db, HOUR + 3 * DAY - 1).await;
        assert!(verifies(&ring, &old));
        maintain(&ring, db, HOUR + 3 * DAY).await;
        assert!(!verifies(&ring, &old));
        assert_eq!(count(db, KeyState::Retired).await, 0);
    }

    async fn keys_rotate_by_themselves_after_ninety_days(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        maintain(&ring, db, 89 * DAY - 1).await;
        assert_eq!((count(db, KeyState::Signing).await, count(db, KeyState::Published).await), (1, 0));
        maintain(&ring, db, 89 * DAY).await;
        assert_eq!((count(db, KeyState::Signing).await, count(db, KeyState::Published).await), (1, 1));
        let cached = jwks(&ring);
        maintain(&ring, db, 90 * DAY).await;
        assert_eq!((count(db, KeyState::Signing).await, count(db, KeyState::Published).await), (1, 0));
        assert_eq!(count(db, KeyState::Retired).await, 1);
        assert!(verifies_offline(&cached, &token(&ring)));
    }

    async fn a_rotation_now_signs_with_the_next_key_at_once(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        let old = token(&ring);
        let Rotation::Signing { kid } = rotate(&ring, db, When::Now, HOUR).await else { panic!("not in use") };
        let new = token(&ring);
        assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid.as_deref(), Some(kid.as_str()));
        assert!(verifies(&ring, &old) && verifies(&ring, &new));

        // A key that waits is taken first.
        let Rotation::Published { kid, .. } = rotate(&ring, db, When::Known, 2 * HOUR).await else { panic!("not published") };
        assert_eq!(rotate(&ring, db, When::Now, 3 * HOUR).await, Rotation::Signing { kid });
        assert_eq!((count(db, KeyState::Signing).await, count(db, KeyState::Retired).await), (1, 2));
    }

    async fn one_key_signs_however_many_nodes_rotate_at_once(database: TestDatabase) {
        open(&database.db, 0).await;
        for when in [When::Now, When::Known, When::Now] {
            let mut nodes = Vec::new();
            for _ in 0..6 {
                let db = if database.is_postgres() { database.another_node().await } else { database.db.clone() };
                nodes.push(tokio::spawn(async move {
                    let ring = open(&db, HOUR).await;
                    rotate(&ring, &db, when, HOUR).await
                }));
            }
            for node in nodes {
                node.await.unwrap();
            }
            assert_eq!(count(&database.db, KeyState::Signing).await, 1, "{when:?}");
            assert!(count(&database.db, KeyState::Published).await <= 1, "{when:?}");
        }
    }

    async fn rotating_under_load_makes_no_token_invalid(database: TestDatabase) {
        let db = database.db.clone();
        let (signing, verifying) = (open(&db, 0).await, open(&db, 0).await);
        tokio::spawn(verifying.follow(&db));
        let rotating = tokio::spawn({
            let (ring, db) = (Arc::clone(&signing), db.clone());
            async move {
                for round in 0..5 {
                    let now = HOUR + round * 2 * DAY;
                    rotate(&ring, &db, When::Known, now).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    maintain(&ring, &db, now + DAY).await;
                }
            }
        });
        let (mut tokens, mut kids) = (0, std::collections::BTreeSet::new());
        while !rotating.is_finished() {
            // The resource server keeps the JWKS of the other node for a while.
            let (fetched, cached) = (Instant::now(), jwks(&verifying));
            while fetched.elapsed() < Duration::from_millis(10) {
                let token = token(&signing);
                if fetched.elapsed() > Duration::from_millis(40) {
                    break; // This thread had to wait, and the promise holds for a cache that is younger than the lead.
                }
                assert!(verifies_offline(&cached, &token) && verifies(&verifying, &token), "token {tokens}");
                kids.insert(jsonwebtoken::decode_header(&token).unwrap().kid.unwrap());
                tokens += 1;
            }
            tokio::task::yield_now().await;
        }
        rotating.await.unwrap();
        assert!(kids.len() >= 4, "{} keys signed {tokens} tokens", kids.len());
    }

    async fn a_change_reaches_the_other_ring_by_itself(database: TestDatabase) {
        let db = &database.db;
        let (here, there) = (open(db, 0).await, open(db, 0).await);
        tokio::spawn(there.follow(db));
        rotate(&here, db, When::Now, HOUR).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while here.jwks().etag != there.jwks().etag {
            assert!(Instant::now() < deadline, "the other ring has not heard of the rotation");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn rows_that_were_exchanged_or_changed_do_not_open(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        rotate(&ring, db, When::Known, HOUR).await;
        let keys: Vec<_> = rows(db).await.into_iter().filter(|row| row.algorithm == KeyAlgorithm::ES256).collect();
        let (a, b) = (keys[0].clone(), keys[1].clone());
        let mut flipped = a.sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for sealed in [b.sealed.clone(), flipped] {
            overwrite(db, &a, &sealed).await;
            let opened = try_open(db, &root(), HOUR).await;
            assert!(matches!(opened, Err(KeyError::Unopened(id)) if id == a.id));
            // A server that runs keeps the keys that it knows.
            assert!(verifies(&ring, &token(&ring)));
        }
        overwrite(db, &a, &a.sealed).await;
        open(db, HOUR).await;
    }

    async fn another_root_opens_none_of_them(database: TestDatabase) {
        open(&database.db, 0).await;
        assert!(matches!(try_open(&database.db, &Root::random(), 0).await, Err(KeyError::Unopened(_))));
    }

    async fn each_step_in_a_keys_life_is_one_audit_event(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        rotate(&ring, db, When::Known, HOUR).await;
        rotate(&ring, db, When::Known, HOUR).await;
        maintain(&ring, db, HOUR + DAY).await;
        maintain(&ring, db, HOUR + DAY).await;
        maintain(&ring, db, HOUR + 3 * DAY).await;
        let page = Page { after: None, limit: 50 };
        let entries = audit::list(&mut db.read().await.unwrap(), &audit::AuditFilter::default(), &page).await.unwrap();
        let mut kinds: Vec<_> = entries.items.into_iter().map(|entry| entry.kind).collect();
        kinds.sort();
        assert_eq!(kinds, ["key.created", "key.created", "key.created", "key.created", "key.created", "key.retired", "key.rotated"]);
    }

    async fn a_key_to_encrypt_with_is_made_before_it_is_published_and_decrypts_after_it_was(database: TestDatabase) {
        let db = &database.db;
        let ring = open(db, 0).await;
        let published = |ring: &KeyRing| -> Vec<Value> {
            let jwks: Value = serde_json::from_slice(&ring.jwks().body).unwrap();
            jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc" && key["kty"] == "EC").cloned().collect()
        };
        let encrypted = |jwk: &Value| {
            let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
            let recipient = Recipient::new(ForeignJwk::parse(jwk).unwrap()).unwrap();
            recipient.encrypt(encryption, Content::Nested, b"x").unwrap()
        };
        let decrypts = |ring: &KeyRing, text: &str| ring.decrypt(&Jwe::parse(text).unwrap()).is_ok();
        let rotate = async |when, seconds| {
            let event = by_the_server(at(seconds));
            ring.rotate(db, KeyAlgorithm::EcdhEs, when, &event).await.unwrap()
        };
        let first = published(&ring);
        let old = encrypted(&first[0]);
        let Rotation::Published { kid, .. } = rotate(When::Known, HOUR).await else { panic!("not made") };
        assert_eq!(published(&ring), first, "nobody encrypts with it before every node has it");
        let elsewhere = open(db, HOUR + DAY - 1).await;
        maintain(&ring, db, HOUR + DAY).await;
        let second = published(&ring);
        assert_eq!((second.len(), &second[0]["kid"]), (1, &json!(kid)));
        let new = encrypted(&second[0]);
        assert!(decrypts(&elsewhere, &new), "another node has not even heard of the change");
        assert!(decrypts(&ring, &new) && decrypts(&ring, &old));
        maintain(&ring, db, HOUR + 3 * DAY - 1).await;
        assert!(decrypts(&ring, &old));
        maintain(&ring, db, HOUR + 3 * DAY).await;
        assert!(decrypts(&ring, &new) && !decrypts(&ring, &old));
    }
}

/// Writes into the table as somebody would who has the database and not the root.
async fn overwrite(db: &Db, row: &SigningKey, sealed: &[u8]) {
    db.write(async |tx| {
        tx.query("UPDATE signing_keys SET sealed = $2 WHERE id = $1").bind(&row.id).bind(sealed).execute().await?;
        Ok::<_, error::Error>(())
    })
    .await
    .unwrap();
}
