//! What a password is compared with where there is no hash: something that takes as long as the hash of somebody.
//!
//! Hashes that other systems made, and those with earlier parameters of ours, take a time of their own. If an account that does
//! not exist always took the time of the newest kind, every other time would tell that there is one. So each name that nobody
//! has imitates a kind of hash: always the same one, drawn by a keyed hash of the name, as often as people have that kind. When
//! people's hashes are replaced by newer ones, as many names move with them, and only to the kinds that gained.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::{ExposeSecret, SecretString};

use super::hasher::{PasswordHasher, Stored};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::users;

/// Kinds of hashes that are imitated. People have a handful.
const MAX_KINDS: i64 = 100;

/// The kinds of hashes that people have.
#[derive(Debug)]
pub struct Imitation {
    key: hmac::Key,
    kinds: ArcSwap<BTreeMap<String, Kind>>,
}

#[derive(Debug)]
struct Kind {
    people: i64,
    /// Costs as much, and fits nothing.
    stand_in: Stored,
}

impl Imitation {
    pub fn new(pepper: &[u8; 32]) -> Self {
        let key = hmac::sign(&hmac::Key::new(HMAC_SHA256, pepper), b"imitation");
        Self { key: hmac::Key::new(HMAC_SHA256, key.as_ref()), kinds: ArcSwap::default() }
    }

    /// Takes note of the hashes that people have, and how many have one like it.
    pub fn learn<'a>(&self, hashes: impl Iterator<Item = &'a (SecretString, i64)>) {
        let mut kinds = BTreeMap::new();
        for (stored, people) in hashes.filter_map(|(hash, people)| Some((Stored::read(hash.expose_secret())?, people))) {
            let kind = kinds.entry(stored.cost()).or_insert_with(|| Kind { people: 0, stand_in: stored.stand_in() });
            kind.people += people;
        }
        self.kinds.store(Arc::new(kinds));
    }

    /// What stands in for the hash of `name`; `None`: nobody has one.
    pub fn of(&self, name: &str) -> Option<Stored> {
        let kinds = self.kinds.load();
        // Weighted rendezvous hashing: a kind that gets rarer loses names, and gains none.
        let score = |(cost, kind): &(&String, &Kind)| {
            -self.draw(cost, name).ln() / f64::from(u32::try_from(kind.people).unwrap_or(u32::MAX))
        };
        let nearest = kinds.iter().min_by(|one, other| score(one).total_cmp(&score(other)));
        nearest.map(|(_, kind)| kind.stand_in.clone())
    }

    /// Between 0 and 1, neither included.
    fn draw(&self, cost: &str, name: &str) -> f64 {
        let hash = hmac::sign(&self.key, format!("{cost}\0{name}").as_bytes());
        let number = hash.as_ref().iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        (f64::from(number) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Looks at the hashes that people have now.
pub async fn learn(hasher: &PasswordHasher, db: &Db) -> Result<(), Error> {
    let kinds = users::password_kinds(&mut db.read().await?, MAX_KINDS).await?;
    hasher.imitation().learn(kinds.iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::imported::ImportedHash;
    use super::*;

    fn bcrypt() -> SecretString {
        ImportedHash::to_stored("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap()
    }

    fn own() -> SecretString {
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ".into()
    }

    fn learned(imitation: &Imitation, bcrypts: i64, owns: i64) -> Vec<String> {
        let kinds = [(bcrypt(), bcrypts), (own(), owns)];
        imitation.learn(kinds.iter().filter(|(_, people)| *people > 0));
        (0..1_000).map(|number| imitation.of(&format!("name{number}")).unwrap().cost()).collect()
    }

    #[test]
    fn names_imitate_each_kind_as_often_as_people_have_it() {
        let imitation = Imitation::new(&[1; 32]);
        let drawn = learned(&imitation, 30, 10);
        let bcrypts = drawn.iter().filter(|cost| cost.starts_with("bcrypt")).count();
        assert!((700..800).contains(&bcrypts), "{bcrypts}");
        assert_eq!(drawn, learned(&imitation, 30, 10), "always the same");
        assert_ne!(drawn, learned(&Imitation::new(&[2; 32]), 30, 10), "and nobody can tell which");
    }

    #[test]
    fn names_move_as_people_do_and_not_back() {
        let imitation = Imitation::new(&[1; 32]);
        let mut before = learned(&imitation, 40, 0);
        for logged_in in 1..=40 {
            let after = learned(&imitation, 40 - logged_in, logged_in);
            let back = before.iter().zip(&after).filter(|(one, other)| one.starts_with("own") && other.starts_with("bcrypt"));
            assert_eq!(back.count(), 0, "{logged_in}");
            before = after;
        }
        assert!(before.iter().all(|cost| cost.starts_with("own")));
    }

    #[test]
    fn where_nobody_has_a_password_there_is_nothing_to_imitate() {
        assert!(Imitation::new(&[1; 32]).of("anna").is_none());
    }
}
