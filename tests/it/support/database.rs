//! A database of its own for each test, and each requirement tested on both kinds.

use std::sync::atomic::{AtomicU32, Ordering};

use ostiary::config::DatabaseConfig;
use ostiary::storage::db::{DatabaseTarget, Db};
use tempfile::TempDir;

use super::postgres;
use super::proxy::Proxy;

/// Writes a requirement once and tests it twice: as `NAME::sqlite` and as `NAME::postgres`. The second shows as ignored
/// unless ignored tests are asked for (`cargo test -- --include-ignored`, as `scripts/test` does); then PostgreSQL must be there.
///
/// The function takes a [`TestDatabase`]:
///
/// ```ignore
/// on_both! {
///     async fn a_code_is_spent_once(database: TestDatabase) { … }
/// }
/// ```
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($database:ident: $kind:ty) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(clippy::wildcard_imports, unused_imports, clippy::allow_attributes, reason = "what the body needs")]
            use super::*;

            async fn requirement($database: $kind) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                requirement($crate::support::database::TestDatabase::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL: --include-ignored"]
            async fn postgres() {
                requirement($crate::support::database::TestDatabase::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// An empty, migrated database that goes when this is dropped.
pub struct TestDatabase {
    pub db: Db,
    /// To open it once more, as another node would.
    pub target: DatabaseTarget,
    /// Removed last.
    storage: Storage,
}

enum Storage {
    Folder(#[expect(dead_code, reason = "held, to be removed")] TempDir),
    Server(postgres::Database),
}

impl TestDatabase {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = DatabaseTarget::Sqlite(folder.path().join("ostiary.db"));
        Self { db: open(&target).await, target, storage: Storage::Folder(folder) }
    }

    pub async fn postgres() -> Self {
        /// Set once the template is migrated.
        static TEMPLATE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let template = TEMPLATE
            .get_or_init(async || {
                let database = postgres::Database::create("template_of_tests", "template0").await;
                open(&DatabaseTarget::Postgres(database.url().into())).await.close().await;
                database.keep()
            })
            .await;
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let database = postgres::Database::create(&name, template).await;
        let target = DatabaseTarget::Postgres(database.url().into());
        Self { db: open(&target).await, target, storage: Storage::Server(database) }
    }

    /// A fresh one of the same kind.
    pub async fn another(&self) -> Self {
        if self.is_postgres() { Self::postgres().await } else { Self::sqlite().await }
    }

    /// Opens the same database again, with pools of its own: another node (PostgreSQL), or another process (SQLite).
    pub async fn another_node(&self) -> Db {
        open(&self.target).await
    }

    /// Ends every connection to it, as a restart of the server would.
    ///
    /// # Panics
    /// On SQLite, which has none.
    pub async fn cut_connections(&self) {
        match &self.storage {
            Storage::Server(server) => server.cut_connections().await,
            Storage::Folder(_) => panic!("a file has no connections"),
        }
    }

    /// The PostgreSQL database, past whatever stands between it and a server.
    ///
    /// # Panics
    /// On SQLite.
    pub fn server(&self) -> &postgres::Database {
        match &self.storage {
            Storage::Server(server) => server,
            Storage::Folder(_) => panic!("a file has no server"),
        }
    }

    /// The same, reached through a proxy by this role, and with no more patience than a server has.
    pub async fn through(self, proxy: &Proxy, role: &str) -> Self {
        let url = format!("postgres://{role}@127.0.0.1:{}/{}", proxy.port, self.server().name());
        let target = DatabaseTarget::Postgres(url.into());
        self.db.close().await;
        let db = Db::open(&target, &DatabaseConfig::default()).await.expect("the test's database opens");
        Self { db, target, storage: self.storage }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.target, DatabaseTarget::Postgres(_))
    }
}

/// With the pool of a server, and more patience than one: the machine that tests may be busy.
pub fn config() -> DatabaseConfig {
    DatabaseConfig { acquire_timeout: 30, statement_timeout: 30, ..DatabaseConfig::default() }
}

async fn open(target: &DatabaseTarget) -> Db {
    Db::open(target, &config()).await.expect("the test's database opens")
}
