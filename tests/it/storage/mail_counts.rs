//! How much mail a mailbox got.

use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::storage::mail_counts::{Quota, delete_expired, take};

use crate::support::database::{TestDatabase, on_both};

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
const QUOTA: Quota = Quota { windows: [(3, Seconds::hours(1)), (10, Seconds::days(1))] };

async fn is_sent(database: &TestDatabase, mailbox: u8, kind: &str, at: Timestamp) -> bool {
    database.db.write(async |tx| take(tx, &[mailbox; 32], kind, QUOTA, at).await).await.unwrap()
}

on_both! {
    async fn a_mailbox_gets_three_mails_of_a_kind_in_an_hour_and_ten_in_a_day(database: TestDatabase) {
        let mut sent = Vec::new();
        for minute in 0..24 * 60 {
            if is_sent(&database, 1, "reset_password", NOON + Seconds::minutes(minute)).await {
                sent.push(minute);
            }
        }
        assert_eq!(sent, [0, 1, 2, 60, 61, 62, 120, 121, 122, 180]);
        assert!(is_sent(&database, 1, "reset_password", NOON + Seconds::days(1)).await);
    }

    async fn another_mailbox_and_another_kind_are_counted_apart(database: TestDatabase) {
        for _ in 0..3 {
            assert!(is_sent(&database, 1, "reset_password", NOON).await);
        }
        assert!(!is_sent(&database, 1, "reset_password", NOON).await);
        assert!(is_sent(&database, 2, "reset_password", NOON).await);
        assert!(is_sent(&database, 1, "verify_email", NOON).await);
    }

    async fn counts_that_are_too_old_to_count_are_deleted(database: TestDatabase) {
        assert!(is_sent(&database, 1, "reset_password", NOON).await);
        let delete = async |before: Timestamp| database.db.write(async |tx| delete_expired(tx, before, 10).await).await.unwrap();
        assert_eq!((delete(NOON - Seconds(1)).await, delete(NOON).await, delete(NOON).await), (0, 1, 0));
    }
}
