//! How what has expired is deleted.

use std::time::{Duration, Instant};

use ostiary::storage::refresh_tokens;
use sqlx::PgConnection;

use super::persona::{anna_and_app_with_a_grant, at};
use crate::support::database::TestDatabase;

async fn number(connection: &mut PgConnection, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(connection).await.expect("a number")
}

/// With the plan that PostgreSQL makes for any limit, a run on ten million tokens read all of them, each time.
#[tokio::test]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn deleting_what_expired_does_not_read_what_stays() {
    let database = TestDatabase::postgres().await;
    anna_and_app_with_a_grant(&database.db).await;
    let many = "INSERT INTO refresh_tokens SELECT sha256(number::text::bytea), 'g', 'jti', 0, \
                CASE WHEN number % 10 = 0 THEN 1 ELSE 4000000000000000 END, NULL, NULL, 0, FALSE FROM generate_series(1, 200000) number; \
                ANALYZE refresh_tokens";
    database.server().run(many).await;
    let (mut deleted, mut watching) = (0, database.server().connect().await);
    loop {
        match database.db.write(async |tx| refresh_tokens::delete_expired(tx, at(0), 256).await).await.unwrap() {
            0 => break,
            rows => deleted += rows,
        }
    }
    assert_eq!(deleted, 20_000);
    // A connection tells what it has read when it ends, at the latest.
    database.db.close().await;
    let others = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let began = Instant::now();
    while number(&mut watching, others).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "somebody is still connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(number(&mut watching, "SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'refresh_tokens'").await, 20_000);
    assert_eq!(number(&mut watching, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'refresh_tokens'").await, 0);
}
