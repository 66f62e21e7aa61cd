//! Names, addresses, and who has them.

use ostiary::protocol::email_address::EmailAddress;
use ostiary::protocol::id::UserId;
use ostiary::protocol::profile::Profile;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::storage::db::Db;
use ostiary::storage::error::Error;
use ostiary::storage::users::User;
use ostiary::storage::{adoption, email_addresses, profiles, users};

use super::persona::{at, user};
use crate::support::database::{TestDatabase, on_both};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

async fn insert(db: &Db, user: &User) -> Result<(), Error> {
    db.write(async |tx| users::insert(tx, user).await).await
}

async fn save(db: &Db, user: &User, text: &str, verified: bool) -> Result<(), Error> {
    db.write(async |tx| email_addresses::save(tx, &user.id, &address(text), verified, at(5)).await).await
}

async fn found(db: &Db, typed: &str) -> Option<UserId> {
    users::find_by_login_name(&mut db.read().await.unwrap(), typed).await.unwrap().map(|user| user.id)
}

on_both! {
    async fn somebody_is_found_by_name_or_proved_address_however_it_is_written(database: TestDatabase) {
        let db = &database.db;
        let anna = user("anna");
        insert(db, &anna).await.unwrap();
        save(db, &anna, "Anna@B\u{fc}cher.example", false).await.unwrap();
        assert_eq!(found(db, "anna@bücher.example").await, None, "a claim is no proof");
        save(db, &anna, "Anna@B\u{fc}cher.example", true).await.unwrap();
        for typed in ["anna", " ANNA", "\u{ff41}nna", "anna@bücher.example", "ANNA@xn--bcher-kva.example "] {
            assert_eq!(found(db, typed).await.as_ref(), Some(&anna.id), "{typed}");
        }
        for typed in ["", "berta", "anna@example.com", "a\0b"] {
            assert_eq!(found(db, typed).await, None, "{typed}");
        }
    }

    async fn an_address_proves_one_person_and_is_nobody_elses_name(database: TestDatabase) {
        let db = &database.db;
        let (anna, berta, by_address) = (user("anna"), user("berta"), user("carla@example.com"));
        for user in [&anna, &berta, &by_address] {
            insert(db, user).await.unwrap();
        }
        save(db, &berta, "anna@example.com", false).await.unwrap();
        save(db, &anna, "anna@example.com", true).await.unwrap();
        assert!(matches!(save(db, &berta, "ANNA@example.com", true).await, Err(Error::Conflict)));
        assert!(matches!(save(db, &berta, "carla@example.com", true).await, Err(Error::Conflict)), "somebody signs in with it");
        save(db, &by_address, "carla@example.com", true).await.unwrap();
        assert!(matches!(insert(db, &user("Anna@Example.com")).await, Err(Error::Conflict)), "somebody proved it");
        let renamed = User { sign_in_name: SignInName::parse("anna@example.com").unwrap(), ..berta.clone() };
        let renaming = db.write(async |tx| users::update(tx, &renamed, renamed.version).await).await;
        assert!(matches!(renaming, Err(Error::Conflict)));
    }

    async fn of_many_who_take_one_address_at_once_one_gets_it(database: TestDatabase) {
        let db = &database.db;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..10 {
            let person = if number % 2 == 0 { user(&format!("person{number}")) } else { user("anna@example.com") };
            let db = db.clone();
            tasks.spawn(async move {
                db.write(async |tx| {
                    users::insert(tx, &person).await?;
                    email_addresses::save(tx, &person.id, &address("anna@example.com"), true, at(5)).await
                })
                .await
            });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(Error::Conflict))), "{results:?}");
    }

    async fn when_the_same_address_is_saved_again_it_stays_proved_since_then(database: TestDatabase) {
        let db = &database.db;
        let anna = user("anna");
        insert(db, &anna).await.unwrap();
        save(db, &anna, "anna@example.com", true).await.unwrap();
        let profile = Profile { email: Some("Anna@Example.com".to_owned()), email_verified: Some(true), name: Some("Anna".to_owned()), ..Profile::default() };
        db.write(async |tx| profiles::save(tx, &anna.id, &profile, at(9)).await).await.unwrap();
        let stored = email_addresses::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!((stored.verified_at, stored.address.as_str()), (Some(at(5)), "Anna@Example.com"));
        let unproved = Profile { email_verified: None, ..profile };
        db.write(async |tx| profiles::save(tx, &anna.id, &unproved, at(10)).await).await.unwrap();
        let (loaded, changed_at) = profiles::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!((loaded.email_verified, changed_at), (Some(false), at(10)));
    }

    async fn a_name_that_looks_like_somebody_elses_is_taken(database: TestDatabase) {
        let db = &database.db;
        insert(db, &user("alice")).await.unwrap();
        assert!(matches!(insert(db, &user("\u{430}lice")).await, Err(Error::Conflict)), "Cyrillic a");
        insert(db, &user("\u{43c}\u{438}\u{440}\u{430}")).await.unwrap();
        insert(db, &user("modern")).await.unwrap();
        insert(db, &user("rnodern")).await.expect("ASCII names alone do not clash");
        let berta = user("berta");
        insert(db, &berta).await.unwrap();
        let renamed = User { sign_in_name: SignInName::parse("al\u{456}ce").unwrap(), ..berta.clone() };
        assert!(matches!(db.write(async |tx| users::update(tx, &renamed, 1).await).await, Err(Error::Conflict)));
        let upper = User { sign_in_name: SignInName::parse("BERTA").unwrap(), ..berta };
        assert!(db.write(async |tx| users::update(tx, &upper, 1).await).await.unwrap(), "nobody clashes with themselves");
    }

    async fn what_an_older_version_kept_among_the_claims_is_taken_over(database: TestDatabase) {
        let db = &database.db;
        let (anna, berta, carla) = (user("anna"), user("berta"), user("\u{430}da"));
        for person in [&anna, &berta, &carla] {
            insert(db, person).await.unwrap();
            db.write(async |tx| {
                let claims = r#"{"name":"A","email":"shared@example.com","email_verified":true}"#;
                tx.query("INSERT INTO profiles (user_id, claims, updated_at) VALUES ($1, $2, $3)").bind(&person.id).bind(claims).bind(at(1)).execute().await?;
                tx.query("UPDATE users SET skeleton = NULL").execute().await
            })
            .await
            .unwrap();
        }
        let (before, _) = profiles::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!((before.email.as_deref(), before.email_verified), (Some("shared@example.com"), Some(true)));

        adoption::adopt(db, at(7)).await.unwrap();
        adoption::adopt(db, at(8)).await.unwrap();
        let mut verified = 0;
        for person in [&anna, &berta, &carla] {
            let (after, _) = profiles::load(&mut db.read().await.unwrap(), &person.id).await.unwrap().unwrap();
            assert_eq!((after.email.as_deref(), after.name.as_deref()), (Some("shared@example.com"), Some("A")));
            verified += usize::from(after.email_verified == Some(true));
        }
        assert_eq!(verified, 1, "an address proves one person");
        assert!(matches!(insert(db, &user("ada")).await, Err(Error::Conflict)), "the names have their skeletons");
    }
}
