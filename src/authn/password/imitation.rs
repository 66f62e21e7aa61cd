//! What a password is compared with where there is no hash: something that takes as long as the hash of somebody.
//!
//! Hashes that other systems made, and those with earlier parameters of ours, take a time of their own. If an account that does
//! not exist always took the time of the newest kind, every other time would tell that there is one. So each name that nobody
//! has imitates a kind of hash: always the same one, drawn by a keyed hash of the name, as often as people have that kind. When
//! people's hashes are replaced by newer ones, as many names move with them, and only to the kinds that gained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::hasher::{PasswordHasher, Stored};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::users;

/// Kinds of hashes that are imitated. People have a handful.
const MAX_KINDS: usize = 100;

/// How many people are looked at in one statement.
const AT_ONCE: i64 = 2_000;

/// By what they cost.
type Kinds = BTreeMap<String, Kind>;

/// The kinds of hashes that people have.
#[derive(Debug)]
pub struct Imitation {
    key: hmac::Key,
    kinds: ArcSwap<Kinds>,
}

#[derive(Clone, Debug)]
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

    /// Takes note of the kinds of hashes that people have: of the most frequent ones.
    fn learn(&self, mut kinds: Kinds) {
        while kinds.len() > MAX_KINDS
            && let Some(rarest) = kinds.iter().min_by_key(|(_, kind)| kind.people).map(|(cost, _)| cost.clone())
        {
            kinds.remove(&rarest);
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

/// Counts a hash that so many people have one like.
fn count(kinds: &mut Kinds, hash: &SecretString, people: i64) {
    if let Some(stored) = Stored::read(hash.expose_secret()) {
        let kind = kinds.entry(stored.cost()).or_insert_with(|| Kind { people: 0, stand_in: stored.stand_in() });
        kind.people += people;
    }
}

/// Looks at the hashes that people have now: at some thousand people at a time, and resting nineteen twentieths of the time, so that
/// neither memory nor anybody who asks the database notices how many there are. What the first of them have counts until all were seen: ids
/// are random, and so these are as good as any.
pub async fn learn(hasher: &PasswordHasher, db: &Db) -> Result<(), Error> {
    let (imitation, mut kinds, mut last) = (hasher.imitation(), Kinds::new(), String::new());
    loop {
        let begun = Instant::now();
        let seen = users::password_kinds(&mut db.read().await?, &last, AT_ONCE).await?;
        for kind in &seen {
            if let Some(hash) = &kind.hash {
                count(&mut kinds, hash, kind.people);
            }
        }
        let ended = seen.iter().map(|kind| kind.people).sum::<i64>() < AT_ONCE;
        match seen.into_iter().next() {
            Some(kind) if !ended => last = kind.last,
            _ => break,
        }
        if imitation.kinds.load().is_empty() {
            imitation.learn(kinds.clone());
        }
        sleep(begun.elapsed() * 19).await;
    }
    imitation.learn(kinds);
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
        let mut kinds = Kinds::new();
        for (hash, people) in [(bcrypt(), bcrypts), (own(), owns)].iter().filter(|(_, people)| *people > 0) {
            count(&mut kinds, hash, *people);
        }
        imitation.learn(kinds);
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
