//! `ostiary key status`, `rotate-master` and `drop-master`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::program::{Program, Run};
use crate::support::postgres;

const ROTATE: [&str; 4] = ["key", "rotate-master", "--new-key-file", "second.key"];

/// Runs it with the key in this file.
pub(super) fn with_key(program: &Program, file: &str, arguments: &[&str]) -> Run {
    let mut command = program.command(arguments);
    command.env("OSTIARY_KEYS__MASTER_KEY_FILE", file).stdin(Stdio::null());
    command.output().expect("the program runs").into()
}

/// The fingerprints that are accepted, and the one that this key file has.
pub(super) fn status(program: &Program, file: &str) -> (Vec<String>, String) {
    let keys = with_key(program, file, &["--json", "key", "status"]).json();
    let keys = keys.as_array().expect("a list");
    let text = |key: &Value| key["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let used: Vec<_> = keys.iter().filter(|key| key["used_here"] == true).map(text).collect();
    assert_eq!(used.len(), 1, "{keys:?}");
    (keys.iter().map(text).collect(), used[0].clone())
}

pub(super) fn secret(program: &Program, file: &str) -> String {
    fs::read_to_string(program.folder().join(file)).expect("a key").trim().to_owned()
}

/// Starts where a database is that the environment names no key for.
fn configured(section: &str) -> Program {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    program.run(&["user", "list"]).ok();
    program
}

fn a_rotation_from_its_beginning_to_its_end(section: &str) {
    let program = configured(section);
    let (before, old) = status(&program, "data/master.key");
    assert_eq!(before, [old.as_str()]);

    let said = program.run(&ROTATE).ok();
    let mode = fs::metadata(program.folder().join("second.key")).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (both, new) = status(&program, "second.key");
    assert_eq!((both.len(), status(&program, "data/master.key").1), (2, old.clone()));
    assert!(said.contains(&new) && said.contains(&format!("ostiary key drop-master {old}")), "{said}");
    let again = program.run(&["--json", "key", "rotate-master", "--new-key-file", "second.key"]).json();
    assert_eq!(
        (&again["added"], &again["fingerprint"], &again["previous"]),
        (&false.into(), &new.as_str().into(), &old.as_str().into())
    );
    assert_eq!(status(&program, "second.key").0.len(), 2);

    assert!(program.run(&["key", "drop-master", &old]).fails(5).contains("names"), "not the one that asks");
    assert!(program.run(&["key", "drop-master", "0123456789abcdef"]).fails(4).contains("0123456789abcdef"));
    assert!(program.run(&["key", "drop-master", "master.key"]).fails(2).contains("16 hexadecimal digits"));
    let dropped = with_key(&program, "second.key", &["key", "drop-master", &old.to_uppercase()]).ok();
    assert!(dropped.contains(&old), "{dropped}");
    assert_eq!(status(&program, "second.key").0, [new.as_str()]);

    // Whoever comes with the old one is told which it is, and which it should be.
    for command in [["serve"].as_slice(), &["user", "list"], &["key", "status"], &ROTATE] {
        let refused = program.run(command).fails(6);
        assert!(refused.contains(&old) && refused.contains(&new), "{command:?}: {refused}");
    }
    let printed = [said, dropped, program.run(&["key", "status"]).stderr].concat();
    for file in ["data/master.key", "second.key"] {
        assert!(!printed.contains(&secret(&program, file)[..10]), "{printed}");
    }
    let entries = with_key(&program, "second.key", &["--json", "audit", "list"]).json();
    let told = |kind: &str, key: &str| {
        let entries = entries.as_array().expect("a list").iter();
        entries
            .filter(|entry| {
                entry["type"] == kind && entry["details"]["fingerprint"] == key && entry["actor_type"] == "command_line"
            })
            .count()
    };
    assert_eq!((told("master_key.added", &new), told("master_key.dropped", &old)), (1, 1), "{entries:#}");
}

#[test]
fn a_rotation_from_its_beginning_to_its_end_on_sqlite() {
    a_rotation_from_its_beginning_to_its_end("");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_rotation_from_its_beginning_to_its_end_on_postgresql() {
    let database = postgres::Database::create("master_key_command", "template0").await;
    a_rotation_from_its_beginning_to_its_end(&format!("[database]\nurl = \"{}\"\n", database.url()));
}

#[test]
fn a_key_file_that_will_not_do_is_refused_and_nothing_is_accepted() {
    let program = configured("");
    let rotate = |file: &str| program.run(&["key", "rotate-master", "--new-key-file", file]);
    assert!(rotate("data/master.key").fails(2).contains("in use already"));
    fs::write(program.folder().join("short.key"), "AAAA").expect("written");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(program.folder().join("short.key"), private).expect("a mode");
    assert!(rotate("short.key").fails(6).contains("short.key"));
    assert!(rotate("nowhere/new.key").fails(6).contains("nowhere/new.key"));
    fs::copy(program.folder().join("data/master.key"), program.folder().join("open.key")).expect("a copy");
    fs::set_permissions(program.folder().join("open.key"), fs::Permissions::from_mode(0o644)).expect("a mode");
    assert!(rotate("open.key").fails(6).contains("chmod 600"));
    assert_eq!(status(&program, "data/master.key").0.len(), 1);
}

/// Run where the server's folder was not named, it would say that a key is accepted which the server refuses.
#[test]
fn where_there_is_no_database_none_is_made() {
    let program = Program::new();
    for command in [&ROTATE[..], &["key", "status"], &["key", "drop-master", "e8d08b2e49b9a884"]] {
        let said = program.run(command).fails(6);
        assert!(said.contains("neither makes nor updates one"), "{said}");
    }
    assert!(!program.folder().join("data").exists() && !program.folder().join("second.key").exists());
}

#[test]
fn a_key_from_the_environment_is_replaced_by_another() {
    let program = Program::new();
    let (one, two) = ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    let run = |key: &str, arguments: &[&str]| -> Run {
        let mut command = program.command(arguments);
        command.env("OSTIARY_MASTER_KEY", key).output().expect("the program runs").into()
    };
    fs::write(program.folder().join("second.key"), two).expect("written");
    fs::set_permissions(program.folder().join("second.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    run(one, &["user", "list"]).ok();
    run(two, &["user", "list"]).fails(6);
    let rotated = run(one, &["--json", "key", "rotate-master", "--new-key-file", "second.key"]).json();
    run(two, &["key", "drop-master", rotated["previous"].as_str().expect("a fingerprint")]).ok();
    run(one, &["user", "list"]).fails(6);
    run(two, &["user", "list"]).ok();
    assert!(!Path::new(program.folder()).join("data/master.key").exists());
}

/// Kills `arguments` on the way, a little later each time; `look` looks at what it left.
fn kill_on_the_way(program: &Program, key: &str, arguments: impl Fn(u32) -> Vec<String>, look: impl Fn(u32)) {
    let began = Instant::now();
    with_key(program, key, &["key", "status"]).ok();
    let whole = began.elapsed() * 5 / 4;
    for step in 0..12 {
        let arguments = arguments(step);
        let mut command = program.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("OSTIARY_KEYS__MASTER_KEY_FILE", key);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the program starts");
        std::thread::sleep(whole * step / 12);
        process.kill().expect("killed");
        process.wait().expect("ended");
        look(step);
    }
}

/// Behaviours 2, "master-key rotation interrupted": resumable, both keys readable.
fn killed_in_a_rotation_it_is_done_again(section: &str) {
    let program = configured(section);
    let key = |step: u32| format!("{step}.key");
    let rotate = |step: u32| ["key", "rotate-master", "--new-key-file", &key(step)].map(str::to_owned).to_vec();
    kill_on_the_way(&program, "data/master.key", rotate, |step| {
        let (accepted, _) = status(&program, "data/master.key");
        let made = program.folder().join(key(step)).exists();
        assert!(accepted.len() < 2 + step as usize || made, "a key that nobody has is accepted");
        program.run(&["key", "rotate-master", "--new-key-file", &key(step)]).ok();
        let (accepted, new) = status(&program, &key(step));
        assert_eq!(accepted.len(), 2 + step as usize, "{accepted:?}");
        assert!(accepted.contains(&new) && accepted.contains(&status(&program, "data/master.key").1));
    });
    let fingerprints: Vec<_> = (0..12).map(|step| status(&program, &key(step)).1).collect();
    let drop = |step: u32| ["key", "drop-master", &fingerprints[step as usize]].map(str::to_owned).to_vec();
    kill_on_the_way(&program, "data/master.key", drop, |step| {
        let before = status(&program, "data/master.key").0;
        let gone = !before.contains(&fingerprints[step as usize]);
        assert_eq!(with_key(&program, &key(step), &["key", "status"]).code, if gone { 6 } else { 0 });
        let again = program.run(&["key", "drop-master", &fingerprints[step as usize]]);
        assert_eq!(again.code, if gone { 4 } else { 0 }, "{again:?}");
        with_key(&program, &key(step), &["user", "list"]).fails(6);
    });
    assert_eq!(status(&program, "data/master.key").0.len(), 1);
    let entries = program.run(&["--json", "audit", "list", "--limit", "1000"]).json();
    let count = |kind: &str| entries.as_array().expect("a list").iter().filter(|entry| entry["type"] == kind).count();
    assert_eq!((count("master_key.added"), count("master_key.dropped")), (12, 12), "each is told once");
    assert_eq!(program.run(&["--json", "audit", "verify"]).json()["intact"], true);
}

#[test]
fn killed_in_a_rotation_it_is_done_again_on_sqlite() {
    killed_in_a_rotation_it_is_done_again("");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn killed_in_a_rotation_it_is_done_again_on_postgresql() {
    let database = postgres::Database::create("master_key_killed", "template0").await;
    killed_in_a_rotation_it_is_done_again(&format!("[database]\nurl = \"{}\"\n", database.url()));
}
