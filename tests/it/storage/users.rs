//! People and their profiles.

use ostiary::protocol::claims::Profile;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::storage::error::Error;
use ostiary::storage::page::Page;
use ostiary::storage::users::{self, UserFilter, UserStatus};
use ostiary::storage::{instance, profiles};
use secrecy::{ExposeSecret, SecretString};

use super::persona::{at, user, user_id};
use crate::support::database::{TestDatabase, on_both};

fn names(users: &[users::User]) -> Vec<&str> {
    users.iter().map(|user| user.sign_in_name.as_str()).collect()
}

on_both! {
    async fn a_person_comes_back_as_stored(database: TestDatabase) {
        let db = &database.db;
        let mut anna = user("Anna");
        anna.password_hash = Some("$argon2id$v=19$…".to_owned().into());
        anna.password_changed_at = Some(at(-1));
        anna.roles = vec!["admin".to_owned(), "Équipe".to_owned()];
        db.write(async |tx| users::insert(tx, &anna).await).await.unwrap();

        let mut conn = db.read().await.unwrap();
        let stored = users::by_canonical_name(&mut conn, "anna").await.unwrap().unwrap();
        assert_eq!(stored.id, anna.id);
        assert_eq!(stored.sign_in_name.as_str(), "Anna");
        assert_eq!(stored.password_hash.unwrap().expose_secret(), "$argon2id$v=19$…");
        assert_eq!(stored.password_changed_at, Some(at(-1)));
        assert_eq!((stored.status, stored.roles, stored.version), (UserStatus::Active, anna.roles.clone(), 1));
        assert_eq!((stored.created_at, stored.updated_at), (at(0), at(0)));
        assert!(users::by_id(&mut conn, &anna.id).await.unwrap().is_some());
        assert!(users::by_canonical_name(&mut conn, "Anna").await.unwrap().is_none());
        assert!(users::by_id(&mut conn, &user_id("nobody")).await.unwrap().is_none());
    }

    async fn two_spellings_of_a_name_are_one_person(database: TestDatabase) {
        let db = &database.db;
        db.write(async |tx| users::insert(tx, &user("anna@example.com")).await).await.unwrap();
        let mut again = user("ANNA@example.com");
        again.id = user_id("another");
        let result = db.write(async |tx| users::insert(tx, &again).await).await;
        assert!(matches!(result, Err(Error::Conflict)), "{result:?}");

        // Neither can somebody be renamed to it.
        let mut bert = user("bert");
        db.write(async |tx| users::insert(tx, &bert).await).await.unwrap();
        bert.sign_in_name = SignInName::parse("Anna@Example.com").unwrap();
        let result = db.write(async |tx| users::update(tx, &bert, 1).await).await;
        assert!(matches!(result, Err(Error::Conflict)), "{result:?}");
    }

    async fn a_conflict_that_was_handled_leaves_the_transaction_alive(database: TestDatabase) {
        let db = &database.db;
        let inserted = db
            .write(async |tx| {
                users::insert(tx, &user("anna")).await?;
                let again = users::insert(tx, &user("anna")).await;
                assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
                instance::insert_if_absent(tx, "after", b"1").await
            })
            .await;
        assert_eq!(inserted.unwrap(), b"1");
        assert!(users::by_canonical_name(&mut db.read().await.unwrap(), "anna").await.unwrap().is_some());
    }

    async fn an_update_of_another_version_changes_nothing(database: TestDatabase) {
        let db = &database.db;
        let mut anna = user("anna");
        db.write(async |tx| users::insert(tx, &anna).await).await.unwrap();
        anna.status = UserStatus::Disabled;
        anna.updated_at = at(10);
        assert!(db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap());
        anna.status = UserStatus::Active;
        assert!(!db.write(async |tx| users::update(tx, &anna, 1).await).await.unwrap());
        let stored = users::by_id(&mut db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.version, stored.updated_at), (UserStatus::Disabled, 2, at(10)));
    }

    async fn a_rehash_does_not_bring_an_old_password_back(database: TestDatabase) {
        let db = &database.db;
        let [old, new, rehashed] = ["old", "new", "rehashed"].map(SecretString::from);
        let mut anna = user("anna");
        anna.password_hash = Some(old.clone());
        db.write(async |tx| users::insert(tx, &anna).await).await.unwrap();
        assert!(db.write(async |tx| users::set_password(tx, &anna.id, &new, at(5)).await).await.unwrap());
        assert!(!db.write(async |tx| users::rehash(tx, &anna.id, &old, &rehashed).await).await.unwrap());
        assert!(db.write(async |tx| users::rehash(tx, &anna.id, &new, &rehashed).await).await.unwrap());
        let stored = users::by_id(&mut db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!(stored.password_hash.unwrap().expose_secret(), "rehashed");
        // A rehash is no change that anybody should see.
        assert_eq!((stored.password_changed_at, stored.version), (Some(at(5)), 2));
    }

    async fn people_are_listed_page_by_page(database: TestDatabase) {
        let db = &database.db;
        for name in ["c", "A", "e", "b", "D"] {
            db.write(async |tx| users::insert(tx, &user(name)).await).await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        let mut page = Page::first(2);
        let mut seen = Vec::new();
        loop {
            let listed = users::list(&mut conn, &UserFilter::default(), &page).await.unwrap();
            assert!(listed.items.len() <= 2);
            seen.extend(names(&listed.items).into_iter().map(str::to_owned));
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, ["A", "b", "c", "D", "e"]);
        // A page that ends with the list has none after it.
        page = Page::first(5);
        assert_eq!(users::list(&mut conn, &UserFilter::default(), &page).await.unwrap().next, None);
    }

    async fn a_searched_name_may_hold_wildcards_and_capitals(database: TestDatabase) {
        let db = &database.db;
        for name in ["max_power", "maxxpower", "100%sure", "100xsure", "ÉLODIE"] {
            db.write(async |tx| users::insert(tx, &user(name)).await).await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        for (searched, found) in
            [("X_P", vec!["max_power"]), ("0%S", vec!["100%sure"]), ("Élod", vec!["ÉLODIE"]), ("\\", vec![]), ("%", vec!["100%sure"])]
        {
            let filter = UserFilter { name_contains: Some(searched.to_owned()), ..UserFilter::default() };
            let listed = users::list(&mut conn, &filter, &Page::first(10)).await.unwrap();
            assert_eq!(names(&listed.items), found, "{searched}");
        }
    }

    /// Whatever the salts are: what is told apart is what takes a time of its own.
    async fn hashes_are_counted_by_their_kind(database: TestDatabase) {
        let db = &database.db;
        let own = |salt: &str, hash: &str| format!("$argon2id$v=19$m=64,t=1,p=1${salt}${hash}");
        let bcrypt = |cost: u8, rest: &str| format!("$imported$$2b${cost:02}${rest}");
        let scrypt = |rounds: u8, salt: &str| format!("$imported$$scrypt$ln={rounds},r=8,p=1${salt}$cXJzdA==");
        let of_people = [
            own("c2FsdHNhbHRzYWx0", "aGFzaDE"),
            own("cGVwcGVycGVwcGVy", "aGFzaDI"),
            own("c2FsdC4vK3BlcHBl", "aGFzaDM"),
            bcrypt(5, "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            bcrypt(5, "DDDDDDDDDDDDDDDDDDDDD.E5YPO9kmyuRGyh0XouQYb4YMJKvyO/."),
            bcrypt(12, "DDDDDDDDDDDDDDDDDDDDD.E5YPO9kmyuRGyh0XouQYb4YMJKvyO/."),
            scrypt(8, "c2FsdA"),
            scrypt(9, "c2FsdB"),
        ];
        for (number, hash) in of_people.iter().enumerate() {
            let person = ostiary::storage::users::User { password_hash: Some(hash.as_str().into()), ..user(&format!("name{number}")) };
            db.write(async |tx| users::insert(tx, &person).await).await.unwrap();
        }
        db.write(async |tx| users::insert(tx, &user("without")).await).await.unwrap();
        let kinds = users::password_kinds(&mut db.read().await.unwrap(), "", 10).await.unwrap();
        let mut counted: Vec<_> = kinds
            .iter()
            .filter_map(|kind| Some((kind.people, secrecy::ExposeSecret::expose_secret(kind.hash.as_ref()?).to_owned())))
            .collect();
        counted.sort_by_key(|(people, _)| -people);
        assert_eq!(counted.iter().map(|(people, _)| *people).collect::<Vec<_>>(), [3, 2, 1, 1, 1]);
        counted.retain(|(_, hash)| !of_people.contains(hash));
        assert!(counted.is_empty(), "each is one of theirs: {counted:?}");
        assert_eq!(kinds.iter().filter(|kind| kind.hash.is_none()).map(|kind| kind.people).sum::<i64>(), 1);

        // A few at a time they are the same.
        let (mut last, mut people) = (String::new(), Vec::new());
        loop {
            let seen = users::password_kinds(&mut db.read().await.unwrap(), &last, 2).await.unwrap();
            people.push(seen.iter().map(|kind| kind.people).sum::<i64>());
            let Some(kind) = seen.into_iter().next() else { break };
            last = kind.last;
        }
        assert_eq!(people, [2, 2, 2, 2, 1, 0]);
    }

    async fn a_role_is_matched_exactly(database: TestDatabase) {
        let db = &database.db;
        for (name, role) in [("anna", "admin"), ("bert", "Admin"), ("cleo", "administrator"), ("dora", "admin")] {
            let mut person = user(name);
            person.roles = vec!["other".to_owned(), role.to_owned()];
            if name == "dora" {
                person.status = UserStatus::Disabled;
                person.roles.push("owner".to_owned());
            }
            db.write(async |tx| users::insert(tx, &person).await).await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        for (role, found) in [("admin", true), ("Admin", true), ("administrator", true), ("ADMIN", false), ("owner", false)] {
            assert_eq!(users::has_with_role(&mut conn, role).await.unwrap(), found, "{role}, of active people");
        }
        let filter = UserFilter { role: Some("admin".to_owned()), ..UserFilter::default() };
        let listed = users::list(&mut conn, &filter, &Page::first(10)).await.unwrap();
        assert_eq!(names(&listed.items), ["anna", "dora"]);
        let filter = UserFilter { status: Some(UserStatus::Disabled), ..UserFilter::default() };
        assert_eq!(names(&users::list(&mut conn, &filter, &Page::first(10)).await.unwrap().items), ["dora"]);
    }

    async fn a_role_can_not_smuggle_in_another_one(database: TestDatabase) {
        let mut anna = user("anna");
        anna.roles = vec!["x\"admin".to_owned()];
        assert!(database.db.write(async |tx| users::insert(tx, &anna).await).await.is_err());
    }

    async fn a_profile_is_saved_whole_and_goes_with_the_person(database: TestDatabase) {
        let db = &database.db;
        let anna = user("anna");
        let profile = Profile { given_name: Some("Anna".to_owned()), email: Some("Anna@example.com".to_owned()), email_verified: Some(false), ..Profile::default() };
        let orphan = db.write(async |tx| profiles::save(tx, &anna.id, &profile, at(0)).await).await;
        assert!(matches!(orphan, Err(Error::Conflict)), "{orphan:?}");

        db.write(async |tx| users::insert(tx, &anna).await).await.unwrap();
        db.write(async |tx| profiles::save(tx, &anna.id, &profile, at(1)).await).await.unwrap();
        assert_eq!(profiles::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap(), Some((profile, at(1))));
        let other = Profile { name: Some("A".to_owned()), ..Profile::default() };
        db.write(async |tx| profiles::save(tx, &anna.id, &other, at(2)).await).await.unwrap();
        assert_eq!(profiles::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap(), Some((other, at(2))));
        assert!(db.write(async |tx| users::delete(tx, &anna.id).await).await.unwrap());
        assert_eq!(profiles::load(&mut db.read().await.unwrap(), &anna.id).await.unwrap(), None);
        assert!(!db.write(async |tx| users::delete(tx, &anna.id).await).await.unwrap());
    }

    /// The edge refuses it; should it ever get through, both databases must say no rather than cut the text.
    async fn nul_in_a_text_is_refused(database: TestDatabase) {
        let mut anna = user("anna");
        anna.roles = vec!["a\0b".to_owned()];
        assert!(database.db.write(async |tx| users::insert(tx, &anna).await).await.is_err());
    }
}
