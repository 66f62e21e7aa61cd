//! All registered resources, kept in memory: every token may be for one.
//!
//! A change is forgotten here before the one who made it is answered, as [`super::client_cache`] does.

use std::sync::{Arc, PoisonError, RwLock};

use super::db::{Change, Db};
use super::error::Error;
use super::resources;
use crate::protocol::resource::Resources;
use crate::telemetry::metrics::RESOURCE_CACHE;

/// A cache of the registry of resources. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ResourceCache {
    db: Db,
    kept: Arc<RwLock<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts the changes. What was read under another count is not kept.
    generation: u64,
    resources: Option<Arc<Resources>>,
}

impl ResourceCache {
    /// An empty cache, which hears of every change of `db` from now on.
    pub fn new(db: &Db) -> Self {
        let cache = Self { db: db.clone(), kept: Arc::default() };
        // Weak: the database must not keep alive what keeps it alive.
        let kept = Arc::downgrade(&cache.kept);
        db.subscribe(move |change| {
            if matches!(change, Change::Resources | Change::Everything)
                && let Some(kept) = kept.upgrade()
            {
                let mut kept = kept.write().unwrap_or_else(PoisonError::into_inner);
                kept.resources = None;
                kept.generation += 1;
            }
        });
        cache
    }

    /// The resources as they are registered at this moment.
    pub async fn current(&self) -> Result<Arc<Resources>, Error> {
        let generation = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(resources) = &kept.resources {
                RESOURCE_CACHE.hit();
                return Ok(Arc::clone(resources));
            }
            kept.generation
        };
        RESOURCE_CACHE.missed();
        let resources = Arc::new(Resources::new(resources::all(&mut self.db.read().await?).await?));
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.generation == generation {
            kept.resources = Some(Arc::clone(&resources));
        }
        Ok(resources)
    }
}
