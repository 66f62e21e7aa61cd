//! Y11: whatever somebody does to the table who has no key, the first entry that it was done to is named, and what was done.

use ostiary::audit::verify::{Anchors, Fault, Finding, Report};
use ostiary::storage::audit::chain::Head;
use ostiary::storage::instance;

use super::scene::Scene;
use crate::support::database::{TestDatabase, on_both};

/// Ten entries, all of them vouched for.
async fn ten(database: TestDatabase) -> Scene {
    let mut scene = Scene::new(database).await;
    scene.write_and_vouch(10).await;
    let report = scene.verify().await;
    assert!(report.intact && report.entries == 10 && report.vouched_until == 10, "{report:#?}");
    scene
}

#[track_caller]
fn first(report: &Report) -> (Fault, Option<i64>) {
    assert!(!report.intact, "{report:#?}");
    let Finding { fault, sequence, .. } = &report.findings[0];
    (*fault, *sequence)
}

/// In two steps: no number is ever there twice.
const MAKE_ROOM_AT_FIVE: [&str; 2] = [
    "UPDATE audit_log SET sequence = -(sequence + 1) WHERE sequence >= 5",
    "UPDATE audit_log SET sequence = -sequence WHERE sequence < 0",
];
const CLOSE_UP_AT_FIVE: [&str; 2] = [
    "UPDATE audit_log SET sequence = -(sequence - 1) WHERE sequence > 5",
    "UPDATE audit_log SET sequence = -sequence WHERE sequence < 0",
];

on_both! {
    async fn an_entry_that_was_edited_is_named(database: TestDatabase) {
        for change in [
            "UPDATE audit_log SET occurred_at = occurred_at + 1 WHERE sequence = 5",
            "UPDATE audit_log SET id = 'x' WHERE sequence = 5",
            "UPDATE audit_log SET type = 'user.login' WHERE sequence = 5",
            "UPDATE audit_log SET outcome = 'refused' WHERE sequence = 5",
            "UPDATE audit_log SET reason = '' WHERE sequence = 5",
            "UPDATE audit_log SET actor_type = 'user', actor_id = 'u' WHERE sequence = 5",
            "UPDATE audit_log SET client_id = 'c' WHERE sequence = 5",
            "UPDATE audit_log SET user_id = 'u' WHERE sequence = 5",
            "UPDATE audit_log SET address = NULL WHERE sequence = 5",
            "UPDATE audit_log SET trace_id = '' WHERE sequence = 5",
            "UPDATE audit_log SET count = 2 WHERE sequence = 5",
            "UPDATE audit_log SET details = '{}' WHERE sequence = 5",
            "UPDATE audit_log SET mac = NULL WHERE sequence = 5",
            "UPDATE audit_log SET mac = seal WHERE sequence = 5",
            "UPDATE audit_log SET seal = mac WHERE sequence = 5",
            "UPDATE audit_log SET details = (SELECT details FROM audit_log WHERE sequence = 4) || ' ' WHERE sequence = 5",
        ] {
            let scene = ten(database.another().await).await;
            scene.sql(&[change]).await;
            let report = scene.verify().await;
            assert_eq!(first(&report), (Fault::Edited, Some(5)), "{change}: {report:#?}");
            assert_eq!(report.findings[0].id, Some(scene.id(5).await));
            assert_eq!(report.faults, 1, "one entry, one finding: {change}: {report:#?}");
        }
    }

    async fn entries_that_were_deleted_are_named(database: TestDatabase) {
        let scene = ten(database.another().await).await;
        scene.sql(&["DELETE FROM audit_log WHERE sequence IN (5, 6)"]).await;
        let report = scene.verify().await;
        assert_eq!(first(&report), (Fault::Deleted, Some(5)), "{report:#?}");
        assert_eq!((report.findings[0].until, report.faults), (Some(6), 1));

        // With those after it renumbered, so that no gap shows.
        let scene = ten(database.another().await).await;
        scene.sql(&["DELETE FROM audit_log WHERE sequence = 5"]).await;
        scene.sql(&CLOSE_UP_AT_FIVE).await;
        let report = scene.verify().await;
        assert_eq!(first(&report), (Fault::Deleted, Some(5)), "{report:#?}");

        let scene = ten(database.another().await).await;
        scene.sql(&["DELETE FROM audit_log WHERE sequence <= 3"]).await;
        let report = scene.verify().await;
        assert_eq!((first(&report), report.findings[0].until), ((Fault::Deleted, Some(1)), Some(3)), "{report:#?}");

        let scene = ten(database).await;
        scene.sql(&["DELETE FROM audit_log"]).await;
        assert_eq!(first(&scene.verify().await).1, Some(1));
    }

    async fn an_entry_that_was_inserted_is_named(database: TestDatabase) {
        // Between two others.
        let scene = ten(database.another().await).await;
        scene.sql(&MAKE_ROOM_AT_FIVE).await;
        let copy = "INSERT INTO audit_log (sequence, id, occurred_at, type, outcome, actor_type, trace_id, count, details, mac, seal) \
                    SELECT 5, 'made-up', occurred_at, type, outcome, actor_type, trace_id, count, details, mac, seal FROM audit_log WHERE sequence = 4";
        scene.sql(&[copy]).await;
        let report = scene.verify().await;
        assert_eq!(first(&report), (Fault::Inserted, Some(5)), "{report:#?}");
        assert_eq!(report.findings[0].id.as_deref(), Some("made-up"));
        assert_eq!(report.faults, 1, "{report:#?}");

        // After the end.
        let scene = ten(database.another().await).await;
        let copy = "INSERT INTO audit_log (sequence, id, occurred_at, type, outcome, actor_type, trace_id, count, details, mac, seal) \
                    SELECT 11, 'made-up', occurred_at, type, outcome, actor_type, trace_id, count, details, mac, seal FROM audit_log WHERE sequence = 10";
        scene.sql(&[copy]).await;
        assert_eq!(first(&scene.verify().await), (Fault::Inserted, Some(11)));

        // Where entries wait, for the server to seal it.
        let by_hand = "INSERT INTO audit_inbox (id, occurred_at, type, outcome, actor_type, trace_id, count, details) \
                       VALUES ('0197a5c0-0000-7000-8000-000000000000', 1, 'user.login', 'success', 'anonymous', 't', 1, '{}')";
        let mut scene = ten(database.another().await).await;
        scene.sql(&[by_hand]).await;
        let report = scene.verify().await;
        assert_eq!(first(&report), (Fault::Inserted, None), "{report:#?}");
        assert_eq!(report.findings[0].id.as_deref(), Some("0197a5c0-0000-7000-8000-000000000000"));
        scene.write_and_vouch(2).await;
        let report = scene.verify().await;
        assert_eq!(first(&report), (Fault::Inserted, Some(11)), "{report:#?}");
        assert_eq!((report.faults, report.last), (1, Some(13)));
    }

    /// An entry of ours is sealed once, however often it is put there.
    async fn an_entry_that_is_put_back_is_not_sealed_again(database: TestDatabase) {
        let mut scene = ten(database).await;
        scene.sql(&[
            "INSERT INTO audit_inbox (id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details, mac) \
             SELECT id, occurred_at, type, outcome, reason, actor_type, actor_id, client_id, user_id, address, trace_id, count, details, mac \
             FROM audit_log WHERE sequence = 4",
            "INSERT INTO audit_inbox (id, occurred_at, type, outcome, actor_type, trace_id, count, details) \
             VALUES ('short', 1, 'user.login', 'success', 'anonymous', 't', 1, '{}')",
        ]).await;
        scene.write_and_vouch(2).await;
        let report = scene.verify().await;
        assert_eq!((first(&report), report.faults, report.last), ((Fault::Inserted, None), 2, Some(12)), "{report:#?}");
    }

    async fn nothing_hides_behind_seals_that_are_none(database: TestDatabase) {
        for changes in [
            // Of an entry, so that the one after it follows nothing.
            vec!["UPDATE audit_log SET seal = substr(seal, 1, 31) WHERE sequence = 5"],
            vec!["UPDATE audit_log SET seal = substr(seal, 1, 0)"],
            // And one taken out where nobody can tell.
            vec![
                "DELETE FROM audit_log WHERE sequence = 5",
                "UPDATE audit_log SET seal = substr(seal, 1, 0)",
                "UPDATE audit_log SET sequence = -(sequence - 1) WHERE sequence > 5",
                "UPDATE audit_log SET sequence = -sequence WHERE sequence < 0",
                "DELETE FROM audit_checkpoints",
            ],
        ] {
            let scene = ten(database.another().await).await;
            let copies = scene.copies().await;
            scene.sql(&changes).await;
            let report = scene.verify_with(&copies).await;
            assert!(!report.intact && report.faults > 0, "{changes:?}: {report:#?}");
        }
    }

    async fn nothing_stands_before_the_beginning(database: TestDatabase) {
        for place in [
            "UPDATE audit_log SET sequence = 0 WHERE id = 'forged'",
            "UPDATE audit_log SET sequence = -1 WHERE id = 'forged'",
            "UPDATE audit_log SET sequence = (-9223372036854775807 - 1) WHERE id = 'forged'",
        ] {
            let scene = ten(database.another().await).await;
            let forged = "INSERT INTO audit_log (sequence, id, occurred_at, type, outcome, actor_type, trace_id, count, details, seal) \
                SELECT 1000, 'forged', occurred_at, type, outcome, actor_type, trace_id, count, details, seal \
                FROM audit_log WHERE sequence = 5";
            scene.sql(&[forged, place]).await;
            let report = scene.verify_with(&scene.copies().await).await;
            assert!(report.findings.iter().any(|finding| finding.id.as_deref() == Some("forged")), "{place}: {report:#?}");
        }
        // Nor in the inbox, under an id that comes before all others.
        let scene = ten(database).await;
        scene.sql(&["INSERT INTO audit_inbox (id, occurred_at, type, outcome, actor_type, trace_id, count, details) \
                     SELECT '', occurred_at, type, outcome, actor_type, trace_id, count, details FROM audit_log WHERE sequence = 5"]).await;
        assert_eq!(first(&scene.verify().await).0, Fault::Inserted);
    }

    async fn entries_behind_many_that_are_none_are_sealed(database: TestDatabase) {
        let mut scene = ten(database).await;
        let many = "WITH RECURSIVE places (place) AS (SELECT 100000 UNION ALL SELECT place + 1 FROM places WHERE place < 100300) \
                    INSERT INTO audit_inbox (id, occurred_at, type, outcome, actor_type, trace_id, count, details) \
                    SELECT '                              ' || place, 0, 'x', 'success', 'system', '', 1, '{}' FROM places";
        scene.sql(&[many]).await;
        scene.write_and_vouch(1).await;
        assert_eq!(scene.head().await.sequence, 11);
    }

    async fn an_end_that_was_cut_off_is_named(database: TestDatabase) {
        let scene = ten(database.another().await).await;
        scene.sql(&["DELETE FROM audit_log WHERE sequence > 7"]).await;
        let report = scene.verify().await;
        assert_eq!((first(&report), report.findings[0].until), ((Fault::CutOff, Some(8)), Some(10)), "{report:#?}");

        // With the database's own word on where it ends, but not the checkpoint.
        let mut scene = Scene::new(database.another().await).await;
        scene.write_and_vouch(7).await;
        let seven = scene.head().await;
        scene.write_and_vouch(3).await;
        cut_back(&scene, seven).await;
        assert_eq!(first(&scene.verify().await), (Fault::CutOff, Some(8)));
    }

    /// Everything is set back to how it was once: only what is kept elsewhere tells.
    async fn a_log_that_was_set_back_is_found_out_by_the_copies(database: TestDatabase) {
        let mut scene = Scene::new(database).await;
        scene.write_and_vouch(7).await;
        let seven = scene.head().await;
        scene.write_and_vouch(3).await;
        let copies = scene.copies().await;
        cut_back(&scene, seven).await;
        scene.sql(&["DELETE FROM audit_checkpoints WHERE sequence > 7"]).await;
        assert!(scene.verify().await.intact, "nothing in the database tells");
        let report = scene.verify_with(&copies).await;
        assert_eq!((first(&report), report.findings[0].until), ((Fault::CutOff, Some(8)), Some(10)), "{report:#?}");

        // The server that saw more seals nothing on from there; one that is started anew does.
        scene.write(5).await;
        scene.clock.advance(300);
        assert!(scene.sealer.round().await.is_err_and(|error| error.to_string().contains("ends before where it ended")));
        assert_eq!(scene.head().await, seven);
        scene.restart();
        scene.seal().await;
        assert!(scene.verify().await.intact);
        let report = scene.verify_with(&copies).await;
        assert_eq!((first(&report), report.findings[0].until), ((Fault::CutOff, Some(8)), Some(10)), "{report:#?}");
        // As a collector of syslog writes it, with a line that a crash left unfinished.
        let torn = format!("2026-11-22T09:30:00Z host ostiary[7]: {copies}\n{}", &copies[..40]);
        assert_eq!(first(&scene.verify_with(&torn).await), (Fault::CutOff, Some(8)));
    }

    /// What a server that starts finds out by itself: it would lend its seal to what takes the place of what was cut off.
    async fn nothing_is_sealed_on_from_an_end_that_is_none(database: TestDatabase) {
        let mut scene = Scene::new(database.another().await).await;
        scene.write_and_vouch(7).await;
        let seven = scene.head().await;
        scene.write_and_vouch(3).await;
        cut_back(&scene, seven).await;
        for changes in [&[][..], &["UPDATE audit_checkpoints SET signed = replace(signed, 'e', 'f') WHERE number = 3"]] {
            scene.sql(changes).await;
            scene.write(1).await;
            scene.restart();
            assert!(scene.sealer.round().await.is_err(), "{changes:?}");
            assert_eq!(scene.head().await, seven, "{changes:?}");
        }
        // The end was exchanged, the entries were not.
        let mut scene = ten(database).await;
        exchange(&scene, Head { sequence: 10, seal: [9; 32] }).await;
        scene.sql(&["DELETE FROM audit_checkpoints"]).await;
        scene.write(1).await;
        scene.restart();
        assert!(scene.sealer.round().await.is_err());
        assert_eq!(scene.head().await.sequence, 10);
    }

    /// The last thing that is compared: nothing else tells.
    async fn an_end_with_another_seal_than_the_last_entry_is_named(database: TestDatabase) {
        let scene = ten(database).await;
        exchange(&scene, Head { sequence: 10, seal: [9; 32] }).await;
        let report = scene.verify().await;
        assert_eq!((first(&report), report.faults), ((Fault::Edited, Some(10)), 1), "{report:#?}");
    }

    /// A collector has other lines too, some of them with tokens of others, and not all in UTF-8.
    async fn other_lines_between_the_copies_accuse_nobody(database: TestDatabase) {
        let scene = ten(database).await;
        let foreign = format!("eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.{}", "A".repeat(86));
        let lines = [b"caf\xe9 \xff\n".as_slice(), b"GET /?token=x ", foreign.as_bytes(), b"\nhost ostiary: ", scene.copies().await.as_bytes()].concat();
        let mut anchors = Anchors::default();
        anchors.read(lines.as_slice(), &scene.key).unwrap();
        assert_eq!((anchors.forged, anchors.unreadable), (0, 2));
    }

    async fn a_checkpoint_that_was_changed_or_taken_out_is_noticed(database: TestDatabase) {
        for change in [
            "UPDATE audit_checkpoints SET signed = replace(signed, 'e', 'f') WHERE number = 2",
            "UPDATE audit_checkpoints SET signed = (SELECT signed FROM audit_checkpoints WHERE number = 1) WHERE number = 2",
            "DELETE FROM audit_checkpoints WHERE number = 2",
            // What was signed stays as it is.
            "UPDATE audit_checkpoints SET made_at = made_at - 1000000 WHERE number = 2",
            "UPDATE audit_checkpoints SET sequence = sequence - 1 WHERE number = 2",
        ] {
            let mut scene = ten(database.another().await).await;
            scene.write_and_vouch(3).await;
            scene.sql(&[change]).await;
            let report = scene.verify().await;
            assert!(report.findings.iter().any(|finding| finding.fault == Fault::Forged), "{change}: {report:#?}");
        }
        // All of them, so that the server begins anew: the copies know.
        let mut scene = ten(database.another().await).await;
        let copies = scene.copies().await;
        scene.sql(&["DELETE FROM audit_checkpoints"]).await;
        scene.restart();
        scene.write_and_vouch(1).await;
        let report = scene.verify_with(&copies).await;
        assert!(report.findings.iter().any(|finding| finding.fault == Fault::Forged), "{report:#?}");
        // A copy that is not ours.
        let scene = ten(database.another().await).await;
        let other = ten(database).await;
        assert!(scene.verify_with(&scene.copies().await).await.intact);
        assert_eq!(first(&scene.verify_with(&other.copies().await).await).0, Fault::Forged);
    }
}

async fn exchange(scene: &Scene, to: Head) {
    let now = scene.head().await;
    let bytes = |head: Head| [head.sequence.to_be_bytes().as_slice(), &head.seal].concat();
    let exchanged = scene.db.write(async |tx| instance::exchange(tx, "audit_head", &bytes(now), &bytes(to)).await).await;
    assert!(exchanged.unwrap());
}

async fn cut_back(scene: &Scene, to: Head) {
    exchange(scene, to).await;
    scene.sql(&["DELETE FROM audit_log WHERE sequence > 7"]).await;
}
