//! `ostiary key`.

use serde_json::Value;

use crate::program::Program;

fn keys(program: &Program) -> Vec<Value> {
    program.run(&["--json", "key", "list"]).json().as_array().expect("a list").clone()
}

fn of<'a>(keys: &'a [Value], algorithm: &str, state: &str) -> Vec<&'a str> {
    let wanted = |key: &&Value| key["algorithm"] == algorithm && key["state"] == state;
    keys.iter().filter(wanted).map(|key| key["kid"].as_str().expect("a kid")).collect()
}

#[test]
fn a_rotation_publishes_first_and_signs_later_and_at_once_when_asked_to() {
    let program = Program::new();
    let published = program.run(&["--json", "key", "rotate", "--algorithm", "ES256"]).json();
    assert_eq!(published[0]["state"], "published");
    assert!(published[0]["signs_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{published}");
    let before = keys(&program);
    let (old, next) = (of(&before, "ES256", "signing"), of(&before, "ES256", "published"));
    assert_eq!((old.len(), next.len()), (1, 1));
    assert_eq!(next[0], published[0]["kid"]);

    program.run(&["key", "rotate", "--algorithm", "ES256"]).ok();
    assert_eq!(keys(&program), before, "asking twice changes nothing");

    program.run(&["key", "rotate", "--algorithm", "ES256", "--now"]).ok();
    let after = keys(&program);
    assert_eq!(of(&after, "ES256", "signing"), next);
    assert_eq!(of(&after, "ES256", "retired"), old);
    assert_eq!(of(&after, "RS256", "signing"), of(&before, "RS256", "signing"), "the others stay");
}

#[test]
fn all_keys_are_rotated_unless_one_is_named() {
    let program = Program::new();
    let rotated = program.run(&["--json", "key", "rotate"]).json();
    assert_eq!(rotated.as_array().map(Vec::len), Some(6), "{rotated}");
    assert!(program.run(&["key", "list"]).ok().starts_with("kid "));
}

#[test]
fn an_algorithm_without_a_key_is_named() {
    let program = Program::new();
    assert!(program.run(&["key", "rotate", "--algorithm", "HS256"]).fails(2).contains("ES256"));
    std::fs::write(program.folder().join("ostiary.toml"), "[keys]\nalgorithms = [\"ES256\"]\n").expect("written");
    assert!(program.run(&["key", "rotate", "--algorithm", "EdDSA"]).fails(4).contains("EdDSA"));
}

#[test]
fn private_keys_are_never_shown() {
    let program = Program::new();
    program.run(&["key", "rotate"]).ok();
    for key in keys(&program) {
        let shown: Vec<_> = key.as_object().expect("an object").keys().map(String::as_str).collect();
        assert!(
            shown.iter().all(|name| ["kid", "algorithm", "state", "created_at", "signing_since", "retired_at"].contains(name)),
            "{key}"
        );
    }
}
