//! Transactions: what is kept, what is undone, who is told.

use ostiary::storage::db::Db;
use ostiary::storage::error::Error;
use ostiary::storage::{instance, users};

use crate::support::database::{TestDatabase, on_both};

on_both! {
    async fn what_was_written_is_read(database: TestDatabase) {
        let db = &database.db;
        let stands = db.write(async |tx| instance::insert_if_absent(tx, "name", b"value").await).await.unwrap();
        assert_eq!(stands, b"value");
        let stands = db.write(async |tx| instance::insert_if_absent(tx, "name", b"other").await).await.unwrap();
        assert_eq!(stands, b"value");
        let other = if database.is_postgres() { database.another_node().await } else { db.clone() };
        let mut conn = other.read().await.unwrap();
        assert_eq!(instance::load(&mut conn, "name").await.unwrap().unwrap(), b"value");
        assert_eq!(instance::load(&mut conn, "another").await.unwrap(), None);
        assert_eq!(users::count_with_role(&mut conn, "admin").await.unwrap(), 0);
    }
}

on_both! {
    /// Handlers are spawned: the future of a write moves between threads, also one that borrows.
    async fn a_write_can_be_spawned(database: TestDatabase) {
        async fn borrowing(db: &Db, name: &str, more: &[&str]) -> Result<usize, Error> {
            db.write(async |tx| {
                instance::insert_if_absent(tx, name, name.as_bytes()).await?;
                for name in more {
                    if instance::insert_if_absent(tx, name, name.as_bytes()).await?.is_empty() {
                        return Ok(0);
                    }
                }
                Ok(more.len())
            })
            .await
        }
        let db = database.db.clone();
        let task = tokio::spawn(async move { borrowing(&db, &String::from("borrowed"), &["a", "b"]).await });
        assert_eq!(task.await.unwrap().unwrap(), 2);
    }
}
