//! A database with a sealer that the test drives.

use std::sync::Arc;

use ostiary::audit::pages::Pages;
use ostiary::audit::verify::{Anchors, Report, Verifier};
use ostiary::audit::{Kind, Origin};
use ostiary::clock::Clock;
use ostiary::config::AuditConfig;
use ostiary::jobs::sealer::Sealer;
use ostiary::keys::evidence::EvidenceKey;
use ostiary::keys::root::Root;
use ostiary::protocol::time::Timestamp;
use ostiary::storage::audit::chain::{self, Head};
use ostiary::storage::audit::{self, Actor, AuditFilter, Event};
use ostiary::storage::db::Db;
use ostiary::{audit as events, random};

use crate::support::database::TestDatabase;
use crate::support::server::START;

pub struct Scene {
    pub db: Db,
    pub clock: Clock,
    pub key: Arc<EvidenceKey>,
    pub sealer: Sealer,
    pub database: TestDatabase,
}

pub fn root() -> Root {
    Root::from_bytes([7; 32])
}

impl Scene {
    /// Nothing happened yet, and the first checkpoint says so.
    pub async fn new(database: TestDatabase) -> Self {
        let mut scene = Self::before_the_first_checkpoint(database).await;
        scene.seal().await;
        scene
    }

    pub async fn before_the_first_checkpoint(database: TestDatabase) -> Self {
        let db = database.db.clone();
        let clock = Clock::fixed(START);
        let key = EvidenceKey::open(&db, &root()).await.expect("a key");
        let sealer = Sealer::new(&db, &clock, Arc::clone(&key), &AuditConfig::default());
        Self { db, clock, key, sealer, database }
    }

    /// Another node of the same installation: its database, and its sealer.
    pub async fn another_node(&self) -> (Db, Sealer) {
        let db = self.database.another_node().await;
        let key = EvidenceKey::open(&db, &root()).await.expect("the same key");
        let sealer = Sealer::new(&db, &self.clock, key, &AuditConfig::default());
        (db, sealer)
    }

    /// So many things happen, one after the other.
    pub async fn write(&self, count: usize) {
        for _ in 0..count {
            self.clock.advance(1);
            let event = event(self.clock.now());
            self.db.write(async |tx| audit::insert(tx, &event).await).await.expect("written");
        }
    }

    pub async fn seal(&mut self) {
        self.sealer.round().await.expect("sealed");
    }

    /// So many more things happen and are sealed, and a checkpoint vouches for them.
    /// The server starts anew.
    pub fn restart(&mut self) {
        self.sealer = Sealer::new(&self.db, &self.clock, Arc::clone(&self.key), &AuditConfig::default());
    }

    pub async fn write_and_vouch(&mut self, count: usize) {
        self.write(count).await;
        self.clock.advance(300);
        self.seal().await;
    }

    pub async fn verify(&self) -> Report {
        self.verify_with("").await
    }

    /// With copies of checkpoints.
    pub async fn verify_with(&self, copies: &str) -> Report {
        let mut anchors = Anchors::default();
        anchors.read(copies.as_bytes(), &self.key).expect("readable");
        let mut verifier = Verifier::new(Arc::clone(&self.key), anchors);
        let mut pages = Pages::open(&self.db, AuditFilter::default()).await.expect("readable");
        while let Some(items) = pages.next().await.expect("readable") {
            for item in items {
                verifier.take(item);
            }
        }
        verifier.finish(pages.head())
    }

    /// What `audit.checkpoint_file` would hold.
    pub async fn copies(&self) -> String {
        let found = chain::checkpoints(&mut self.db.read().await.unwrap(), 0, i64::MAX, 1_000).await.unwrap();
        found.into_iter().map(|checkpoint| checkpoint.signed).collect::<Vec<_>>().join("\n")
    }

    pub async fn head(&self) -> Head {
        chain::head(&mut self.db.read().await.unwrap()).await.unwrap().expect("a chain")
    }

    /// What somebody does who may write to the database and has no key.
    pub async fn sql(&self, statements: &[&'static str]) {
        for statement in statements {
            self.db
                .write(async |tx| tx.query(statement).execute().await)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// The id of the entry at this place.
    pub async fn id(&self, sequence: i64) -> String {
        let mut conn = self.db.read().await.unwrap();
        let found = conn.query("SELECT id FROM audit_log WHERE sequence = $1").bind(sequence);
        found.fetch_one::<(String,)>().await.unwrap().0
    }
}

pub fn event(at: Timestamp) -> Event {
    let origin = Origin { at, address: Some("192.0.2.1".to_owned()), trace_id: random::identifier() };
    let mut event = Event { actor: Actor::System, ..events::event(Kind::KeyCreated, origin) };
    event.details.insert("é".to_owned(), "\u{2028}".into());
    event
}
