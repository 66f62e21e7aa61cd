//! What is too old goes, up to a checkpoint, and the rest stays provable.

use ostiary::audit::Kind;
use ostiary::audit::verify::Fault;
use ostiary::jobs::retention::prune;
use ostiary::storage::audit::{self, chain};

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
