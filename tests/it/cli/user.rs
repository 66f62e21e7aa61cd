//! `ostiary user`.

use crate::program::Program;

const PASSWORD: &str = "correct horse battery staple";

#[test]
fn a_person_is_created_with_a_password_from_standard_input() {
    let program = Program::new();
    let created = program.run_with(&["--json", "user", "create", "anna", "--role", "admin", "--password-stdin"], PASSWORD).json();
    assert_eq!(created["sign_in_name"], "anna");
    assert_eq!(created["roles"], serde_json::json!(["admin"]));
    assert_eq!(created["has_password"], true);
    let listed = program.run(&["--json", "user", "list"]).json();
    assert_eq!(listed[0]["id"], created["id"]);
}

#[test]
fn a_password_never_comes_from_the_command_line_and_is_asked_for_at_a_terminal_only() {
    let program = Program::new();
    program.run(&["user", "create", "anna", "--password", PASSWORD]).fails(2);
    let complaint = program.run(&["user", "create", "anna"]).fails(2);
    assert!(complaint.contains("--password-stdin"), "{complaint}");
    assert_eq!(program.run(&["--json", "user", "list"]).json(), serde_json::json!([]));
}

#[test]
fn a_name_that_is_taken_is_a_conflict_in_every_spelling() {
    let program = Program::new();
    program.run(&["user", "create", "Anna", "--no-password"]).ok();
    for name in ["Anna", "anna", "ANNA"] {
        let complaint = program.run(&["user", "create", name, "--no-password"]).fails(5);
        assert!(complaint.contains("already"), "{complaint}");
    }
}

#[test]
fn a_weak_password_is_refused_and_not_repeated() {
    let program = Program::new();
    for password in ["hunter2", "", "anna-anna-anna"] {
        let complaint = program.run_with(&["user", "create", "anna-anna-anna", "--password-stdin"], password).fails(2);
        assert!(complaint.contains("password") && !complaint.contains("hunter2"), "{complaint}");
    }
}

#[test]
fn a_role_that_is_none_is_refused() {
    let complaint = Program::new().run(&["user", "create", "anna", "--no-password", "--role", "the \"boss\""]).fails(2);
    assert!(complaint.contains("--role"), "{complaint}");
}

#[test]
fn a_person_is_unlocked() {
    let program = Program::new();
    program.run(&["user", "create", "anna", "--no-password"]).ok();
    assert_eq!(program.run(&["--json", "user", "unlock", "Anna"]).json()["was_locked"], false);
    program.run(&["user", "unlock", "bert"]).fails(4);
}

#[test]
fn a_person_is_disabled_and_enabled_by_name_or_id() {
    let program = Program::new();
    let created = program.run(&["--json", "user", "create", "anna", "--no-password"]).json();
    let id = created["id"].as_str().expect("an id");
    assert_eq!(program.run(&["--json", "user", "disable", "Anna"]).json()["status"], "disabled");
    assert_eq!(program.run(&["--json", "user", "disable", "anna"]).json()["status"], "disabled", "twice is as good as once");
    assert_eq!(program.run(&["--json", "user", "enable", id]).json()["status"], "active");
}

#[test]
fn a_new_password_is_set() {
    let program = Program::new();
    program.run(&["user", "create", "anna", "--no-password"]).ok();
    let said = program.run_with(&["user", "set-password", "anna", "--password-stdin"], "correct horse battery staple\n").ok();
    assert!(!said.contains("correct"), "{said}");
    assert_eq!(program.run(&["--json", "user", "list"]).json()[0]["has_password"], true);
}

#[test]
fn nobody_by_that_name_is_not_found() {
    let program = Program::new();
    for command in ["disable", "enable"] {
        let complaint = program.run(&["user", command, "nobody"]).fails(4);
        assert!(complaint.contains("nobody"), "{complaint}");
    }
    program.run_with(&["user", "set-password", "nobody", "--password-stdin"], PASSWORD).fails(4);
}

#[test]
fn people_are_listed_by_role_and_name_as_a_table() {
    let program = Program::new();
    program.run(&["user", "create", "anna", "--no-password", "--role", "admin"]).ok();
    program.run(&["user", "create", "bert", "--no-password"]).ok();
    let text = program.run(&["user", "list"]).ok();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.starts_with("id "), "{text}");
    assert_eq!(program.run(&["--json", "user", "list", "--role", "admin"]).json().as_array().map(Vec::len), Some(1));
    assert_eq!(program.run(&["--json", "user", "list", "--name", "ER"]).json()[0]["sign_in_name"], "bert");
}

#[test]
fn lost_factors_are_taken_away_by_name() {
    let program = Program::new();
    program.run(&["user", "create", "anna", "--no-password"]).ok();
    assert_eq!(program.run(&["--json", "user", "reset-factors", "Anna"]).json()["sign_in_name"], "anna");
    program.run(&["user", "reset-factors", "bert"]).fails(4);
}
