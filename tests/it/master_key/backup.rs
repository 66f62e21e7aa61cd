//! Backups of before, of the middle and of after a rotation: which master key restores which.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::command::{secret, status, with_key};
use crate::process::PERSON;
use crate::program::{Program, Run};
use crate::support::postgres;

/// A new place with this configuration, the backup `saved.tar`, and this file as its master key.
fn place(source: &Program, section: &str, backup: &str, key: &str) -> Program {
    let program = Program::new();
    let copy = |from: &str, to: &str| {
        fs::copy(source.folder().join(from), program.folder().join(to)).expect("a copy");
    };
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    copy(backup, "saved");
    copy("identity.txt", "identity.txt");
    copy(key, "given.key");
    program
}

fn restore(program: &Program, key: &str, identity: bool) -> Run {
    let identity: &[&str] = if identity { &["--identity", "identity.txt"] } else { &[] };
    with_key(program, key, &[&["restore", "saved"], identity].concat())
}

fn files(folder: &Path) -> usize {
    let names = fs::read_dir(folder.join("data")).expect("a folder").map(|entry| entry.expect("a file").file_name());
    names.filter(|name| !name.to_string_lossy().ends_with(".lock")).count()
}

/// `empty` makes sections that name an empty database each time they are asked.
fn each_backup_needs_a_key_that_its_database_accepts(section: &str, mut empty: impl FnMut() -> String) {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    program.run_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let made = program.run(&["--json", "backup", "key", "identity.txt"]).json();
    let recipient = made["recipient"].as_str().expect("a recipient").to_owned();
    let create = |key: &str, name: &str| {
        let printed = with_key(&program, key, &["--json", "backup", "create", name, "--unencrypted"]).json();
        assert!(printed.get("root").is_none(), "a sealed root is printed: {printed}");
    };
    create("data/master.key", "before.tar");
    program.run(&["key", "rotate-master", "--new-key-file", "second.key"]).ok();
    create("data/master.key", "between.tar");
    // This one has the old key in it.
    with_key(&program, "data/master.key", &["backup", "create", "between.age", "--recipient", &recipient]).ok();
    let (_, old) = status(&program, "data/master.key");
    let (_, new) = status(&program, "second.key");
    with_key(&program, "second.key", &["key", "drop-master", &old]).ok();
    create("second.key", "after.tar");

    for (backup, good, bad) in [
        ("before.tar", vec!["data/master.key"], vec!["second.key"]),
        ("between.tar", vec!["data/master.key", "second.key"], vec![]),
        ("after.tar", vec!["second.key"], vec!["data/master.key"]),
    ] {
        let section = empty();
        for key in bad {
            let other = place(&program, &section, backup, key);
            let refused = restore(&other, "given.key", false).fails(5);
            let given = if key == "second.key" { &new } else { &old };
            assert!(refused.contains("given.key") && refused.contains(given.as_str()), "{backup} with {key}: {refused}");
            assert_eq!(files(other.folder()), 0, "something was made");
        }
        // Into the very database that the refused one was not restored to.
        for (number, key) in good.into_iter().enumerate() {
            let other = place(&program, &if number == 0 { section.clone() } else { empty() }, backup, key);
            restore(&other, "given.key", false).ok();
            assert!(with_key(&other, "given.key", &["user", "list"]).ok().contains(PERSON.0), "{backup} with {key}");
        }
    }
    let other = place(&program, &empty(), "between.age", "second.key");
    restore(&other, "given.key", true).ok();
    assert!(with_key(&other, "given.key", &["user", "list"]).ok().contains(PERSON.0));
    assert!(!other.folder().join("data/master.key").exists(), "the key that is there does: no other is put beside it");
    let other = place(&program, &empty(), "between.age", "second.key");
    restore(&other, "its-own.key", true).ok();
    assert_eq!(status(&other, "its-own.key").1, old);
}

#[test]
fn each_backup_needs_a_key_that_its_database_accepts_on_sqlite() {
    each_backup_needs_a_key_that_its_database_accepts("", String::new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn each_backup_needs_a_key_that_its_database_accepts_on_postgresql() {
    let mut databases = Vec::new();
    for number in 0..7 {
        databases.push(postgres::Database::create(&format!("master_key_backup_{number}"), "template0").await);
    }
    let mut sections = databases.iter().map(|database| format!("[database]\nurl = \"{}\"\n", database.url()));
    let source = sections.next().expect("one");
    each_backup_needs_a_key_that_its_database_accepts(&source, || sections.next().expect("one more"));
}

/// A backup that a version before the root made: its database knows the check value of its key alone.
#[test]
fn a_backup_of_before_there_was_a_root_needs_the_key_that_made_it() {
    let program = Program::new();
    program.run(&["user", "list"]).ok();
    program.run(&["backup", "key", "identity.txt"]).ok();
    program.run(&["backup", "create", "now.tar", "--unencrypted"]).ok();
    let unpacked = tempfile::tempdir().expect("a folder");
    tar::Archive::new(fs::File::open(program.folder().join("now.tar")).expect("a backup"))
        .unpack(unpacked.path())
        .expect("unpacked");

    // What 0018 had: no such table, and a value of the key itself.
    let path = unpacked.path().join("ostiary.db");
    let database = rusqlite::Connection::open(&path).expect("the database");
    let key = [5; 32];
    let check = ostiary::keys::root::Root::from_bytes(key).derive("check");
    database.execute_batch("DROP TABLE master_keys; DELETE FROM _sqlx_migrations WHERE version = 19; DELETE FROM instance WHERE name = 'audit_key'; DELETE FROM instance WHERE name = 'audit_head'; DELETE FROM audit_log; DELETE FROM audit_inbox").expect("changed");
    database.execute("UPDATE instance SET value = ?1 WHERE name = 'master_key_check'", [check.as_slice()]).expect("changed");
    drop(database);
    let content = fs::read(&path).expect("readable");
    let sha256 = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(&content));
    let manifest = serde_json::json!({ "format": 1, "created_at": "2026-11-22T00:00:00Z", "version": "0.0.1", "issuer": "https://id.example",
        "schema": 18, "parts": [{ "name": "ostiary.db", "bytes": content.len(), "sha256": sha256 }] });
    let mut tar = tar::Builder::new(fs::File::create(program.folder().join("old.tar")).expect("a file"));
    for (name, content) in [("manifest.json", manifest.to_string().as_bytes()), ("ostiary.db", &content)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).expect("appended");
    }
    tar.into_inner().expect("written");
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
    fs::write(program.folder().join("first.key"), text).expect("written");
    fs::set_permissions(program.folder().join("first.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");

    let restore_old = |program: &Program| with_key(program, "given.key", &["restore", "saved", "--without-proof"]);
    let other = place(&program, "", "old.tar", "data/master.key");
    restore_old(&other).fails(5);
    let other = place(&program, "", "old.tar", "first.key");
    assert!(restore(&other, "given.key", false).fails(2).contains("--without-proof"));
    restore_old(&other).ok();
    assert_eq!(status(&other, "given.key").0.len(), 1, "it is brought up to date");

    // And who replaces that key is told what this does not change; whose database has a root of its own has nothing to be told.
    let rotate = ["--json", "key", "rotate-master", "--new-key-file", "second.key"];
    let told = |program: &Program, key: &str| with_key(program, key, &rotate).json()["previous_is_root"].clone();
    assert_eq!((told(&other, "given.key"), told(&program, "data/master.key")), (true.into(), false.into()));
    let said = with_key(&other, "given.key", &rotate[1..]).ok();
    assert!(said.contains("made before master keys could be replaced"), "{said}");
    assert!(!program.run(&rotate[1..]).ok().contains("made before"));
}

/// An installation with something in it, and what a backup of it is encrypted for.
fn installed(section: &str) -> (Program, String) {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    program.run_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let made = program.run(&["--json", "backup", "key", "identity.txt"]).json();
    (program, made["recipient"].as_str().expect("a recipient").to_owned())
}

/// A key may lie where nothing can be made beside it: here because there is a folder of that name already.
#[test]
fn a_key_that_is_there_needs_no_place_beside_it() {
    let (program, recipient) = installed("");
    program.run(&["backup", "create", "plain", "--unencrypted"]).ok();
    program.run(&["backup", "create", "with-key", "--recipient", &recipient]).ok();
    for (backup, identity) in [("plain", false), ("with-key", true)] {
        let other = place(&program, "", backup, "data/master.key");
        fs::create_dir(other.folder().join("given.key.restoring")).expect("a folder");
        restore(&other, "given.key", identity).ok();
        let other = place(&program, "", backup, "data/master.key");
        let identity: &[&str] = if identity { &["--identity", "identity.txt"] } else { &[] };
        let mut command = other.command(&[&["restore", "saved"], identity].concat());
        command.env("OSTIARY_MASTER_KEY", secret(&program, "data/master.key"));
        command.env("OSTIARY_KEYS__MASTER_KEY_FILE", "nowhere/master.key");
        Run::from(command.output().expect("the program runs")).ok();
        assert!(!other.folder().join("data/master.key.restoring").exists());
    }
    // One that is to be put there does need it, and says so before anything is made.
    let other = place(&program, "", "with-key", "data/master.key");
    assert!(restore(&other, "nowhere/master.key", true).fails(6).contains("nowhere/master.key.restoring"));
    assert_eq!(files(other.folder()), 0);
}

/// `run` runs a statement on the database that has a blob of so many zeros in it.
fn no_row_spoils_a_backup(source: &str, target: &str, run: impl Fn(&Program, &str), blob: impl Fn(usize) -> String) {
    let (program, _) = installed(source);
    let insert = |fingerprint: &str, bytes: usize| {
        run(&program, &format!("INSERT INTO master_keys VALUES ('{fingerprint}', {}, 0)", blob(bytes)));
    };
    insert(&"f".repeat(9_000), 1);
    insert("ffffffffffffffff", 9_000);
    program.run(&["backup", "create", "saved.tar", "--unencrypted"]).ok();
    let other = place(&program, target, "saved.tar", "data/master.key");
    restore(&other, "given.key", false).ok();

    // So many that could be keys are refused when there is still somebody to hear of it.
    (0..100).for_each(|number| insert(&format!("{number:016x}"), 61));
    let refused = program.run(&["backup", "create", "again.tar", "--unencrypted"]).fails(6);
    assert!(refused.contains("more master keys") && refused.contains("drop-master"), "{refused}");
    assert!(!program.folder().join("again.tar").exists());
    (0..60).for_each(|number| run(&program, &format!("DELETE FROM master_keys WHERE fingerprint = '{number:016x}'")));
    program.run(&["backup", "create", "again.tar", "--unencrypted"]).ok();
    program.run(&["backup", "verify", "again.tar"]).ok();
}

#[test]
fn no_row_spoils_a_backup_on_sqlite() {
    let run = |program: &Program, sql: &str| {
        let connection = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("the database");
        connection.execute(sql, ()).expect("run");
    };
    no_row_spoils_a_backup("", "", run, |bytes| format!("zeroblob({bytes})"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn no_row_spoils_a_backup_on_postgresql() {
    let source = postgres::Database::create("master_key_rows_source", "template0").await;
    let target = postgres::Database::create("master_key_rows_target", "template0").await;
    let sections = [&source, &target].map(|database| format!("[database]\nurl = \"{}\"\n", database.url()));
    let handle = tokio::runtime::Handle::current();
    let run = move |_: &Program, sql: &str| handle.block_on(source.run(sql));
    let blob = |bytes| format!("decode(repeat('00', {bytes}), 'hex')");
    let test = move || no_row_spoils_a_backup(&sections[0], &sections[1], run, blob);
    tokio::task::spawn_blocking(test).await.expect("it ends");
}

/// The second step of a rotation falls into a backup: which of the two keys is in it, that one opens it.
#[test]
fn a_key_file_that_is_exchanged_meanwhile_spoils_no_backup() {
    let (program, recipient) = installed("");
    program.run(&["key", "rotate-master", "--new-key-file", "second.key"]).ok();
    let folder = program.folder();
    fs::copy(folder.join("data/master.key"), folder.join("first.key")).expect("a copy");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in ["second.key", "first.key"].iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                fs::copy(folder.join(key), folder.join("next.key")).expect("a copy");
                fs::rename(folder.join("next.key"), folder.join("data/master.key")).expect("exchanged");
            }
        });
        let runs: Vec<_> = (0..8)
            .map(|number| {
                let name = format!("{number}.age");
                let created = program.run(&["backup", "create", &name, "--recipient", &recipient]);
                (created, program.run(&["backup", "verify", &name, "--identity", "identity.txt"]))
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        for (created, verified) in runs {
            created.ok();
            verified.ok();
        }
    });
    let other = place(&program, "", "7.age", "second.key");
    restore(&other, "its-own.key", true).ok();
}

/// The list in the manifest and the one in the database are of one moment, or there is no backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_key_that_is_accepted_while_a_backup_is_taken_is_not_in_half_of_it() {
    let database = postgres::Database::create("master_key_meanwhile", "template0").await;
    let (program, _) = installed(&format!("[database]\nurl = \"{}\"\n", database.url()));
    let mut held = database.connect().await;
    sqlx::query("BEGIN").execute(&mut held).await.expect("begun");
    // pg_dump, whose moment has come by then, waits for it.
    sqlx::query("LOCK TABLE device_codes IN ACCESS EXCLUSIVE MODE").execute(&mut held).await.expect("locked");
    let mut command = program.command(&["backup", "create", "saved.tar", "--unencrypted"]);
    let backup = tokio::task::spawn_blocking(move || Run::from(command.output().expect("the program runs")));
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND datname = $1 AND wait_event_type = 'Lock'";
    let (patience, mut asking) = (std::time::Instant::now(), database.connect().await);
    while sqlx::query_scalar::<_, i64>(waiting).bind(database.name()).fetch_one(&mut asking).await.expect("a number") == 0 {
        assert!(patience.elapsed() < std::time::Duration::from_secs(30), "pg_dump does not wait");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    database.run("INSERT INTO master_keys SELECT 'ffffffffffffffff', sealed_root, 0 FROM master_keys").await;
    sqlx::query("COMMIT").execute(&mut held).await.expect("ended");
    assert!(backup.await.expect("it ends").fails(5).contains("take the backup again"));
    program.run(&["backup", "create", "saved.tar", "--unencrypted"]).ok();
}
