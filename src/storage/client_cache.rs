//! Clients, kept in memory: every request of the token endpoint needs one.
//!
//! A change is forgotten here before the one who made it is answered ([`Db::subscribe`]). A load that was under way meanwhile may
//! have read what was before: it is used for its own request, which came before the answer, and not kept.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::clients;
use super::db::{Change, Db};
use super::error::Error;
use crate::protocol::client::Client;
use crate::protocol::id::ClientId;
use crate::telemetry::metrics::CLIENT_CACHE;

/// Clients that are kept; up to twice as many for a moment.
const CLIENTS: usize = 2_000;

/// Unknown identifiers that are remembered as such. Few, because anybody may make them up; some, so that asking twice for an
/// unknown client takes as long as asking twice for a known one.
const UNKNOWN: usize = 500;

/// A cache of the client registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientCache {
    db: Db,
    entries: Arc<RwLock<Entries>>,
}

#[derive(Debug)]
struct Entries {
    /// Counts the changes. What was read under another count is not kept.
    generation: u64,
    known: Recent<ClientId, Arc<Client>>,
    unknown: Recent<ClientId, ()>,
    origins: Option<Arc<HashSet<String>>>,
}

impl ClientCache {
    /// An empty cache, which hears of every change of `db` from now on.
    pub fn new(db: &Db) -> Self {
        let entries = Entries { generation: 0, known: Recent::new(CLIENTS), unknown: Recent::new(UNKNOWN), origins: None };
        let cache = Self { db: db.clone(), entries: Arc::new(RwLock::new(entries)) };
        // Weak: the database must not keep alive what keeps it alive.
        let entries = Arc::downgrade(&cache.entries);
        db.subscribe(move |change| {
            if let Some(entries) = entries.upgrade() {
                entries.write().unwrap_or_else(PoisonError::into_inner).forget(change);
            }
        });
        cache
    }

    /// The client as it is registered at this moment.
    pub async fn load(&self, id: &ClientId) -> Result<Option<Arc<Client>>, Error> {
        let generation = {
            let entries = self.read();
            if let Some(client) = entries.known.newest(id) {
                CLIENT_CACHE.hit();
                return Ok(Some(Arc::clone(client)));
            }
            if entries.unknown.get(id).is_some() {
                CLIENT_CACHE.hit();
                return Ok(None);
            }
            entries.generation
        };
        if let Some(client) = self.write().renew(id) {
            CLIENT_CACHE.hit();
            return Ok(Some(client));
        }
        CLIENT_CACHE.missed();
        let client = clients::load(&mut self.db.read().await?, id).await?.map(Arc::new);
        self.write().keep(generation, id, client.as_ref());
        Ok(client)
    }

    /// Whether the client was asked for lately and exists. Asks no database.
    pub fn is_cached(&self, id: &ClientId) -> bool {
        let entries = self.read();
        entries.known.get(id).is_some()
    }

    /// Whether any active client has registered the origin.
    pub async fn has_origin(&self, origin: &str) -> Result<bool, Error> {
        let generation = {
            let entries = self.read();
            if let Some(origins) = &entries.origins {
                return Ok(origins.contains(origin));
            }
            entries.generation
        };
        let origins: HashSet<String> = clients::allowed_origins(&mut self.db.read().await?).await?.into_iter().collect();
        let found = origins.contains(origin);
        let mut entries = self.write();
        if entries.generation == generation {
            entries.origins = Some(Arc::new(origins));
        }
        Ok(found)
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn forget(&mut self, change: &Change) {
        match change {
            Change::Client(id) => {
                self.known.remove(id);
                self.unknown.remove(id);
            }
            Change::Everything => {
                self.known.clear();
                self.unknown.clear();
            }
            Change::Keys | Change::Resources | Change::Outbox | Change::Notices => return,
        }
        self.origins = None;
        self.generation += 1;
    }

    /// A client that is not among the newest; it is from now on.
    fn renew(&mut self, id: &ClientId) -> Option<Arc<Client>> {
        let client = self.known.get(id).cloned()?;
        self.known.insert(id.clone(), Arc::clone(&client));
        Some(client)
    }

    fn keep(&mut self, generation: u64, id: &ClientId, client: Option<&Arc<Client>>) {
        if self.generation != generation {
            return;
        }
        match client {
            Some(client) => self.known.insert(id.clone(), Arc::clone(client)),
            None => self.unknown.insert(id.clone(), ()),
        }
    }
}

/// The entries that were used last, in two halves: when the newer half is full it becomes the older one, whose place is
/// taken. An entry that is used moves to the newer half, so what is used often stays.
#[derive(Debug)]
struct Recent<K, V> {
    half: usize,
    newer: HashMap<K, V>,
    older: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    fn new(half: usize) -> Self {
        Self { half, newer: HashMap::new(), older: HashMap::new() }
    }

    fn newest(&self, key: &K) -> Option<&V> {
        self.newer.get(key)
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.newer.get(key).or_else(|| self.older.get(key))
    }

    fn insert(&mut self, key: K, value: V) {
        if self.newer.len() >= self.half {
            self.older = std::mem::take(&mut self.newer);
        }
        self.older.remove(&key);
        self.newer.insert(key, value);
    }

    fn remove(&mut self, key: &K) {
        self.newer.remove(key);
        self.older.remove(key);
    }

    fn clear(&mut self) {
        self.newer.clear();
        self.older.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseConfig;
    use crate::protocol::client::{ClientMetadata, ClientStatus};
    use crate::protocol::time::Timestamp;
    use crate::storage::db::DatabaseTarget;

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    fn client(text: &str, origin: &str) -> Client {
        let metadata = serde_json::json!({ "client_name": text, "allowed_origins": [origin] });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let (created_at, updated_at) = (Timestamp::from_seconds(1), Timestamp::from_seconds(1));
        Client { id: id(text), status: ClientStatus::Active, metadata, secrets: Vec::new(), created_at, updated_at, version: 1 }
    }

    async fn database() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let target = DatabaseTarget::Sqlite(folder.path().join("test.db"));
        let db = Db::open(&target, &DatabaseConfig::default()).await.unwrap();
        (folder, db)
    }

    async fn insert(db: &Db, client: &Client) {
        db.write(async |tx| clients::insert(tx, client).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_is_seen_by_the_next_load() {
        let (_folder, db) = database().await;
        let cache = ClientCache::new(&db);
        assert!(cache.load(&id("a")).await.unwrap().is_none());
        assert!(!cache.is_cached(&id("a")));

        let mut a = client("a", "https://a.example");
        insert(&db, &a).await;
        let loaded = cache.load(&id("a")).await.unwrap().unwrap();
        assert!(loaded.is_active() && cache.is_cached(&id("a")));
        assert!(Arc::ptr_eq(&loaded, &cache.load(&id("a")).await.unwrap().unwrap()), "from memory");

        a.status = ClientStatus::Disabled;
        assert!(db.write(async |tx| clients::update(tx, &a, 1).await).await.unwrap());
        assert!(!cache.load(&id("a")).await.unwrap().unwrap().is_active());

        db.write(async |tx| clients::delete(tx, &id("a")).await).await.unwrap();
        assert!(cache.load(&id("a")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (_folder, db) = database().await;
        let cache = ClientCache::new(&db);
        let stale = Arc::new(client("a", "https://a.example"));
        // The order of a load that was overtaken: it begins, the change happens, it ends.
        let generation = cache.read().generation;
        cache.write().forget(&Change::Client(id("a")));
        cache.write().keep(generation, &id("a"), Some(&stale));
        assert!(!cache.is_cached(&id("a")));
        let generation = cache.read().generation;
        cache.write().keep(generation, &id("a"), Some(&stale));
        assert!(cache.is_cached(&id("a")));
        cache.write().forget(&Change::Keys);
        assert!(cache.is_cached(&id("a")), "keys are no clients");
        cache.write().forget(&Change::Everything);
        assert!(!cache.is_cached(&id("a")));
    }

    #[tokio::test]
    async fn origins_are_those_of_active_clients_at_this_moment() {
        let (_folder, db) = database().await;
        let cache = ClientCache::new(&db);
        assert!(!cache.has_origin("https://a.example").await.unwrap());
        let mut a = client("a", "https://a.example");
        insert(&db, &a).await;
        assert!(cache.has_origin("https://a.example").await.unwrap());
        assert!(!cache.has_origin("https://A.example").await.unwrap());
        a.status = ClientStatus::Disabled;
        assert!(db.write(async |tx| clients::update(tx, &a, 1).await).await.unwrap());
        assert!(!cache.has_origin("https://a.example").await.unwrap());
    }

    #[test]
    fn made_up_entries_do_not_pile_up_and_those_in_use_stay() {
        let mut recent = Recent::new(10);
        recent.insert(0, ());
        for number in 1..1_000 {
            recent.insert(number, ());
            if let Some(()) = recent.get(&0).copied() {
                recent.insert(0, ());
            }
            assert!(recent.newer.len() + recent.older.len() <= 20);
        }
        assert!(recent.get(&0).is_some());
        assert!(recent.get(&1).is_none());
    }
}
