//! `ostiary backup` and `ostiary restore` (behaviours 1.17 OP6; 2, "backup while writing + restore").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reqwest::Client;
use serde_json::Value;

use crate::process::{PERSON, Server};
use crate::program::Program;
use crate::support::postgres;

const KEY: &str = "backup-key.txt";

/// A folder that the program has run in, with a person and a key for backups; and that key's public half.
fn installed() -> (Program, String) {
    let program = Program::new();
    program.run_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let recipient = new_key(&program);
    (program, recipient)
}

fn new_key(program: &Program) -> String {
    program.run(&["--json", "backup", "key", KEY]).json()["recipient"].as_str().expect("a key").to_owned()
}

fn back_up(program: &Program, recipient: &str) -> Value {
    program.run(&["--json", "backup", "create", "saved.age", "--recipient", recipient]).json()
}

/// A new folder with the files of another one that are named.
fn with_files_of(other: &Path, names: &[&str]) -> Program {
    let program = Program::new();
    for name in names {
        fs::copy(other.join(name), program.folder().join(name)).expect("a copy");
    }
    program
}

fn restore(program: &Program) -> crate::program::Run {
    program.run(&["restore", "saved.age", "--identity", KEY])
}

#[test]
fn what_was_saved_is_there_again() {
    let (program, recipient) = installed();
    let saved = back_up(&program, &recipient);
    let names: Vec<_> = saved["parts"].as_array().expect("parts").iter().map(|part| part["name"].clone()).collect();
    assert_eq!(names, ["master.key", "ostiary.db"]);
    let file = fs::read(program.folder().join("saved.age")).expect("a backup");
    assert_eq!(saved["bytes"], file.len());
    let master = fs::read(program.folder().join("data/master.key")).expect("a key");
    assert!(!file.windows(master.len()).any(|window| window == master), "the master key stands in it in clear");
    assert!(!file.windows(4).any(|window| window == PERSON.0.as_bytes()), "a name stands in it in clear");
    assert!(program.run(&["backup", "verify", "saved.age", "--identity", KEY]).ok().contains("is whole"));

    let other = with_files_of(program.folder(), &["saved.age", KEY]);
    restore(&other).ok();
    assert_eq!(other.run(&["--json", "user", "list"]).json(), program.run(&["--json", "user", "list"]).json());
    assert_eq!(fs::read(other.folder().join("data/master.key")).expect("a key"), master);
    let left: Vec<_> =
        fs::read_dir(other.folder().join("data")).expect("a folder").map(|entry| entry.expect("a file").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("restoring")), "{left:?}");
}

#[test]
fn backups_and_keys_are_for_their_owner_alone() {
    let (program, recipient) = installed();
    back_up(&program, &recipient);
    for name in ["saved.age", KEY] {
        let mode = fs::metadata(program.folder().join(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let left: Vec<_> =
        fs::read_dir(program.folder().join("data")).expect("a folder").map(|entry| entry.expect("a file").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("snapshot")), "{left:?}");
}

#[test]
fn nothing_is_written_over() {
    let (program, recipient) = installed();
    back_up(&program, &recipient);
    assert!(program.run(&["backup", "create", "saved.age", "--recipient", &recipient]).fails(5).contains("exists already"));
    assert!(program.run(&["backup", "key", KEY]).fails(6).contains(KEY));
    assert!(restore(&program).fails(5).contains("not empty"));

    let other = with_files_of(program.folder(), &["saved.age", KEY]);
    fs::create_dir(other.folder().join("data")).expect("a folder");
    let key = other.folder().join("data/master.key");
    fs::write(&key, "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n").expect("another key");
    assert!(restore(&other).fails(6).contains("chmod 600"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    assert!(restore(&other).fails(5).contains("another master key"));
    assert_eq!(
        fs::read_dir(other.folder().join("data"))
            .expect("a folder")
            .filter(|entry| { entry.as_ref().expect("a file").file_name().to_string_lossy().ends_with(".db") })
            .count(),
        0,
        "nothing was made"
    );
    fs::copy(program.folder().join("data/master.key"), &key).expect("the right key");
    for left in ["data/ostiary.db-wal", "data/ostiary.db-journal"] {
        fs::write(other.folder().join(left), "left").expect("written");
        assert!(restore(&other).fails(5).contains(left));
        fs::remove_file(other.folder().join(left)).expect("gone");
    }
    restore(&other).ok();
}

#[test]
fn a_running_server_keeps_its_folder_to_itself() {
    let server = Server::start();
    fs::write(server.folder().join("saved.age"), "").expect("written");
    assert!(server.cli(&["restore", "saved.age"]).fails(6).contains("another server"));
}

#[test]
fn whoever_has_not_the_key_opens_nothing_and_what_was_changed_is_found() {
    let (program, recipient) = installed();
    back_up(&program, &recipient);
    let other = with_files_of(program.folder(), &["saved.age"]);
    assert!(other.run(&["restore", "saved.age"]).fails(2).contains("--identity"));
    new_key(&other);
    assert!(restore(&other).fails(1).contains("somebody else"));
    // Nor is one taken that anybody could have put there.
    program.run(&["backup", "create", "plain.tar", "--unencrypted"]).ok();
    fs::copy(program.folder().join("plain.tar"), other.folder().join("saved.age")).expect("another one");
    for command in [["restore", "saved.age", "--identity", KEY].as_slice(), &["backup", "verify", "saved.age", "--identity", KEY]]
    {
        assert!(other.run(command).fails(2).contains("not encrypted"));
    }
    fs::copy(program.folder().join("saved.age"), other.folder().join("saved.age")).expect("the first one");

    fs::copy(program.folder().join(KEY), other.folder().join(KEY)).expect("the right key");
    let whole = fs::read(other.folder().join("saved.age")).expect("a backup");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damaged in [changed.as_slice(), &whole[..whole.len() - 1], &whole[..middle], &whole[..300]] {
        fs::write(other.folder().join("saved.age"), damaged).expect("written");
        other.run(&["backup", "verify", "saved.age", "--identity", KEY]).fails(1);
        restore(&other).fails(1);
        assert!(!other.folder().join("data/ostiary.db").exists() && !other.folder().join("data/master.key").exists());
    }
    fs::write(other.folder().join("saved.age"), whole).expect("written");
    restore(&other).ok();
}

#[test]
fn a_backup_that_is_not_encrypted_has_no_master_key_in_it() {
    let (program, _) = installed();
    let said = program.run(&["backup", "create", "saved.age", "--unencrypted"]).ok();
    assert!(said.contains("without the master key"), "{said}");
    let other = with_files_of(program.folder(), &["saved.age"]);
    assert!(other.run(&["restore", "saved.age"]).fails(6).contains("master.key"));
    fs::write(other.folder().join("data/master.key"), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n").expect("another key");
    fs::set_permissions(other.folder().join("data/master.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    assert!(other.run(&["restore", "saved.age"]).fails(5).contains("not a master key that the database in the backup accepts"));
    assert!(!other.folder().join("data/ostiary.db").exists());
    fs::copy(program.folder().join("data/master.key"), other.folder().join("data/master.key")).expect("the key");
    other.run(&["restore", "saved.age"]).ok();
    assert!(program.run(&["backup", "create", "other.tar"]).fails(2).contains("--recipient"));
}

/// As it would stand beside a manifest, and vouching for nothing.
const PROOF: (&str, &str) = ("manifest.proof", r#"{"mac":"","signature":""}"#);

/// A tar archive with this manifest and nothing of what it names.
fn only_manifest(manifest: &Value) -> Vec<u8> {
    let text = manifest.to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, "manifest.json", text.as_bytes()).expect("appended");
    header.set_size(PROOF.1.len() as u64);
    tar.append_data(&mut header, PROOF.0, PROOF.1.as_bytes()).expect("appended");
    tar.into_inner().expect("an archive")
}

#[test]
fn what_this_version_does_not_know_is_refused_before_anything_is_written() {
    let program = Program::new();
    let part = |name: &str| serde_json::json!({ "name": name, "bytes": 0, "sha256": "" });
    let manifest = |schema: i64, format: i64, parts: Vec<Value>| {
        serde_json::json!({ "format": format, "created_at": "2026-11-22T00:00:00Z", "version": "9.9.9", "issuer": "https://id.example",
            "schema": schema, "parts": parts })
    };
    for (code, words, manifest) in [
        (6, "newer version", manifest(9_999, 2, vec![part("ostiary.db")])),
        (1, "form 3", manifest(1, 3, vec![])),
        (2, "another kind of database", manifest(1, 2, vec![part("ostiary.dump")])),
        (1, "does not know", manifest(1, 2, vec![part("../../evil"), part("ostiary.db")])),
        (1, "missing", manifest(1, 2, vec![part("ostiary.db")])),
    ] {
        let complete = words == "missing";
        fs::write(program.folder().join("saved.tar"), only_manifest(&manifest)).expect("written");
        let mut archive = tar::Builder::new(Vec::new());
        if !complete {
            // With every part that it names, so that nothing else is wrong with it.
            let text = manifest.to_string();
            let names: Vec<_> =
                manifest["parts"].as_array().expect("parts").iter().filter_map(|part| part["name"].as_str()).collect();
            for (name, content) in
                [("manifest.json", text.as_str()), PROOF].into_iter().chain(names.iter().map(|name| (*name, "")))
            {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                archive.append(&header, content.as_bytes()).expect("appended");
            }
            fs::write(program.folder().join("saved.tar"), archive.into_inner().expect("an archive")).expect("written");
        }
        let complaint = program.run(&["restore", "saved.tar"]).fails(code);
        assert!(complaint.contains(words), "{words}: {complaint}");
        assert!(!program.folder().join("data/ostiary.db").exists());
    }
    fs::write(program.folder().join("saved.tar"), "no archive").expect("written");
    program.run(&["restore", "saved.tar"]).fails(1);
}

#[test]
#[ignore = "needs age: scripts/test"]
fn age_itself_makes_keys_for_backups_and_opens_them() {
    let program = Program::new();
    program.run_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let keys = Command::new("age-keygen").args(["-o", "own.txt"]).current_dir(program.folder()).output().expect("age-keygen");
    let said = String::from_utf8(keys.stderr).expect("UTF-8");
    let recipient = said.trim().strip_prefix("Public key: ").expect("a public key").to_owned();
    back_up(&program, &recipient);
    let opened = Command::new("age")
        .args(["--decrypt", "-i", "own.txt", "-o", "opened.tar", "saved.age"])
        .current_dir(program.folder())
        .status();
    assert!(opened.is_ok_and(|status| status.success()));
    let listed = Command::new("tar").args(["-tf", "opened.tar"]).current_dir(program.folder()).output().expect("tar");
    assert_eq!(String::from_utf8(listed.stdout).expect("UTF-8"), "manifest.json\nmanifest.proof\nmaster.key\nostiary.db\n");

    // And the other way round: what age encrypted, in many chunks, for a key of ours.
    let recipient = new_key(&program);
    let sealed =
        Command::new("age").args(["-r", &recipient, "-o", "again.age", "opened.tar"]).current_dir(program.folder()).status();
    assert!(sealed.is_ok_and(|status| status.success()));
    program.run(&["backup", "verify", "again.age", "--identity", KEY]).ok();
}

async fn token(server: &Server, (id, secret): &(String, String)) -> String {
    let request = Client::new().post(format!("{}/token", server.issuer)).basic_auth(id, Some(secret));
    let answer = request.form(&[("grant_type", "client_credentials")]).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

async fn post_token(server: &Server, path: &str, (id, secret): &(String, String), token: &str) -> String {
    let request = Client::new().post(format!("{}{path}", server.issuer)).basic_auth(id, Some(secret)).form(&[("token", token)]);
    request.send().await.expect("an answer").text().await.expect("a body")
}

async fn is_active(server: &Server, client: &(String, String), token: &str) -> bool {
    let body = post_token(server, "/introspect", client, token).await;
    serde_json::from_str::<Value>(&body).expect("JSON")["active"].as_bool().expect("active")
}

/// Takes a backup of a server that is being written to, makes another installation of it, and compares.
async fn drill(source: &str, target: &str) {
    let server = Server::start_with(Program::new(), source);
    server.person();
    server.cli_with(&["user", "create", "ben", "--password-stdin"], PERSON.1).ok();
    server.cli(&["user", "disable", "ben"]).ok();
    let client = server.client(&["--name", "Service", "--service"]);
    let (kept, revoked) = (token(&server, &client).await, token(&server, &client).await);
    post_token(&server, "/revoke", &client, &revoked).await;
    let key = server.cli(&["--json", "backup", "key", KEY]).json();
    let recipient = key["recipient"].as_str().expect("a key").to_owned();

    let (done, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let writing = async {
        while !done.load(Ordering::Relaxed) {
            token(&server, &client).await;
            written.fetch_add(1, Ordering::Relaxed);
        }
    };
    let backing_up = async {
        let mut command = server.command(&["--json", "backup", "create", "saved.age", "--recipient", &recipient]);
        let run = tokio::task::spawn_blocking(move || command.output().expect("the program runs"));
        let run = run.await.expect("it ends");
        done.store(true, Ordering::Relaxed);
        run
    };
    let (run, ()) = tokio::join!(backing_up, writing);
    assert!(run.status.success(), "{run:?}");
    assert!(written.load(Ordering::Relaxed) > 0, "nothing was written meanwhile");
    let lists = [["user", "list"], ["client", "list"], ["key", "list"], ["resource", "list"]];
    let before = lists.map(|list| server.cli(&["--json", list[0], list[1]]).json());

    let restored = with_files_of(server.folder(), &["saved.age", KEY, "ostiary.toml"]);
    let configuration = fs::read_to_string(restored.folder().join("ostiary.toml")).expect("a configuration");
    fs::write(restored.folder().join("ostiary.toml"), configuration.replace(source, target)).expect("written");
    let issuer = server.issuer.clone();
    drop(server);
    restored.run(&["restore", "saved.age", "--identity", KEY]).ok();
    let server = Server::start_configured(restored, issuer);
    assert_eq!(lists.map(|list| server.cli(&["--json", list[0], list[1]]).json()), before);
    assert!(is_active(&server, &client, &kept).await, "what was good is good");
    assert!(!is_active(&server, &client, &revoked).await, "what was revoked stays revoked");
    assert!(is_active(&server, &client, &token(&server, &client).await).await);
    let again = server.cli(&["restore", "saved.age", "--identity", KEY]);
    assert_ne!(again.code, 0, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_on_sqlite_is_restored_as_it_was() {
    drill("", "").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_running_server_on_postgresql_is_restored_as_it_was() {
    let source = postgres::Database::create("backup_source", "template0").await;
    let target = postgres::Database::create("backup_target", "template0").await;
    let section = |database: &postgres::Database| format!("[database]\nurl = \"{}\"\n", database.url());
    drill(&section(&source), &section(&target)).await;
}
