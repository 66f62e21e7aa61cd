//! Access tokens: whether one counts.

use ostiary::protocol::confirmation::{Confirmation, Thumbprint};
use ostiary::protocol::scope::Scope;
use ostiary::protocol::token_exchange::{Actor, MayAct};
use ostiary::storage::access_tokens::{self, AccessToken, Authentication, Standing};
use ostiary::storage::users::{self, UserStatus};
use ostiary::storage::{clients, grants};

use super::persona::{anna_and_app_with_a_grant, at, client_id, grant_id, hash, user, user_id};
use crate::support::database::{TestDatabase, on_both};

fn token() -> AccessToken {
    AccessToken {
        hash: hash(1),
        id: "g.jti".to_owned(),
        grant_id: Some(grant_id("g")),
        client_id: client_id("app"),
        user_id: Some(user_id("u-anna")),
        scope: Scope::parse("openid").unwrap(),
        audience: vec!["https://api.example".to_owned(), "https://op.example".to_owned()],
        authorization_details: vec![serde_json::json!({ "type": "payment", "amount": 5 })],
        created_at: at(0),
        expires_at: at(900),
        confirmation: Some(Confirmation::Dpop(Thumbprint::new([8; 32]))),
        // Other than the grant's by now.
        authentication: Some(Authentication { auth_time: Some(at(-9)), acr: "1".to_owned(), amr: vec!["pwd".to_owned()] }),
        subject: None,
        act: Some(Actor { sub: "b".to_owned(), act: Some(Box::new(Actor { sub: "a".to_owned(), act: None })) }),
        may_act: Some(MayAct { sub: "c".to_owned() }),
    }
}

const GOOD: Standing = Standing { revoked: false, user_active: true, grant_live: true };

on_both! {
    async fn a_token_comes_back_as_stored(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        let machine =
            AccessToken { hash: hash(2), id: "jti".to_owned(), grant_id: None, user_id: None, audience: vec![], confirmation: None, authentication: None, subject: Some("other".to_owned()), act: None, may_act: None, ..token() };
        for token in [&token(), &machine] {
            db.write(async |tx| access_tokens::insert(tx, token).await).await.unwrap();
        }
        assert_eq!(access_tokens::load(db, &hash(1), at(1)).await.unwrap(), Some((token(), GOOD)));
        assert_eq!(access_tokens::load(db, &hash(2), at(1)).await.unwrap(), Some((machine, GOOD)));
        assert_eq!(access_tokens::load(db, &hash(3), at(1)).await.unwrap(), None);
    }

    async fn a_token_stands_with_its_grant_and_its_person(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        db.write(async |tx| access_tokens::insert(tx, &token()).await).await.unwrap();
        let standing = async |now| {
            let mut conn = db.read().await.unwrap();
            let of_a_jwt = access_tokens::standing(&mut conn, "g.jti", Some(&grant_id("g")), at(now)).await.unwrap().0;
            // An opaque token goes with its grant, and with that its person.
            if let Some((_, of_an_opaque_token)) = access_tokens::load(db, &hash(1), at(now)).await.unwrap() {
                assert_eq!(of_an_opaque_token, of_a_jwt);
            }
            of_a_jwt
        };
        assert_eq!(standing(1).await, GOOD);
        let whose = access_tokens::standing(&mut db.read().await.unwrap(), "g.jti", Some(&grant_id("g")), at(1)).await.unwrap().1;
        assert_eq!(whose, Some(user_id("u-anna")));
        assert!(GOOD.is_good());
        assert_eq!(standing(30 * 86_400).await, Standing { grant_live: false, ..GOOD });
        let mut anna = user("anna");
        anna.status = UserStatus::Disabled;
        db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap();
        assert_eq!(standing(1).await, Standing { user_active: false, ..GOOD });
        anna.status = UserStatus::Active;
        db.write(async |tx| users::update(tx, &anna, 2).await).await.unwrap();
        db.write(async |tx| access_tokens::revoke(tx, "g.jti", at(900), at(1)).await).await.unwrap();
        assert_eq!(standing(1).await, Standing { revoked: true, ..GOOD });
        db.write(async |tx| grants::revoke(tx, &grant_id("g"), at(1)).await).await.unwrap();
        assert_eq!(standing(1).await, Standing { revoked: true, user_active: true, grant_live: false });
        db.write(async |tx| users::delete(tx, &anna.id).await).await.unwrap();
        assert!(!standing(1).await.is_good());
    }

    async fn a_machines_token_stands_until_it_is_revoked(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        let opaque = AccessToken { id: "jti".to_owned(), grant_id: None, user_id: None, ..token() };
        db.write(async |tx| access_tokens::insert(tx, &opaque).await).await.unwrap();
        let standing = async || {
            let mut conn = db.read().await.unwrap();
            let of_a_jwt = access_tokens::standing(&mut conn, "jti", None, at(1)).await.unwrap().0;
            let (_, of_an_opaque_token) = access_tokens::load(db, &hash(1), at(1)).await.unwrap().unwrap();
            assert_eq!(of_an_opaque_token, of_a_jwt);
            of_a_jwt
        };
        assert_eq!(standing().await, GOOD);
        // Twice is as good as once.
        for _ in 0..2 {
            db.write(async |tx| access_tokens::revoke(tx, "jti", at(900), at(1)).await).await.unwrap();
        }
        assert_eq!(standing().await, Standing { revoked: true, ..GOOD });
        assert!(access_tokens::is_revoked(&mut db.read().await.unwrap(), "jti").await.unwrap());
        assert!(!access_tokens::is_revoked(&mut db.read().await.unwrap(), "JTI").await.unwrap());
    }

    async fn tokens_go_with_their_client(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        db.write(async |tx| access_tokens::insert(tx, &token()).await).await.unwrap();
        db.write(async |tx| clients::delete(tx, &client_id("app")).await).await.unwrap();
        let mut conn = db.read().await.unwrap();
        assert_eq!(access_tokens::load(db, &hash(1), at(1)).await.unwrap(), None);
        assert!(!access_tokens::standing(&mut conn, "g.jti", Some(&grant_id("g")), at(1)).await.unwrap().0.is_good());
    }

    async fn cleaning_up_takes_what_has_expired(database: TestDatabase) {
        let db = &database.db;
        anna_and_app_with_a_grant(db).await;
        db.write(async |tx| access_tokens::insert(tx, &token()).await).await.unwrap();
        db.write(async |tx| access_tokens::revoke(tx, "g.jti", at(900), at(1)).await).await.unwrap();
        for (now, deleted) in [(899, 0), (900, 1), (900, 0)] {
            assert_eq!(db.write(async |tx| access_tokens::delete_expired(tx, at(now), 9).await).await.unwrap(), deleted);
            let revocations = db.write(async |tx| access_tokens::delete_expired_revocations(tx, at(now), 9).await).await;
            assert_eq!(revocations.unwrap(), deleted);
        }
    }
}
