//! What is too old goes, up to a checkpoint, and the rest stays provable.

use std::sync::Arc;

use ostiary::audit::Kind;
use ostiary::audit::pages::Pages;
use ostiary::audit::verify::{Anchors, Fault, Verifier};
use ostiary::jobs::retention::prune;
use ostiary::storage::audit::{self, AuditFilter, chain};

use super::scene::{Scene, event};
use crate::support::database::{TestDatabase, on_both};

const DAY: i64 = 86_400;

on_both! {
    async fn old_entries_go_up_to_a_checkpoint_and_the_rest_is_intact(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write_and_vouch(4).await;
        scene.write_and_vouch(3).await;
        scene.clock.advance(10 * DAY);
        scene.write_and_vouch(2).await;
        let copies = scene.copies().await;
        prune(&scene.db, &scene.key, scene.clock.now(), 0).await.unwrap();
        prune(&scene.db, &scene.key, scene.clock.now(), 30).await.unwrap();
        assert_eq!(scene.verify().await.first, Some(1), "nothing is as old as that");

        prune(&scene.db, &scene.key, scene.clock.now(), 5).await.unwrap();
        let report = scene.verify_with(&copies).await;
        assert!(report.intact, "what was done waits to be sealed: {report:#?}");
        assert_eq!((report.first, report.last, report.waiting, report.checkpoints), (Some(8), Some(9), 1, 2));
        scene.write_and_vouch(1).await;
        let report = scene.verify_with(&copies).await;
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.first, report.last), (Some(8), Some(11)));
        let before = scene.head().await;
        prune(&scene.db, &scene.key, scene.clock.now(), 5).await.unwrap();
        scene.seal().await;
        assert_eq!(scene.head().await, before, "there is nothing to delete, and nothing to tell");

        // Somebody deletes more than that, up to a checkpoint too.
        scene.sql(&["DELETE FROM audit_log WHERE sequence <= 9", "DELETE FROM audit_checkpoints WHERE sequence < 9"]).await;
        let report = scene.verify().await;
        assert_eq!((report.findings[0].fault, report.findings[0].sequence), (Fault::Deleted, Some(1)), "{report:#?}");
    }

    /// Y11: somebody has us delete what is young.
    async fn a_checkpoint_that_was_made_older_deletes_nothing(database: TestDatabase) {
        for change in [
            "UPDATE audit_checkpoints SET made_at = 0 WHERE number = 2",
            "UPDATE audit_checkpoints SET made_at = 0, sequence = 4 WHERE number = 2",
        ] {
            let mut scene = Scene::new(database.another().await).await;
            scene.write_and_vouch(2).await;
            scene.write_and_vouch(2).await;
            scene.sql(&[change]).await;
            assert!(prune(&scene.db, &scene.key, scene.clock.now(), 5).await.is_err(), "{change}");
            let report = scene.verify().await;
            assert_eq!((report.first, report.entries), (Some(1), 4), "{change}: {report:#?}");
        }
    }

    /// E14: somebody kept a copy of what was deleted, with its good mark, and puts it where entries wait.
    async fn what_was_deleted_for_its_age_is_not_played_back_unnoticed(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write_and_vouch(4).await;
        scene.clock.advance(10 * DAY);
        scene.write_and_vouch(2).await;
        scene.sql(&["CREATE TABLE kept AS SELECT * FROM audit_log WHERE sequence = 2"]).await;
        prune(&scene.db, &scene.key, scene.clock.now(), 5).await.unwrap();
        scene.write_and_vouch(1).await;
        assert!(scene.verify().await.intact);
        scene.sql(&["INSERT INTO audit_inbox (id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details, mac) \
                     SELECT id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details, mac FROM kept"]).await;
        let report = scene.verify().await;
        assert_eq!((report.findings[0].fault, report.findings[0].sequence, report.faults), (Fault::Inserted, None, 1), "{report:#?}");
        scene.write_and_vouch(1).await;
        let report = scene.verify().await;
        assert_eq!((report.findings[0].fault, report.faults), (Fault::Inserted, 1), "{report:#?}");
        assert!(report.findings[0].sequence > Some(6), "it was sealed, and is named where it stands: {report:#?}");
    }

    /// E13: whoever verifies has read what stood before, and finds what comes after.
    async fn what_is_deleted_while_the_log_is_verified_accuses_nobody(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        let at = scene.clock.now();
        let many = scene.db.write(async |tx| {
            for _ in 0..1_200 {
                audit::insert(tx, &event(at)).await?;
            }
            Ok(())
        });
        many.await.unwrap();
        scene.write_and_vouch(1).await;
        scene.clock.advance(10 * DAY);
        scene.write_and_vouch(2).await;
        let mut anchors = Anchors::default();
        anchors.read(scene.copies().await.as_bytes(), &scene.key).unwrap();
        let mut verifier = Verifier::new(Arc::clone(&scene.key), anchors);
        let mut pages = Pages::open(&scene.db, AuditFilter::default()).await.unwrap();
        pages.next().await.unwrap().unwrap().into_iter().for_each(|item| verifier.take(item));
        prune(&scene.db, &scene.key, scene.clock.now(), 5).await.unwrap();
        while let Some(items) = pages.next().await.unwrap() {
            for item in items {
                verifier.take(item);
            }
        }
        let report = verifier.finish(pages.head());
        assert!(report.intact, "{report:#?}");
        assert_eq!((report.first, report.last), (Some(1), Some(1_203)));
        assert!(report.entries < 1_203, "something was deleted meanwhile");
    }

    /// A kill between two batches.
    async fn a_deletion_that_was_broken_off_is_no_fault_and_goes_on(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write_and_vouch(4).await;
        scene.write_and_vouch(4).await;
        scene.clock.advance(10 * DAY);
        scene.write_and_vouch(2).await;
        // It says first what it will do.
        let mut said = event(scene.clock.now());
        said.kind = Kind::AuditPruned.as_str();
        said.details = serde_json::json!({"until": 8, "checkpoint": 3}).as_object().unwrap().clone();
        scene.db.write(async |tx| audit::insert(tx, &said).await).await.unwrap();
        scene.db.write(async |tx| chain::delete_entries(tx, 8, 3).await).await.unwrap();
        scene.write_and_vouch(1).await;
        let report = scene.verify().await;
        assert!(report.intact, "{report:#?}");
        assert_eq!(report.first, Some(4));

        prune(&scene.db, &scene.key, scene.clock.now(), 5).await.unwrap();
        let report = scene.verify().await;
        assert!(report.intact, "{report:#?}");
        assert_eq!(report.first, Some(9));
    }
}
