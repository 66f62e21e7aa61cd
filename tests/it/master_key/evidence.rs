//! The audit log across a rotation: the chain is one, and an export opens with each key that was accepted when it was written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::command::{status, with_key};
use crate::program::{Program, Run};

const VERIFY: [&str; 5] = ["--json", "audit", "verify", "--from-dump", "audit.jsonl"];

/// Verifies an export where there is nothing but it and a key.
fn elsewhere(program: &Program, dump: &str, key: &str) -> Run {
    let other = Program::new();
    fs::copy(program.folder().join(dump), other.folder().join("audit.jsonl")).expect("a copy");
    fs::copy(program.folder().join(key), other.folder().join("given.key")).expect("a copy");
    let run = with_key(&other, "given.key", &VERIFY);
    assert!(!other.folder().join("data").exists(), "a database is made for it");
    run
}

fn is_intact(run: &Run) -> bool {
    serde_json::from_str::<Value>(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))["intact"] == true
}

#[test]
fn an_export_opens_with_each_key_of_its_time_and_with_no_other() {
    let program = Program::new();
    program.run(&["client", "create", "--name", "Service", "--service"]).ok();
    let (_, old) = status(&program, "data/master.key");
    let export = |key: &str, name: &str| with_key(&program, key, &["audit", "export", "--output", name]).ok();
    export("data/master.key", "before.jsonl");
    program.run(&["key", "rotate-master", "--new-key-file", "second.key"]).ok();
    export("data/master.key", "between.jsonl");
    with_key(&program, "second.key", &["key", "drop-master", &old]).ok();
    export("second.key", "after.jsonl");

    for (dump, with_old, with_new) in [("before", true, false), ("between", true, true), ("after", false, true)] {
        for (key, opens) in [("data/master.key", with_old), ("second.key", with_new)] {
            let run = elsewhere(&program, &format!("{dump}.jsonl"), key);
            if opens {
                assert!(is_intact(&run), "{dump} {key}: {run:?}");
            } else {
                assert!(run.fails(6).contains("does not accept the master key"), "{dump} {key}");
            }
        }
    }
    assert!(is_intact(&with_key(&program, "second.key", &["--json", "audit", "verify"])));
}

/// One that a version before the root wrote: the key in it is sealed with the master key itself.
#[test]
fn an_export_of_before_there_was_a_root_opens_with_its_key() {
    let program = Program::new();
    program.run(&["client", "create", "--name", "Service", "--service"]).ok();
    program.run(&["audit", "export", "--output", "audit.jsonl"]).ok();
    let text = fs::read_to_string(program.folder().join("audit.jsonl")).expect("an export");
    let (first, rest) = text.split_once('\n').expect("lines");
    let mut header: Value = serde_json::from_str(first).expect("JSON");
    assert_eq!(header["root"].as_object().map(serde_json::Map::len), Some(1), "{header}");

    // The key of the log, sealed as it was then, with a master key that we choose.
    let own = ostiary::keys::master::MasterKey::load_or_create(&program.folder().join("data/master.key")).expect("a key");
    let sealed: ostiary::keys::root::SealedRoot = serde_json::from_value(header["root"].take()).expect("a root");
    let root = sealed.open(&own).expect("it opens");
    let place = b"instance/audit_key";
    let key = ostiary::protocol::jwt::decode(header["key"].as_str().expect("a key")).expect("base64url");
    let key = ostiary::keys::seal::Sealer::new(&root.derive("seal/audit-key")).open(&key, place).expect("it opens");
    let before = ostiary::keys::root::Root::from_bytes([5; 32]);
    let key = ostiary::keys::seal::Sealer::new(&before.derive("seal/audit-key")).seal(&key, place);
    header["key"] = ostiary::protocol::jwt::encode(&key).into();
    header.as_object_mut().expect("an object").remove("root");
    fs::write(program.folder().join("old.jsonl"), format!("{header}\n{rest}")).expect("written");
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [5; 32]);
    fs::write(program.folder().join("first.key"), text).expect("written");
    fs::set_permissions(program.folder().join("first.key"), fs::Permissions::from_mode(0o600)).expect("a mode");

    assert!(is_intact(&elsewhere(&program, "old.jsonl", "first.key")));
    elsewhere(&program, "old.jsonl", "data/master.key").fails(6);
}
