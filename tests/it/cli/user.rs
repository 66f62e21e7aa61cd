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

#[test]
fn people_are_imported_once_and_each_wrong_line_is_named() {
    let program = Program::new();
    let bcrypt = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let good = format!(
        "{{\"sign_in_name\": \"anna\", \"id\": \"a-1\", \"password_hash\": \"{bcrypt}\", \"roles\": [\"editor\"]}}\n\n\
         {{\"sign_in_name\": \"berta\", \"status\": \"disabled\", \"profile\": {{\"email\": \"berta@example.com\", \"email_verified\": true}}}}\n"
    );
    std::fs::write(program.folder().join("people.jsonl"), &good).unwrap();
    let first = program.run(&["--json", "user", "import", "people.jsonl"]).json();
    assert_eq!((first["created"].as_u64(), first["present"].as_u64()), (Some(2), Some(0)));
    let again = program.run(&["--json", "user", "import", "people.jsonl"]).json();
    assert_eq!((again["created"].as_u64(), again["present"].as_u64()), (Some(0), Some(2)));
    let listed = program.run(&["--json", "user", "list"]).json();
    assert_eq!((&listed[0]["id"], &listed[0]["has_password"]), (&"a-1".into(), &true.into()));

    let bad = "{\"sign_in_name\": \"carla\"}\nnonsense\n{\"sign_in_name\": \"dora\", \"password_hash\": \"plain\"}\n\
               {\"sign_in_name\": \"\"}\n{\"sign_in_name\": \"emma\", \"surprise\": 1}\n{\"sign_in_name\": \"\u{430}nn\u{430}\"}\n";
    std::fs::write(program.folder().join("bad.jsonl"), bad).unwrap();
    let complaint = program.run(&["user", "import", "bad.jsonl"]).fails(1);
    for line in [
        "line 2:",
        "line 3: password_hash",
        "line 4: sign_in_name",
        "line 5:",
        "line 6:",
        "5 lines were not imported, 1 people were",
    ] {
        assert!(complaint.contains(line), "{line}: {complaint}");
    }
    program.run(&["user", "import", "absent.jsonl"]).fails(6);
}

#[test]
fn somebody_is_invited_where_registration_is_not_closed() {
    let program = Program::new();
    program.run(&["user", "invite"]).fails(3);
    std::fs::write(program.folder().join("ostiary.toml"), "[registration]\nmode = \"invitation\"\n[mail]\ntransport = \"log\"\n")
        .unwrap();
    let invited = program.run(&["--json", "user", "invite", "anna@example.com", "--role", "editor"]).json();
    assert!(invited["link"].as_str().unwrap().starts_with("http://localhost:8080/register?invitation="), "{invited}");
    assert_eq!(invited["mailed"], true);
    program.run(&["user", "invite", "nobody"]).fails(2);
}

#[test]
fn a_filter_of_breached_passwords_is_built_and_used() {
    let program = Program::new();
    let breached = "nobody would ever think of this";
    std::fs::write(program.folder().join("list.txt"), format!("{}:7\r\n", ostiary::authn::password::sha1_hex(breached))).unwrap();
    let built = program.run(&["--json", "password", "build-filter", "list.txt", "breached.filter"]).json();
    assert_eq!(built["passwords"], 1);
    assert_eq!(program.run_with(&["--json", "password", "check", "--password-stdin"], breached).json()["accepted"], true);
    std::fs::write(program.folder().join("ostiary.toml"), "[password]\nbreached_filter = \"breached.filter\"\n").unwrap();
    let complaint = program.run_with(&["password", "check", "--password-stdin"], breached).fails(2);
    assert!(complaint.contains("breach") && !complaint.contains(breached), "{complaint}");
    program.run_with(&["password", "check", "--password-stdin"], "seven quiet lamps above the harbour").ok();
    program.run_with(&["user", "create", "anna", "--password-stdin"], breached).fails(2);

    std::fs::remove_file(program.folder().join("breached.filter")).unwrap();
    program.run_with(&["password", "check", "--password-stdin"], breached).fails(6);
    std::fs::write(program.folder().join("unsorted.txt"), "hello\n").unwrap();
    let complaint = program.run(&["password", "build-filter", "unsorted.txt", "x.filter"]).fails(2);
    assert!(complaint.contains("line 1") && !program.folder().join("x.filter").exists(), "{complaint}");
}
