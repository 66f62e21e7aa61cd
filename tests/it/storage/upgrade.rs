//! Updates of the schema: what landed stays as it is, what comes is told before, and can be tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ostiary::storage::db::DatabaseTarget;
use ostiary::storage::migrations::effects::{Phase, Waiting, effects};
use ostiary::storage::migrations::{MigrationError, Trial, dry_run, inspect, newest, plan};
use sha2::{Digest, Sha256};

use crate::program::Program;
use crate::support::database::{TestDatabase, on_both};
use crate::support::postgres;

/// Those that databases have: to change a byte of one makes every one of them "of another lineage". Add a line with each new one.
const LANDED: [(&str, &str); 19] = [
    ("0001_initial", "af0a5a5de418e6724f7b24aaea22633072e624651574b9e96d25ce83c9ae0396"),
    ("0002_people", "751cbe788d5070a828d5b9176565803f700513185017fbbc1f66a24e92d49c97"),
    ("0003_client_keys", "8d6b9646cd7a600bef8e1f8d9568f9499fde32a881e80d2f98af2b49df5286e9"),
    ("0004_pushed_requests", "8e78eb31e38c4dfe1830e38244d76e538f6a241cf69cd2edac9c7386290ecf45"),
    ("0005_confirmation", "a4ea413862084408241b40ebe49cd0bcd27c8ce4a34f20124ee04e02cdfd7851"),
    ("0006_device_codes", "8477636becac0f55035b7e43d82e90c50659181c82e23fee749b1fbe65018675"),
    ("0007_resources", "7aba92fb5810013190269daa49fb43cf95f6bf39f2a0badc2d913967998a81f8"),
    ("0008_logout", "e84b69ee0703083b8792310ac2406961a809f113169bfe421b400a013a889f59"),
    ("0009_authentication", "3f2bf92f7f8965781fb130cbb7fd1a0bef583b369c38b8d3042a439d605c4998"),
    ("0010_token_exchange", "0d578ed2c0d5f18a0a6e92e080f06d9e80d72813b5b7702db8e167e8bd1c99e7"),
    ("0011_authorization_details", "e17252ba37d19453797218cb5d48dad9daa374cf1f1060574b8e4074a73c3c2f"),
    ("0012_client_registration", "86cb3df6b553a6e2ef39f98db8cda30bd1585be7d4595e230d8ccee34066c156"),
    ("0013_device_sessions", "6144efbb0e975cc5f4ba99b5ae484703955bff11f6936b230c900a3167320697"),
    ("0014_client_documents", "3303b5b23e7591f0b7350f7e825367f76c59d8688153bd10cc640b678c38ddd2"),
    ("0015_backchannel", "573e898348f5ff5f6e4ced81e610d3e22d7d02320774b448a3fe952709efc6aa"),
    ("0016_device_reach", "eca1b75e3f5581bba82f45e04b7bcb5c5902463869788fa4d5a4533d604984db"),
    ("0017_registration_token_maker", "19bff30811c5f1f8b8a859f2d95906e0aa0b35226d245dd6ea9d80d85da7085b"),
    ("0018_audit_chain", "c852df4914843c1d9cf382c557dd4a35c410b29ee53f5f68fcec29cc63154950"),
    ("0019_master_keys", "74c1720eb6ded1f769198487502f311b0289d53ecc78bcb6091fab7b4c40e676"),
];

/// The first that says what it is.
const DECLARED_FROM: &str = "0019";

fn migrations() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = fs::read_dir(folder).expect("migrations").map(|entry| entry.expect("an entry").path());
    let named = files.map(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        (name, fs::read_to_string(&path).expect("SQL"))
    });
    named.collect()
}

#[test]
fn migrations_that_landed_never_change() {
    let hex = |sql: &str| Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let found: Vec<_> = migrations().iter().map(|(name, sql)| (name.clone(), hex(sql))).collect();
    let landed: Vec<_> = LANDED.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
    assert_eq!(found, landed);
}

/// H7: the version before goes on beside what expands.
#[test]
fn migrations_declare_their_phase_and_what_expands_takes_nothing_away() {
    for (name, sql) in migrations().iter().filter(|(name, _)| name.as_str() >= DECLARED_FROM) {
        let declared = Phase::declared(sql);
        assert!(declared.is_some(), "{name}: the first line is `-- expand` or `-- contract` (docs/upgrade.md)");
        let taken: Vec<_> = effects(sql).into_iter().filter(|effect| effect.phase == Phase::Contract).collect();
        assert!(declared == Some(Phase::Contract) || taken.is_empty(), "{name} declares that it expands: {taken:#?}");
    }
}

#[test]
fn every_statement_of_every_migration_is_understood() {
    for (name, sql) in migrations() {
        let effects = effects(&sql);
        assert!(!effects.is_empty(), "{name}");
        for effect in effects {
            assert!(!effect.does.starts_with("does something else"), "{name}: {effect:?}");
        }
    }
}

/// Has the database forget that it took the last of them.
async fn forget_the_last(database: &TestDatabase) {
    let forget = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    database.db.write(async |tx| tx.query(forget).execute().await).await.unwrap();
}

on_both! {
    async fn what_is_to_come_is_listed_and_nothing_is_done(database: TestDatabase) {
        assert_eq!(plan(&database.target).await.unwrap(), []);
        forget_the_last(&database).await;
        let before = inspect(&database.target).await.unwrap();
        let steps = plan(&database.target).await.unwrap();
        assert_eq!(steps.iter().map(|step| step.version).collect::<Vec<_>>(), [newest()]);
        assert!(!steps[0].effects.is_empty());
        assert_eq!(inspect(&database.target).await.unwrap(), before);
    }

    async fn an_update_that_would_fail_is_found_out_and_nothing_is_changed(database: TestDatabase) {
        forget_the_last(&database).await;
        let before = inspect(&database.target).await.unwrap();
        // Its tables and columns are there already.
        let tried = dry_run(&database.target).await;
        assert!(matches!(&tried, Err(MigrationError::Fails(_))), "{tried:?}");
        assert_eq!(inspect(&database.target).await.unwrap(), before);
        let tried = dry_run(&database.target).await;
        assert!(matches!(&tried, Err(MigrationError::Fails(_))), "the copy is gone: {tried:?}");
    }

    async fn a_plan_for_a_newer_or_unfinished_database_says_so(database: TestDatabase) {
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     SELECT 9999, 'later', TRUE, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        database.db.write(async |tx| tx.query(newer).execute().await).await.unwrap();
        for planned in [plan(&database.target).await.map(drop), dry_run(&database.target).await.map(drop)] {
            assert!(matches!(planned, Err(MigrationError::Newer(9999))), "{planned:?}");
        }
        let unfinished = "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 9999";
        database.db.write(async |tx| tx.query(unfinished).execute().await).await.unwrap();
        let planned = plan(&database.target).await;
        assert!(matches!(planned, Err(MigrationError::Unfinished(9999))), "{planned:?}");
    }
}

async fn try_on_an_empty_one(target: DatabaseTarget, expected: Trial) {
    let steps = plan(&target).await.unwrap();
    assert_eq!(steps.len(), LANDED.len());
    assert_eq!(steps[0].phase, Phase::Expand);
    assert!(steps[0].effects.iter().all(|effect| effect.waiting == Waiting::Nobody), "{:#?}", steps[0]);
    assert_eq!(dry_run(&target).await.unwrap(), expected);
    assert!(inspect(&target).await.unwrap().is_empty());
}

mod an_update_is_tried_and_nothing_of_it_is_kept {
    use super::*;

    #[tokio::test]
    async fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        try_on_an_empty_one(DatabaseTarget::Sqlite(folder.path().join("ostiary.db")), Trial::Copy).await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nor is the copy");
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: --include-ignored"]
    async fn postgres() {
        let database = postgres::Database::create("dry_run", "template0").await;
        try_on_an_empty_one(DatabaseTarget::Postgres(database.url().into()), Trial::RolledBack).await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_not_overwritten_by_the_copy() {
    let database = TestDatabase::sqlite().await;
    let DatabaseTarget::Sqlite(path) = &database.target else { unreachable!("it is SQLite") };
    let other = path.with_file_name("ostiary.db.dry-run");
    fs::write(&other, "precious").unwrap();
    let tried = dry_run(&database.target).await;
    assert!(matches!(&tried, Err(MigrationError::InTheWay(path)) if *path == other), "{tried:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
}

#[test]
fn the_command_tells_and_tries_and_makes_nothing() {
    let program = Program::new();
    let listed = program.run(&["migrate", "--plan"]).ok();
    assert!(listed.starts_with("migration ") && listed.contains("makes the table users"), "{listed}");
    assert!(!program.folder().join("data").join("master.key").exists());
    program.run(&["migrate"]).ok();
    assert_eq!(program.run(&["migrate", "--plan"]).ok(), format!("The database is up to date (schema {}).\n", newest()));
    assert_eq!(program.run(&["--json", "migrate", "--plan"]).json()["pending"], serde_json::json!([]));
    let tried = program.run(&["migrate", "--dry-run"]).ok();
    assert!(tried.starts_with("0 of 0 migrations succeed on a copy"), "{tried}");
    program.run(&["migrate", "--plan", "--dry-run"]).fails(2);
}
