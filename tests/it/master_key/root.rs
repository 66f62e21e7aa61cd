//! In the database: where the root comes from, who opens it, and what becomes of one that somebody touched.

use ostiary::audit::{self as events, Kind, Origin};
use ostiary::keys::evidence::EvidenceKey;
use ostiary::keys::master::MasterKey;
use ostiary::keys::root::{Addition, CHECK, Removal, Root, RootError, accept, drop_key};
use ostiary::protocol::client::{ClientMetadata, SubjectType};
use ostiary::random;
use ostiary::storage::audit::{self, Actor, Event};
use ostiary::storage::db::Db;
use ostiary::storage::instance;
use ostiary::storage::master_keys::{self, Accepted};

use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, enter_recovery_code, give_app, give_recovery_codes, half_way};
use crate::support::flow::{AuthorizationUrl, authorize, claims, redeem, refresh, text};
use crate::support::server::{Persona, START, TestServer};

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

fn event(kind: Kind) -> Event {
    let origin = Origin { at: START, address: None, trace_id: random::identifier() };
    Event { actor: Actor::CommandLine, ..events::event(kind, origin) }
}

async fn open(db: &Db, key: &MasterKey) -> Result<Root, RootError> {
    Root::open(db, key, START).await
}

async fn add(db: &Db, by: &MasterKey, new: &MasterKey) -> Result<Addition, RootError> {
    accept(db, by, new, &event(Kind::MasterKeyAdded)).await
}

async fn remove(db: &Db, by: &MasterKey, old: &MasterKey) -> Result<Removal, RootError> {
    drop_key(db, by, &old.fingerprint(), &event(Kind::MasterKeyDropped)).await
}

async fn accepted(db: &Db) -> Vec<Accepted> {
    master_keys::list(&mut db.read().await.unwrap()).await.unwrap()
}

async fn sql(db: &Db, statement: &'static str) {
    db.write(async |tx| tx.query(statement).execute().await.map(drop)).await.unwrap();
}

/// What a database of before there was a root says of the key that it was made with.
async fn made_with(db: &Db, key: [u8; 32]) {
    let check = Root::from_bytes(key).derive("check");
    db.write(async |tx| instance::insert_if_absent(tx, CHECK, check.as_slice()).await.map(drop)).await.unwrap();
}

#[track_caller]
fn assert_same(one: &Root, other: &Root) {
    assert!(one.derive("x") == other.derive("x"), "two roots");
}

/// Each opens the database over connections of its own, at the same moment.
async fn open_at_once(database: &TestDatabase, keys: Vec<MasterKey>) -> Vec<Result<Root, RootError>> {
    let mut nodes = tokio::task::JoinSet::new();
    for key in keys {
        let db = database.another_node().await;
        nodes.spawn(async move { open(&db, &key).await });
    }
    nodes.join_all().await
}

on_both! {
    async fn nodes_that_start_at_once_on_an_empty_database_have_one_root(database: TestDatabase) {
        let roots: Vec<_> = open_at_once(&database, vec![key(1); 5]).await.into_iter().map(Result::unwrap).collect();
        for root in &roots {
            assert_same(root, &roots[0]);
        }
        assert!(roots[0].derive("x") != Root::from_bytes([1; 32]).derive("x"), "it is the master key itself");
        assert_eq!(accepted(&database.db).await.len(), 1);
        assert_same(&open(&database.db, &key(1)).await.unwrap(), &roots[0]);

        let other = database.another().await;
        assert!(open(&other.db, &key(1)).await.unwrap().derive("x") != roots[0].derive("x"), "it is the same everywhere");
    }

    async fn of_nodes_with_different_keys_one_begins_and_the_others_are_refused(database: TestDatabase) {
        let outcomes = open_at_once(&database, (1..=5).map(key).collect()).await;
        let accepted = accepted(&database.db).await;
        assert_eq!(accepted.len(), 1);
        let (begun, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((begun.len(), refused.len()), (1, 4));
        for refused in refused {
            let sentence = refused.unwrap_err().to_string();
            assert!(sentence.contains(&accepted[0].fingerprint) && sentence.contains("keys.master_key_file"), "{sentence}");
        }
    }

    async fn a_database_of_before_keeps_everything_that_was_derived_from_its_key(database: TestDatabase) {
        let db = &database.db;
        made_with(db, [1; 32]).await;
        assert!(matches!(open(db, &key(2)).await, Err(RootError::Wrong)));
        assert_eq!(accepted(db).await, [], "nothing is accepted that did not make it");
        for root in open_at_once(&database, vec![key(1); 3]).await {
            assert_same(&root.unwrap(), &Root::from_bytes([1; 32]));
        }
        assert_eq!(accepted(db).await.len(), 1);
        assert!(matches!(open(db, &key(2)).await, Err(RootError::NotAccepted { .. })));
    }

    async fn two_keys_open_one_root_until_one_is_dropped(database: TestDatabase) {
        for before in [false, true] {
            let database = database.another().await;
            let db = &database.db;
            if before {
                made_with(db, [1; 32]).await;
            }
            let root = open(db, &key(1)).await.unwrap();
            assert_eq!(add(db, &key(1), &key(2)).await.unwrap(), Addition::Added);
            assert_eq!(add(db, &key(1), &key(2)).await.unwrap(), Addition::Known, "a second time");
            assert_eq!(add(db, &key(2), &key(1)).await.unwrap(), Addition::Known, "and the other way round");
            for accepted in [key(1), key(2)] {
                assert_same(&open(db, &accepted).await.unwrap(), &root);
            }
            assert_eq!(remove(db, &key(2), &key(2)).await.unwrap(), Removal::InUse);
            assert_eq!(remove(db, &key(2), &key(3)).await.unwrap(), Removal::Unknown);
            assert_eq!(remove(db, &key(2), &key(1)).await.unwrap(), Removal::Dropped);
            assert_eq!(remove(db, &key(2), &key(1)).await.unwrap(), Removal::Unknown);
            assert_same(&open(db, &key(2)).await.unwrap(), &root);

            let Err(RootError::NotAccepted { given, accepted }) = open(db, &key(1)).await else { panic!("it opens still") };
            assert_eq!((given, accepted), (key(1).fingerprint(), key(2).fingerprint()));
            // Nor does it come back by itself: not even the key that the root consists of.
            assert!(matches!(add(db, &key(1), &key(3)).await, Err(RootError::NotAccepted { .. })));
            assert!(matches!(remove(db, &key(1), &key(2)).await, Err(RootError::NotAccepted { .. })));
        }
    }

    async fn two_who_drop_each_others_key_leave_one(database: TestDatabase) {
        let db = &database.db;
        open(db, &key(1)).await.unwrap();
        let root = open(db, &key(1)).await.unwrap();
        let mut last = key(1);
        for round in 0..10 {
            let next = key(100 + round);
            add(db, &last, &next).await.unwrap();
            let (here, there) = (database.another_node().await, database.another_node().await);
            let (one, other) = tokio::join!(remove(&here, &last, &next), remove(&there, &next, &last));
            let dropped = [&one, &other].iter().filter(|removal| matches!(removal, Ok(Removal::Dropped))).count();
            assert_eq!(dropped, 1, "{one:?} {other:?}");
            let left = accepted(db).await;
            assert_eq!(left.len(), 1);
            last = [last, next].into_iter().find(|key| key.fingerprint() == left[0].fingerprint).expect("one of the two");
            assert_same(&open(db, &last).await.unwrap(), &root);
        }
    }

    async fn what_somebody_changed_opens_nothing_and_nothing_is_made_up(database: TestDatabase) {
        let db = &database.db;
        let root = open(db, &key(1)).await.unwrap();
        EvidenceKey::open(db, &root).await.unwrap();
        add(db, &key(1), &key(2)).await.unwrap();
        let whole = accepted(db).await;
        let (one, other) = (&whole[0], &whole[1]);
        let mut flipped = one.sealed_root.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for sealed in [&flipped, &other.sealed_root, &Vec::new()] {
            overwrite(db, &one.fingerprint, sealed).await;
            let opened = [open(db, &key(1)).await, open(db, &key(2)).await];
            assert_eq!(opened.iter().filter(|opened| matches!(opened, Err(RootError::Changed(_)))).count(), 1, "{opened:?}");
        }
        // Of an installation's other database: it opens, and is another root.
        let foreign = database.another().await;
        let key_of_other = MasterKey::from_bytes(if one.fingerprint == key(1).fingerprint() { [1; 32] } else { [2; 32] });
        open(&foreign.db, &key_of_other).await.unwrap();
        overwrite(db, &one.fingerprint, &accepted(&foreign.db).await[0].sealed_root).await;
        assert!(matches!(open(db, &key_of_other).await, Err(RootError::Changed(_))));
        overwrite(db, &one.fingerprint, &one.sealed_root).await;
        open(db, &key(1)).await.unwrap();

        sql(db, "DELETE FROM master_keys").await;
        assert!(matches!(open(db, &key(1)).await, Err(RootError::Wrong)));
        sql(db, "DELETE FROM instance WHERE name = 'master_key_check'").await;
        assert!(matches!(open(db, &key(1)).await, Err(RootError::Gone)));
        assert_eq!(accepted(db).await, []);
    }

    async fn each_change_is_one_entry_of_the_audit_log(database: TestDatabase) {
        let db = &database.db;
        let root = open(db, &key(1)).await.unwrap();
        EvidenceKey::open(db, &root).await.unwrap();
        add(db, &key(1), &key(2)).await.unwrap();
        add(db, &key(1), &key(2)).await.unwrap();
        remove(db, &key(2), &key(3)).await.unwrap();
        remove(db, &key(2), &key(2)).await.unwrap();
        remove(db, &key(2), &key(1)).await.unwrap();
        assert!(remove(db, &key(1), &key(2)).await.is_err());
        let page = ostiary::storage::page::Page::first(50);
        let found = audit::list(&mut db.read().await.unwrap(), &audit::AuditFilter::default(), &page).await.unwrap().items;
        let mut kinds: Vec<_> = found.into_iter().map(|entry| entry.kind).collect();
        kinds.sort();
        assert_eq!(kinds, ["master_key.added", "master_key.dropped"]);
    }

    /// H7: an installation of before, with people in it, gets another master key, and loses its first one.
    async fn nobody_notices_that_the_master_key_was_replaced(database: TestDatabase) {
        let server = TestServer::start(database).await;
        // Everything there is hangs on this key, as it did before there was a root.
        made_with(&server.state.db, [7; 32]).await;
        open(&server.state.db, &key(7)).await.unwrap();

        let anna = server.person("anna").await;
        let ben = server.person("ben").await;
        let (app, codes) = (give_app(&server, &ben).await, give_recovery_codes(&server, &ben).await);
        let pairwise = |metadata: &mut ClientMetadata| metadata.subject_type = SubjectType::Pairwise;
        let client = server.client(Persona::Web, pairwise).await;
        let url = AuthorizationUrl::new(&client);
        let mut browser = server.browser();
        let code = authorize(&mut browser, &url, "anna").await["code"].clone();
        let unspent = authorize(&mut browser, &url, "anna").await["code"].clone();
        let tokens = redeem(&server, &client, &code).await.json();
        let (mut half, page) = half_way(&server, "ben").await;

        add(&server.state.db, &key(7), &key(8)).await.unwrap();
        let beside = server.reopened(open(&server.state.db, &key(7)).await.unwrap()).await;
        assert_eq!(beside.userinfo(&text(&tokens, "access_token")).await.status, 200, "who starts with the old key meanwhile");
        remove(&server.state.db, &key(8), &key(7)).await.unwrap();
        let after = server.reopened(open(&server.state.db, &key(8)).await.unwrap()).await;

        // The secret of the client, a code that was not yet redeemed, tokens, and by which name the client knows her.
        let later = redeem(&after, &client, &unspent).await;
        assert_eq!(later.status, 200, "{later:#?}");
        let sub = |tokens: &serde_json::Value| text(&claims(&text(tokens, "id_token")), "sub");
        assert_eq!(sub(&later.json()), sub(&tokens));
        assert_ne!(sub(&tokens), anna.id.as_str());
        let refreshed = refresh(&after, &client, &text(&tokens, "refresh_token")).await.json();
        assert_eq!(sub(&refreshed), sub(&tokens));
        assert_eq!(after.userinfo(&text(&tokens, "access_token")).await.status, 200);
        // Her session; his login that was under way, with the app; the password and a recovery code.
        let mut there = after.browser();
        there.cookies = browser.cookies.clone();
        assert!(there.get(&url.clone().with("prompt", "none").path()).await.redirect_params().contains_key("code"));
        let mut going_on = after.browser();
        going_on.cookies = std::mem::take(&mut half.cookies);
        let inside = enter_code(&mut going_on, &page, &code_of(&after, &app, 0)).await;
        assert_eq!(inside.url, "/account", "{inside:#?}");
        let (mut again, page) = half_way(&after, "ben").await;
        let inside = enter_recovery_code(&mut again, &page, &codes[0]).await;
        assert_eq!(inside.url, "/account", "{inside:#?}");
    }
}

async fn overwrite(db: &Db, fingerprint: &str, sealed: &[u8]) {
    let changed = db.write(async |tx| {
        let update = tx.query("UPDATE master_keys SET sealed_root = $2 WHERE fingerprint = $1").bind(fingerprint).bind(sealed);
        update.execute().await
    });
    assert_eq!(changed.await.unwrap(), 1);
}
