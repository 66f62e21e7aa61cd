use super::queue::Batch as _;
use super::*;
use crate::clock::Clock;
use crate::telemetry::findings::Findings;

fn case(sender: &str) -> Case {
    let mut findings = Findings::default();
    findings.collect(|| crate::telemetry::findings::refused("code_expired"));
    let decision = Decision::new("POST", "/token", 400, *findings.take().unwrap()).unwrap();
    Case { trace_id: TraceId::random(), at: Timestamp::from_seconds(1), sender: sender.parse().unwrap(), decision }
}

async fn database(folder: &tempfile::TempDir) -> Db {
    let target = crate::storage::db::DatabaseTarget::Sqlite(folder.path().join("test.db"));
    Db::open(&target, &crate::config::DatabaseConfig::default()).await.unwrap()
}

#[test]
fn one_sender_fills_neither_a_window_nor_the_place_of_others() {
    let mut batch = Batch::new(&ExplainConfig::default());
    let taken =
        |batch: &mut Batch, sender: &dyn Fn(u32) -> String| (0..1_000).filter(|number| batch.add(case(&sender(*number)))).count();
    assert_eq!(taken(&mut batch, &|_| "192.0.2.1".to_owned()), 10);
    assert_eq!(taken(&mut batch, &|number| format!("2001:db8::{number:x}")), 10, "one network");
    assert!(batch.add(case("192.0.2.2")));
    assert_eq!(taken(&mut batch, &|number| format!("198.51.{}.{}", number / 256, number % 256)), MAX_ROWS - 21);
    assert!(batch.senders.len() <= 2 * MAX_ROWS);
    let mut batch = Batch::new(&ExplainConfig::default());
    assert_eq!(taken(&mut batch, &|number| format!("2001:db8:1:{number:x}::1")), 40, "one site, of many networks");
    assert_eq!(taken(&mut batch, &|number| format!("2001:db8:2:{number:x}::1")), 40, "another one");
}

#[tokio::test]
async fn the_table_holds_no_more_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder).await;
    let mut batch = Batch::new(&ExplainConfig { rows: 50, ..ExplainConfig::default() });
    let mut newest = None;
    for round in 0..30_u8 {
        for sender in 0..10_u8 {
            for _ in 0..10 {
                let mut case = case(&format!("192.0.2.{sender}"));
                case.at = Timestamp::from_seconds(round.into());
                newest = Some(case.trace_id);
                assert!(batch.add(case));
            }
        }
        batch.write(&db, Timestamp::from_seconds(100), 0).await.unwrap();
    }
    let written = |db: Db| async move {
        let mut conn = db.read().await.unwrap();
        conn.query("SELECT COUNT(*) FROM explanations").fetch_one::<(i64,)>().await.unwrap().0
    };
    let count = written(db.clone()).await;
    assert!((50..50 + 1_100).contains(&count), "{count} of 3000");
    let kept = Explanation::load(&mut db.read().await.unwrap(), newest.unwrap()).await.unwrap();
    assert!(kept.is_some(), "the newest stay");
}

#[tokio::test]
async fn nothing_is_kept_where_it_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder).await;
    for (days, kept) in [(0, false), (7, true)] {
        let (queue, worker) = super::queue(&ExplainConfig { days, ..ExplainConfig::default() });
        tokio::spawn(worker.run(db.clone(), Clock::system(), std::future::pending()));
        let case = case("192.0.2.1");
        let trace_id = case.trace_id;
        queue.push(case);
        queue.flush().await;
        assert_eq!(Explanation::load(&mut db.read().await.unwrap(), trace_id).await.unwrap().is_some(), kept);
    }
}
