//! What may be used once.

use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::storage::spent::{delete_expired, spend};

use crate::support::database::{TestDatabase, on_both};

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
const END: Timestamp = Timestamp::from_seconds(1_800_000_060);

on_both! {
    async fn one_of_fifty_who_come_at_once_uses_it(database: TestDatabase) {
        let tries = (0..50).map(|_| {
            let db = database.db.clone();
            tokio::spawn(async move { db.write(async |tx| spend(tx, &[1; 32], END, NOON).await).await.unwrap() })
        });
        let mut successes = 0;
        for attempt in tries.collect::<Vec<_>>() {
            successes += u32::from(attempt.await.unwrap());
        }
        assert_eq!(successes, 1);
    }

    async fn it_is_of_no_use_once_it_expired_whether_it_is_remembered_or_not(database: TestDatabase) {
        let spend = async |byte: u8, now: Timestamp| database.db.write(async |tx| spend(tx, &[byte; 32], END, now).await).await.unwrap();
        assert!(spend(1, NOON).await && spend(2, NOON + Seconds(59)).await);
        assert!(!spend(3, END).await, "expired");
        let delete = async |now: Timestamp| database.db.write(async |tx| delete_expired(tx, now, 10).await).await.unwrap();
        assert_eq!(delete(NOON + Seconds(59)).await, 0);
        assert!(!spend(1, NOON + Seconds(59)).await);
        assert_eq!(delete(END).await, 2);
        assert!(!spend(1, END).await);
    }
}
