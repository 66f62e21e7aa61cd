//! What `ostiary backup` and `ostiary restore` do when somebody else made the backup, or they are stopped half-way.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Program, Run};
use crate::support::postgres;

pub(super) const KEY: &str = "backup-key.txt";

/// An installation with something in it, on the database that this section of the configuration names; and a key for its backups.
pub(super) fn installed(section: &str) -> (Program, String) {
    let program = configured(section);
    program.run(&["client", "create", "--name", "Service", "--service"]).ok();
    let key = program.run(&["--json", "backup", "key", KEY]).json();
    let recipient = key["recipient"].as_str().expect("a key").to_owned();
    fs::write(program.folder().join("audit-key.jwk"), program.run(&["audit", "key"]).ok()).expect("written");
    (program, recipient)
}

pub(super) fn configured(section: &str) -> Program {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    program
}

pub(super) fn copy(from: &Program, to: &Program, name: &str) {
    fs::copy(from.folder().join(name), to.folder().join(name)).expect("a copy");
}

/// Another one, as empty as it can be, that has the backup and what opens it.
fn beside(program: &Program, section: &str) -> Program {
    let other = configured(section);
    for name in ["saved.age", KEY, "audit-key.jwk"] {
        copy(program, &other, name);
    }
    other
}

fn restore(program: &Program) -> Run {
    program.run(&["restore", "saved.age", "--identity", KEY])
}

fn restorations(program: &Program) -> Vec<Value> {
    let found = program.run(&["--json", "audit", "list", "--type", "backup.restored"]).json();
    found.as_array().expect("a list").clone()
}

fn data(program: &Program) -> Vec<String> {
    let Ok(entries) = fs::read_dir(program.folder().join("data")) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn whose_a_backup_is_its_signature_says() {
    const SIGNED: [&str; 4] = ["--identity", KEY, "--public-key", "audit-key.jwk"];
    let (program, recipient) = installed("");
    program.run(&["backup", "create", "saved.age", "--recipient", &recipient]).ok();
    let verified = program.run(&[&["--json", "backup", "verify", "saved.age"], SIGNED.as_slice()].concat()).json();
    assert_eq!(verified["signature"], "good");
    let unasked = program.run(&["--json", "backup", "verify", "saved.age", "--identity", KEY]).json();
    assert_eq!(unasked["signature"], "not compared");

    // Somebody who knows the recipient puts another one there: of an installation of their own.
    let (strange, _) = installed("");
    strange.run(&["backup", "create", "saved.age", "--recipient", &recipient]).ok();
    copy(&strange, &program, "saved.age");
    let complaint = program.run(&[&["backup", "verify", "saved.age"], SIGNED.as_slice()].concat()).fails(7);
    assert!(complaint.contains("somebody else made it"), "{complaint}");
    let other = beside(&program, "");
    other.run(&[&["restore", "saved.age"], SIGNED.as_slice()].concat()).fails(7);
    assert!(data(&other).iter().all(|name| Path::new(name).extension().is_some_and(|end| end == "lock")), "{:?}", data(&other));
    fs::write(other.folder().join("audit-key.jwk"), "{}").expect("written");
    other.run(&[&["restore", "saved.age"], SIGNED.as_slice()].concat()).fails(2);
    restore(&other).ok();
}

/// The files of an archive, by their names.
pub(super) fn unpacked(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(path).expect("a backup"));
    let files = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).expect("its content");
        (name, content)
    });
    files.collect()
}

pub(super) fn pack(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_slice()).expect("appended");
    }
    fs::write(path, archive.into_inner().expect("an archive")).expect("written");
}

/// Whoever keeps the master key apart knows with it a backup that is not theirs, before anything of it is used.
fn apart(source: &str, target: &str) {
    let (program, _) = installed(source);
    program.run(&["backup", "create", "saved.tar", "--unencrypted"]).ok();
    let other = configured(target);
    copy(&program, &other, "saved.tar");
    fs::create_dir(other.folder().join("data")).expect("a folder");
    fs::set_permissions(other.folder().join("data"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
    copy(&program, &other, "data/master.key");
    let files = unpacked(&other.folder().join("saved.tar"));
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).take(2).collect::<Vec<_>>(), ["manifest.json", "manifest.proof"]);

    let mut changed = files.clone();
    let manifest = String::from_utf8(files[0].1.clone()).expect("UTF-8");
    changed[0].1 = manifest.replacen("\"created_at\": \"20", "\"created_at\": \"19", 1).into_bytes();
    assert_ne!(changed, files);
    pack(&other.folder().join("saved.tar"), &changed);
    assert!(other.run(&["restore", "saved.tar"]).fails(5).contains("somebody changed the backup"));
    changed.clone_from(&files);
    changed.remove(1);
    pack(&other.folder().join("saved.tar"), &changed);
    assert!(other.run(&["restore", "saved.tar"]).fails(1).contains("vouches"));

    pack(&other.folder().join("saved.tar"), &files);
    let right = fs::read(other.folder().join("data/master.key")).expect("a key");
    fs::write(other.folder().join("data/master.key"), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n").expect("written");
    assert!(other.run(&["restore", "saved.tar"]).fails(5).contains("not a master key"));
    assert!(
        data(&other).iter().all(|name| !name.contains("restoring") && Path::new(name).extension().is_none_or(|end| end != "db")),
        "{:?}",
        data(&other)
    );
    fs::write(other.folder().join("data/master.key"), right).expect("written");
    // The database is as empty as it was.
    other.run(&["restore", "saved.tar"]).ok();
    assert_eq!(restorations(&other).len(), 1);
}

#[test]
fn a_backup_that_is_not_of_the_master_key_is_refused_on_sqlite() {
    apart("", "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_backup_that_is_not_of_the_master_key_is_refused_on_postgresql_before_the_database_is_filled() {
    let (source, target) = databases("apart").await;
    tokio::task::spawn_blocking(move || apart(&section(&source), &section(&target))).await.expect("it ends");
}

pub(super) async fn databases(name: &'static str) -> (postgres::Database, postgres::Database) {
    let create = async |which| postgres::Database::create(&format!("restore_{name}_{which}"), "template0").await;
    (create("source").await, create("target").await)
}

pub(super) fn section(database: &postgres::Database) -> String {
    format!("[database]\nurl = \"{}\"\n", database.url())
}

fn start(program: &Program, arguments: &[&str]) -> Child {
    let mut command = program.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "a signal is sent");
}

/// E12: a backup is stopped while there is a copy of the database in clear, and while it is written.
#[test]
fn a_backup_that_is_stopped_leaves_nothing_and_one_that_is_killed_blocks_no_other() {
    let (program, recipient) = installed("");
    let connection = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("the database");
    // So much that there is time.
    let filler = "CREATE TABLE filler (content BLOB); \
                  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 48) INSERT INTO filler SELECT randomblob(1048576) FROM n;";
    connection.execute_batch(filler).expect("filled");
    drop(connection);
    let create = ["backup", "create", "saved.age", "--recipient", recipient.as_str()];
    let (snapshot, partial) = ("data/backup.snapshot", "saved.age.partial");
    for (signal, code) in [("-TERM", Some(143)), ("-INT", Some(130)), ("-HUP", Some(129)), ("-KILL", None)] {
        for file in [snapshot, partial] {
            let mut child = start(&program, &create);
            let patience = Instant::now();
            while !fs::metadata(program.folder().join(file)).is_ok_and(|file| file.len() > 0) {
                assert!(patience.elapsed() < Duration::from_mins(1) && child.try_wait().expect("a child").is_none(), "{file}");
            }
            send(signal, &child);
            assert_eq!(child.wait().expect("it ends").code(), code, "{signal} {file}");
            assert!(!program.folder().join("saved.age").exists(), "{signal} {file}");
            for left in [snapshot, partial] {
                assert!(code.is_none() || !program.folder().join(left).exists(), "{signal} {file}: {left}");
            }
        }
    }
    assert!(program.folder().join(partial).exists(), "the last one was killed");
    program.run(&create).ok();
    assert!(!program.folder().join(snapshot).exists() && !program.folder().join(partial).exists());
    program.run(&["backup", "verify", "saved.age", "--identity", KEY]).ok();
}

#[test]
fn two_backups_at_once_do_not_take_each_others_place() {
    let (program, recipient) = installed("");
    let held = fs::File::create(program.folder().join("data/backup.snapshot")).expect("a file");
    held.lock().expect("locked");
    let create = ["backup", "create", "saved.age", "--recipient", recipient.as_str()];
    assert!(program.run(&create).fails(6).contains("another backup is under way"));
    drop(held);
    program.run(&create).ok();
}

/// E9: whenever a restoration is killed, either there is nothing, or what there is says that it was restored.
fn killed(source: &str, target: &str, again: impl Fn()) {
    let (program, recipient) = installed(source);
    program.run(&["backup", "create", "saved.age", "--recipient", &recipient]).ok();
    let begun = Instant::now();
    let whole = beside(&program, target);
    restore(&whole).ok();
    assert_eq!(restorations(&whole).len(), 1);
    let took = begun.elapsed();
    let mut kept = 0;
    for step in 1..=12_u32 {
        again();
        let other = beside(&program, target);
        let mut child = start(&other, &["restore", "saved.age", "--identity", KEY]);
        std::thread::sleep(took * step / 12);
        // It may have ended.
        let _ = child.kill();
        let _ = child.wait();
        // What it had begun at PostgreSQL ends a moment later, one way or the other.
        let patience = Instant::now();
        let run = loop {
            let run = restore(&other);
            if matches!(run.code, 0 | 5) || patience.elapsed() > Duration::from_secs(20) {
                break run;
            }
        };
        if run.code == 5 {
            kept += 1;
        } else {
            run.ok();
            assert!(data(&other).iter().all(|name| !name.contains("restoring")), "{:?}", data(&other));
        }
        let found = restorations(&other);
        assert_eq!(found.len(), 1, "step {step}: {found:#?}");
        assert!(found[0]["details"]["created_at"].is_string(), "{found:#?}");
    }
    assert!(kept < 12, "one of them was killed before its end");
}

#[test]
fn a_restoration_that_is_killed_leaves_nothing_or_a_trace_on_sqlite() {
    killed("", "", || {});
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_restoration_that_is_killed_leaves_nothing_or_a_trace_on_postgresql() {
    let (source, target) = databases("killed").await;
    let (source, target_section) = (section(&source), section(&target));
    let handle = tokio::runtime::Handle::current();
    let again = move || handle.block_on(target.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    tokio::task::spawn_blocking(move || killed(&source, &target_section, again)).await.expect("it ends");
}

/// The moment between the two: it is in place, and whoever restored it is gone.
#[test]
fn whoever_opens_what_was_restored_writes_it_down() {
    let (program, _) = installed("");
    assert!(restorations(&program).is_empty());
    let connection = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("the database");
    let mark = "INSERT INTO instance (name, value) VALUES ('restored_from', CAST('2026-11-22T00:00:00Z' AS BLOB))";
    connection.execute(mark, ()).expect("marked");
    drop(connection);
    for _ in 0..2 {
        let found = restorations(&program);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0]["details"]["created_at"], "2026-11-22T00:00:00Z");
    }
}

/// As sqlx takes it: the host is a parameter, and so is who comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn an_address_without_a_host_does_too() {
    let (source, target) = databases("hostless").await;
    let socket = postgres::Database::socket();
    let folder = socket.parent().expect("a folder").display();
    let section = |database: &postgres::Database| {
        format!("[database]\nurl = \"postgres:///{}?host={folder}&user=ostiary\"\n", database.name())
    };
    let (program, recipient) = installed(&section(&source));
    program.run(&["backup", "create", "saved.age", "--recipient", &recipient]).ok();
    let other = beside(&program, &section(&target));
    restore(&other).ok();
    assert_eq!(other.run(&["--json", "client", "list"]).json(), program.run(&["--json", "client", "list"]).json());
}
