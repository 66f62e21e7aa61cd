//! `ostiary plan`, `ostiary apply` and `ostiary export`: configuration as code.

use std::fs;

use ostiary::storage::db::DatabaseTarget;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::process::Server;
use crate::program::{Program, Run};
use crate::support::database::{TestDatabase, on_both};
use crate::support::postgres;

const SECRET: &str = "kq0JpVfrc0Rk2n6eZbJw7Zc1mXo9aYtD3hLs5uWv8xE";
const OTHER: &str = "Zt4NfBq8wLk1sVx6yRc2mDj7hPg0aTe5uIo9nKb3vQM";

const DOCUMENT: &str = "\
version = 1

[resources.'https://files.example/']
name = 'Your files'
scopes = { 'files:read' = 'Read your files' }

[clients.robot]
client_name = 'Robot'
client_secret = { file = 'secrets/robot' }
grant_types = ['client_credentials']
audiences = ['https://files.example/']
scope = 'files:read'

[clients.shop]
client_name = 'Shop'
redirect_uris = ['https://shop.example/cb']
token_endpoint_auth_method = 'none'
scope = 'openid email'
";

/// A folder that the program runs in, on this database, with the document, and the secret that it names.
fn beside(database: &TestDatabase) -> (Program, String) {
    let section = match &database.target {
        // Its own, in its folder.
        DatabaseTarget::Sqlite(_) => String::new(),
        DatabaseTarget::Postgres(url) => format!("[database]\nurl = \"{}\"\n", url.expose_secret()),
    };
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), &section).expect("written");
    fs::create_dir(program.folder().join("secrets")).expect("a folder");
    write(&program, "secrets/robot", &format!("{SECRET}\n"));
    write(&program, "a.toml", DOCUMENT);
    program.run(&["migrate"]).ok();
    (program, section)
}

fn write(program: &Program, name: &str, text: &str) {
    fs::write(program.folder().join(name), text).expect("written");
}

/// Plans it, which finds something to change, and gives the changes.
#[track_caller]
fn planned(program: &Program, arguments: &[&str]) -> Value {
    let run = program.run(&[&["--json", "plan"], arguments].concat());
    assert_eq!(run.code, 8, "{run:?}");
    serde_json::from_str(&run.stdout).expect("JSON")
}

fn audit(program: &Program) -> Vec<Value> {
    let listed = program.run(&["--json", "audit", "list", "--limit", "200"]).json();
    listed.as_array().expect("a list").clone()
}

/// A document with this in the place of that.
fn with(old: &str, new: &str) -> String {
    assert!(DOCUMENT.contains(old));
    DOCUMENT.replace(old, new)
}

on_both! {
    async fn what_a_document_says_is_made_and_a_second_time_changes_nothing(database: TestDatabase) {
        let (program, _) = beside(&database);
        let plan = planned(&program, &["a.toml"]);
        let changes: Vec<_> = plan["changes"].as_array().unwrap().iter().map(|change| [&change["action"], &change["kind"], &change["id"]]).collect();
        let expected = [["create", "resources", "https://files.example/"], ["create", "clients", "robot"], ["create", "clients", "shop"]];
        assert_eq!(json!(changes), json!(expected));
        assert_eq!(program.run(&["--json", "client", "list"]).json(), json!([]), "a plan changes nothing");
        assert_eq!(program.run(&["apply", "--dry-run", "a.toml"]).code, 8);
        assert_eq!(program.run(&["--json", "client", "list"]).json(), json!([]), "nor does a dry run");

        let applied = program.run(&["apply", "a.toml"]).ok();
        assert!(applied.contains("+ clients.robot") && applied.contains("3 to create, 0 to change, 0 to delete."), "{applied}");
        assert!(!applied.contains(SECRET) && applied.contains("client_secret = (secret)"), "{applied}");
        assert_eq!(program.run(&["client", "show", "robot"]).json()["scope"], "files:read");
        let events = audit(&program);
        let made = |kind: &str| events.iter().filter(|event| event["type"] == kind && event["actor_type"] == "command_line").count();
        assert_eq!((made("client.created"), made("resource.created")), (2, 1), "{events:#?}");

        assert_eq!(program.run(&["plan", "a.toml"]).ok(), "Nothing to change.\n");
        assert_eq!(program.run(&["apply", "a.toml"]).ok(), "Nothing to change.\n");
        assert_eq!(audit(&program).len(), events.len(), "what changes nothing is no event");
    }

    async fn an_export_applied_to_nothing_and_exported_again_is_the_same_text(database: TestDatabase) {
        let (program, section) = beside(&database);
        program.run(&["apply", "a.toml"]).ok();
        program.run(&["client", "disable", "shop"]).ok();
        for (form, name) in [(None, "exported.toml"), (Some("--json"), "exported.json")] {
            let arguments: Vec<_> = form.into_iter().chain(["export", "--secrets-by-reference"]).collect();
            let exported = program.run(&arguments).ok();
            assert!(exported.contains("CLIENT_SECRET_ROBOT") && !exported.contains(SECRET), "{exported}");
            let other = Program::new();
            write(&other, name, &exported);
            let run: Run = other.command(&["apply", name]).env("CLIENT_SECRET_ROBOT", SECRET).output().unwrap().into();
            run.ok();
            assert_eq!(other.run(&arguments).ok(), exported);
            assert_eq!(other.run(&["client", "show", "shop"]).json()["status"], "disabled");
            // Where it comes from there is nothing to change.
            write(&program, name, &exported);
            let run: Run = program.command(&["plan", name]).env("CLIENT_SECRET_ROBOT", SECRET).output().unwrap().into();
            assert_eq!(run.ok(), "Nothing to change.\n", "{section}");
        }
        let plain = program.run(&["export"]).ok();
        assert!(!plain.contains("client_secret"), "{plain}");
    }

    async fn a_change_is_told_field_by_field_and_a_secret_never(database: TestDatabase) {
        let (program, _) = beside(&database);
        program.run(&["apply", "a.toml"]).ok();
        write(&program, "secrets/robot", OTHER);
        write(&program, "a.toml", &with("https://shop.example/cb", "https://shop.example/back"));
        let run = program.run(&["plan", "a.toml"]);
        assert_eq!(run.code, 8);
        assert!(run.stdout.contains(r#"    redirect_uris: ["https://shop.example/cb"] → ["https://shop.example/back"]"#), "{run:?}");
        assert!(run.stdout.contains("    client_secret: (secret) → (another secret)"), "{run:?}");
        assert!(run.stdout.ends_with("0 to create, 2 to change, 0 to delete.\n") && !run.stdout.contains(OTHER), "{run:?}");
        program.run(&["apply", "a.toml"]).ok();
        assert_eq!(program.run(&["plan", "a.toml"]).code, 0);
        let events = audit(&program);
        let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
        assert_eq!(of("client.updated")["details"]["changed"], json!(["redirect_uris"]));
        assert_eq!(of("client.secret_reset")["client_id"], "robot");

        // Whoever disabled a client in haste is not overruled by a document that doesn't speak of it.
        program.run(&["client", "disable", "shop"]).ok();
        assert_eq!(program.run(&["plan", "a.toml"]).code, 0);
        write(&program, "b.toml", &with("client_name = 'Shop'", "client_name = 'Shop'\nstatus = 'active'"));
        assert_eq!(planned(&program, &["b.toml"])["changes"][0]["fields"][1], json!({ "name": "status", "before": "disabled", "after": "active" }));
    }

    async fn only_prune_deletes_and_only_what_somebody_configured_of_the_kinds_that_are_named(database: TestDatabase) {
        let (program, _) = beside(&database);
        let own = "\n[clients.own]\nclient_name = 'Own'\nredirect_uris = ['https://own.example/cb']\ntoken_endpoint_auth_method = 'none'\nself_registered = true\n";
        write(&program, "a.toml", &format!("{DOCUMENT}{own}"));
        program.run(&["apply", "a.toml"]).ok();
        assert!(!program.run(&["export"]).ok().contains("clients.own"));

        let shop = &DOCUMENT[DOCUMENT.find("[clients.shop]").unwrap()..];
        write(&program, "a.toml", &format!("version = 1\n{shop}"));
        assert!(program.run(&["plan", "a.toml"]).ok().contains("left as they are without --prune: clients.robot"));
        let plan = planned(&program, &["a.toml", "--prune"]);
        assert_eq!(plan["changes"], json!([{ "action": "delete", "kind": "clients", "id": "robot" }]));
        program.run(&["apply", "--prune", "a.toml"]).ok();
        let left = program.run(&["--json", "client", "list"]).json();
        let left: Vec<_> = left.as_array().unwrap().iter().map(|client| client["client_id"].clone()).collect();
        assert_eq!(left, ["own", "shop"]);
        assert_eq!(program.run(&["--json", "resource", "list"]).json()[0]["identifier"], "https://files.example/");

        // An empty kind is a kind that is named.
        write(&program, "a.toml", "version = 1\n[resources]\n");
        program.run(&["apply", "--prune", "a.toml"]).ok();
        assert_eq!(program.run(&["--json", "resource", "list"]).json(), json!([]));
    }

    async fn all_that_is_wrong_is_told_with_its_line_and_nothing_is_done(database: TestDatabase) {
        let (program, _) = beside(&database);
        let refused = |text: &str| {
            write(&program, "a.toml", text);
            program.run(&["apply", "a.toml"]).fails(3)
        };
        let complaint = refused(&with("'https://shop.example/cb'", "'http://shop.example/cb', 'https://*.example/'").replace("openid email", "openid unheard:of"));
        for part in ["a.toml:16: clients.shop.redirect_uris[0] must be https", "clients.shop.redirect_uris[1] has no valid host", "a.toml:18: clients.shop.scope holds"] {
            assert!(complaint.contains(part), "{part} is not in {complaint}");
        }
        for (old, new, part) in [
            ("client_name = 'Shop'", "client_nmae = 'Shop'", "a.toml:15: clients.shop.client_nmae is not known here"),
            ("client_secret = { file = 'secrets/robot' }\n", "", "a.toml:7: clients.robot needs a client_secret"),
            ("{ file = 'secrets/robot' }", "{ file = 'secrets/none' }", "a.toml:9: clients.robot.client_secret names secrets/none, which"),
            ("{ file = 'secrets/robot' }", "{ env = 'NO_SUCH_VARIABLE' }", "NO_SUCH_VARIABLE, which is not there"),
            ("{ file = 'secrets/robot' }", "'hunter2hunter2'", "no document holds a secret"),
            ("clients.shop", "clients.0b9cf7c2-6d0e-4b7c-9f5a-0d6f3a1c2b4e", "form of a UUID"),
            ("'none'", "'none'\nclient_secret = { env = 'HOME' }", "clients.shop.client_secret"),
            ("[resources.'https://files.example/']", "[resources.files]", "resources.files.identifier must be an absolute URI"),
            ("version = 1", "version = 2", "a.toml:1: version must be 1"),
        ] {
            let complaint = refused(&with(old, new));
            assert!(complaint.contains(part) && !complaint.contains("hunter2"), "{part} is not in {complaint}");
        }
        write(&program, "secrets/robot", "too short");
        assert!(refused(DOCUMENT).contains("names a secret that is not 32 to 255"));
        assert_eq!(program.run(&["--json", "resource", "list"]).json(), json!([]), "not even what was right");

        write(&program, "secrets/robot", SECRET);
        write(&program, "a.toml", DOCUMENT);
        program.run(&["apply", "a.toml"]).ok();
        let complaint = refused(&with("'none'", "'client_secret_basic'\nclient_secret = { file = 'secrets/robot' }"));
        assert!(complaint.contains("public client of a confidential one"), "{complaint}");
        write(&program, "b.toml", DOCUMENT);
        assert!(program.run(&["plan", "b.toml", "b.toml"]).fails(3).contains("stands in another document already"));
        assert!(program.run(&["plan", "none.toml"]).fails(2).contains("none.toml"));
    }

    async fn a_running_server_learns_of_it(database: TestDatabase) {
        let (program, section) = beside(&database);
        let server = Server::start_with(program, &section);
        server.cli(&["apply", "a.toml"]).ok();
        let http = reqwest::Client::new();
        let status = async |secret: &str| {
            let fields = [("grant_type", "client_credentials"), ("scope", "files:read")];
            let request = http.post(format!("{}/token", server.issuer)).basic_auth("robot", Some(secret)).form(&fields);
            request.send().await.unwrap().status().as_u16()
        };
        // SQLite can only be asked, now and then, whether another process has written.
        let comes = async |secret: &str, wanted: u16| {
            let waiting = async { while status(secret).await != wanted { tokio::time::sleep(std::time::Duration::from_millis(20)).await } };
            tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.expect("the server learns of it");
        };
        comes(SECRET, 200).await;
        let write = |name: &str, text: &str| fs::write(server.folder().join(name), text).expect("written");
        write("secrets/robot", OTHER);
        server.cli(&["apply", "a.toml"]).ok();
        comes(OTHER, 200).await;
        assert_eq!(status(SECRET).await, 200, "the old secret works on for a while");
        write("a.toml", &with("client_name = 'Robot'", "client_name = 'Robot'\nstatus = 'disabled'"));
        server.cli(&["apply", "a.toml"]).ok();
        comes(OTHER, 401).await;
    }
}

/// Commands that say of themselves that they change nothing.
const LOOKING: [&[&str]; 3] = [&["plan", "a.toml"], &["apply", "--dry-run", "a.toml"], &["export"]];

#[test]
fn what_changes_nothing_makes_no_installation_and_updates_none() {
    let program = Program::new();
    write(&program, "a.toml", "version = 1");
    for arguments in LOOKING {
        assert!(program.run(arguments).fails(6).contains("ostiary migrate"), "{arguments:?}");
    }
    assert!(!program.folder().join("data").exists(), "neither a master key nor a database");

    program.run(&["migrate"]).ok();
    let database = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("database");
    let count = || database.query_row("SELECT COUNT(*) FROM _sqlx_migrations", (), |row| row.get::<_, i64>(0)).expect("a count");
    // As the version before left it.
    database
        .execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)", ())
        .expect("older");
    let older = count();
    for arguments in LOOKING {
        assert!(program.run(arguments).fails(6).contains("ostiary migrate"), "{arguments:?}");
    }
    assert_eq!(count(), older, "the nodes that run know no newer schema");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_changes_nothing_makes_no_tables() {
    let database = postgres::Database::create("looked_at", "template0").await;
    let program = Program::new();
    write(&program, "ostiary.toml", &format!("[database]\nurl = \"{}\"\n", database.url()));
    write(&program, "a.toml", "version = 1");
    for arguments in LOOKING {
        assert!(program.run(arguments).fails(6).contains("ostiary migrate"), "{arguments:?}");
    }
    let findings = program.run(&["--json", "doctor", "--offline"]).stdout;
    assert!(findings.contains("there is none yet"), "{findings}");
    drop(database);
}

#[test]
fn a_client_may_be_signed_for_with_every_algorithm_that_is_configured() {
    let program = Program::new();
    program.run(&["migrate"]).ok();
    let client = "\
version = 1

[clients.app]
client_name = 'App'
redirect_uris = ['https://app.example/cb']
token_endpoint_auth_method = 'none'
scope = 'openid'
id_token_signed_response_alg = 'EdDSA'
";
    write(&program, "a.toml", client);
    program.run(&["apply", "a.toml"]).ok();
    let doctor = || program.run(&["doctor", "--offline"]).stdout;
    assert!(!doctor().contains("signing key for"), "{}", doctor());
    // What is not configured is still refused, and found.
    write(&program, "ostiary.toml", "[keys]\nalgorithms = [\"PS256\"]\n");
    assert!(
        doctor().contains("app: id_token_signed_response_alg names an algorithm that there is no signing key for"),
        "{}",
        doctor()
    );
    write(&program, "b.toml", &client.replace("clients.app", "clients.other"));
    assert!(program.run(&["plan", "b.toml"]).fails(3).contains("b.toml:8: clients.other.id_token_signed_response_alg names"));
}

#[test]
fn no_more_is_read_than_a_document_or_a_secret_may_have() {
    let program = Program::new();
    program.run(&["migrate"]).ok();
    assert!(program.run(&["plan", "/dev/zero"]).fails(2).contains("more than 16777216 bytes"));
    write(&program, "a.toml", &with("secrets/robot", "/dev/zero"));
    assert!(
        program.run(&["plan", "a.toml"]).fails(3).contains("names /dev/zero, which can't be read: it has more than 4096 bytes")
    );
}

#[test]
fn names_in_a_document_do_nothing_to_the_terminal() {
    let program = Program::new();
    program.run(&["migrate"]).ok();
    for reference in ["{ env = \"A\\u001b[2JB\" }", "{ file = \"A\\u001b[2JB\" }"] {
        write(&program, "a.toml", &with("{ file = 'secrets/robot' }", reference));
        let complaint = program.run(&["plan", "a.toml"]).fails(3);
        assert!(!complaint.contains('\u{1b}') && complaint.contains("A\\u{1b}[2JB, which"), "{complaint}");
    }
}
