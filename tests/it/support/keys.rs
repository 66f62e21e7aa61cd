//! The keys of a server, which take a while to make.

use std::sync::Arc;

use ostiary::config::Config;
use ostiary::jobs::key_rotation::by_the_server;
use ostiary::keys::ring::KeyRing;
use ostiary::keys::root::Root;
use ostiary::storage::signing_keys::{self, SigningKey};

use super::database::TestDatabase;
use super::server::START;

/// The ring of a new database. Its keys were made once for the whole run: RSA keys take a while.
pub(super) async fn key_ring(database: &TestDatabase, root: &Root, config: &Config) -> Arc<KeyRing> {
    static ROWS: tokio::sync::OnceCell<Vec<SigningKey>> = tokio::sync::OnceCell::const_new();
    let event = by_the_server(START);
    let rows = ROWS
        .get_or_init(async || {
            let scratch = TestDatabase::sqlite().await;
            KeyRing::open(&scratch.db, root, &config.keys, &config.tokens, &event).await.expect("keys");
            signing_keys::list(&mut scratch.db.read().await.expect("a connection")).await.expect("readable")
        })
        .await;
    let insert = database.db.write(async |tx| {
        for row in rows {
            signing_keys::insert(tx, row).await?;
        }
        Ok(())
    });
    insert.await.expect("stored");
    KeyRing::open(&database.db, root, &config.keys, &config.tokens, &event).await.expect("keys")
}
