//! What happened is sealed, once and without a gap, whoever writes and seals at the same time.

use std::sync::Arc;
use std::time::Duration;

use ostiary::audit::Kind;
use ostiary::config::AuditConfig;
use ostiary::jobs::sealer::Sealer;
use ostiary::protocol::evidence::Occasion;
use ostiary::protocol::time::Seconds;
use ostiary::storage::audit::chain::Head;
use ostiary::storage::audit::{self, AuditFilter, Event};
use ostiary::storage::page::Page;

use super::scene::{Scene, event};
use crate::support::database::{TestDatabase, on_both};

on_both! {
    async fn what_happened_is_listed_before_it_is_sealed_and_after(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write(3).await;
        let list = async || {
            let mut conn = scene.db.read().await.unwrap();
            audit::list(&mut conn, &AuditFilter::default(), &Page::first(9)).await.unwrap().items
        };
        let before = list().await;
        assert_eq!(before.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [None, None, None]);
        assert_eq!(scene.verify().await.waiting, 3);
        scene.seal().await;
        scene.write(1).await;
        let mut conn = scene.db.read().await.unwrap();
        let after = audit::list(&mut conn, &AuditFilter::default(), &Page::first(9)).await.unwrap().items;
        assert_eq!(after.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [None, Some(3), Some(2), Some(1)]);
        assert_eq!(after[1..].iter().map(|entry| &entry.id).collect::<Vec<_>>(), before.iter().map(|entry| &entry.id).collect::<Vec<_>>());
        let report = scene.verify().await;
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.entries, report.first, report.last, report.waiting), (3, Some(1), Some(3), 1));
    }

    async fn an_entry_that_comes_late_is_sealed_after_those_that_it_is_older_than(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write(2).await;
        scene.seal().await;
        // Of a node whose clock is behind, or of a transaction that took long.
        let late = event(scene.clock.now() - Seconds::days(1));
        scene.db.write(async |tx| audit::insert(tx, &late).await).await.unwrap();
        scene.write(1).await;
        scene.seal().await;
        let report = scene.verify().await;
        assert!(report.intact && report.entries == 4, "{report:#?}");
        assert!(scene.id(3).await < scene.id(1).await && scene.id(4).await > scene.id(2).await);
    }

    async fn fifty_writers_and_two_sealers_leave_one_chain(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        let (other_db, mut other) = scene.another_node().await;
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..50 {
            let db = if number % 2 == 0 { scene.db.clone() } else { other_db.clone() };
            let at = scene.clock.now();
            writers.spawn(async move {
                for step in 0..12 {
                    let event = event(at + Seconds(step - number % 7));
                    db.write(async |tx| audit::insert(tx, &event).await).await.expect("written");
                }
            });
        }
        let ended = std::sync::atomic::AtomicBool::new(false);
        let is_over = || ended.load(std::sync::atomic::Ordering::SeqCst);
        let first = async {
            while !is_over() {
                scene.sealer.round().await.expect("sealed");
                tokio::task::yield_now().await;
            }
        };
        let second = async {
            while !is_over() {
                other.round().await.expect("sealed");
                tokio::task::yield_now().await;
            }
        };
        let written = async {
            while let Some(writer) = writers.join_next().await {
                writer.expect("no panic");
            }
            ended.store(true, std::sync::atomic::Ordering::SeqCst);
        };
        tokio::join!(first, second, written);
        scene.seal().await;
        let report = scene.verify().await;
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.entries, report.last, report.waiting), (600, Some(600), 0));
    }

    /// What a kill leaves: the chain as it was before or after a batch.
    async fn a_sealer_that_is_stopped_anywhere_leaves_a_whole_chain(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        for step in 0..40_u64 {
            scene.write(3).await;
            scene.clock.advance(300);
            let _ = tokio::time::timeout(Duration::from_micros(step * 150), scene.sealer.round()).await;
            if step % 8 == 0 {
                let report = scene.verify().await;
                assert!(report.intact, "{step} {report:#?}");
            }
        }
        scene.seal().await;
        let report = scene.verify().await;
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.entries, report.waiting), (120, 0));
    }

    /// The server that sealed it was killed before it vouched for it.
    async fn a_checkpoint_follows_a_change_of_keys_also_at_the_next_start(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        let added = Event { kind: Kind::MasterKeyAdded.as_str(), ..event(scene.clock.now()) };
        scene.db.write(async |tx| audit::insert(tx, &added).await).await.unwrap();
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 2);
        let rotated = Event { kind: Kind::KeyRotated.as_str(), ..event(scene.clock.now()) };
        scene.db.write(async |tx| audit::insert(tx, &rotated).await).await.unwrap();
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 3);
        scene.sql(&["DELETE FROM audit_checkpoints WHERE number > 1"]).await;
        scene.restart();
        scene.seal().await;
        let copies = scene.copies().await;
        let newest = scene.key.checkpoint(copies.lines().last().unwrap()).unwrap();
        assert_eq!((newest.number, newest.occasion), (2, Occasion::Keys));
    }

    /// The server before stopped while the place was away.
    async fn the_newest_checkpoint_is_copied_at_each_start(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write_and_vouch(2).await;
        let newest = scene.copies().await.lines().last().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoints");
        let config = AuditConfig { checkpoint_file: file.clone(), ..AuditConfig::default() };
        Sealer::new(&scene.db, &scene.clock, Arc::clone(&scene.key), &config).run(std::future::ready(())).await;
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{newest}\n"));
    }

    async fn checkpoints_are_made_when_time_has_passed_or_keys_have_changed_and_at_the_end(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        assert_eq!(scene.copies().await.lines().count(), 1);
        scene.seal().await;
        scene.clock.advance(10_000);
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 1, "nothing happened since");
        scene.write(1).await;
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 2, "the last one is long ago");
        scene.write(1).await;
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 2);
        scene.db.write(async |tx| {
            tx.changed(ostiary::storage::db::Change::Keys);
            Ok(())
        }).await.unwrap();
        scene.seal().await;
        assert_eq!(scene.copies().await.lines().count(), 3);
        scene.write(1).await;
        scene.sealer.finish().await.unwrap();
        let copies = scene.copies().await;
        let occasions: Vec<_> = copies.lines().map(|signed| scene.key.checkpoint(signed).unwrap().occasion).collect();
        assert_eq!(occasions, [Occasion::Beginning, Occasion::Interval, Occasion::Keys, Occasion::Shutdown]);
        let report = scene.verify_with(&copies).await;
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.checkpoints, report.copies, report.vouched_until), (4, 4, 3));
    }

    async fn what_has_no_mark_is_not_ours_before_the_first_checkpoint_either(database: TestDatabase) {
        let mut scene = Scene::before_the_first_checkpoint(database).await;
        scene.write(2).await;
        scene.sql(&["UPDATE audit_inbox SET mac = NULL"]).await;
        assert!(!scene.verify().await.intact);
        scene.seal().await;
        scene.write_and_vouch(2).await;
        assert_eq!(scene.verify().await.faults, 2);
    }

    async fn many_entries_are_sealed_in_one_round(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        let at = scene.clock.now();
        scene.db.write(async |tx| {
            for _ in 0..1_200 {
                audit::insert(tx, &event(at)).await?;
            }
            Ok(())
        }).await.unwrap();
        assert_eq!(scene.head().await, Head::BEGINNING);
        scene.seal().await;
        let report = scene.verify().await;
        assert!(report.intact && report.entries == 1_200 && scene.head().await.sequence == 1_200, "{report:#?}");
    }
}

/// The key is the installation's: it is not made anew while it is there, and its loss is noticed.
#[tokio::test]
async fn a_key_that_was_taken_away_is_not_replaced() {
    let mut scene = Scene::new(TestDatabase::sqlite().await).await;
    scene.write_and_vouch(1).await;
    scene.sql(&["DELETE FROM instance WHERE name = 'audit_key'"]).await;
    let error = ostiary::keys::evidence::EvidenceKey::open(&scene.db, &super::scene::root()).await.unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
}
