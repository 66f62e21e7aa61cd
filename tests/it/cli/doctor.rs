//! `ostiary doctor`: each fault is made on purpose, and found.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use ostiary::clock::Clock;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::process::Server;
use crate::program::{Program, Run};
use crate::support::certificate::self_signed_until;
use crate::support::postgres;

/// What was found, and the exit code.
fn examined(run: &Run) -> (Vec<Value>, i32) {
    let read: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    (read["findings"].as_array().expect("findings").clone(), run.code)
}

fn examine(program: &Program, options: &[&str]) -> (Vec<Value>, i32) {
    examined(&program.run(&[&["--json", "doctor"], options].concat()))
}

/// The one finding of this check, and of this subject if it names one.
#[track_caller]
fn finding<'a>(findings: &'a [Value], check: &str, subject: Option<&str>) -> &'a Value {
    let mut found = findings.iter().filter(|finding| finding["check"] == check && finding["subject"].as_str() == subject);
    found.next().unwrap_or_else(|| panic!("no {check} {subject:?} in {findings:#?}"))
}

#[track_caller]
fn assert_level((findings, _): &(Vec<Value>, i32), check: &str, subject: Option<&str>, level: &str) {
    let found = finding(findings, check, subject);
    assert_eq!(found["level"], level, "{found:#}");
    assert_eq!(found["mend"].is_string(), level != "ok", "{found:#}");
}

fn configure(program: &Program, text: &str) {
    fs::write(program.folder().join("ostiary.toml"), text).expect("written");
}

fn allow(program: &Program, name: &str, mode: u32) {
    fs::set_permissions(program.folder().join(name), Permissions::from_mode(mode)).expect("changed");
}

#[test]
fn it_makes_nothing_where_there_is_nothing() {
    let program = Program::new();
    let examined = examine(&program, &["--offline"]);
    for check in ["data_folder", "master_key", "database", "issuer"] {
        assert_level(&examined, check, None, "note");
    }
    assert_eq!(examined.1, 0, "{examined:#?}");
    assert_eq!(fs::read_dir(program.folder()).expect("the folder").count(), 0);
}

#[test]
fn a_server_that_runs_is_well() {
    let server = Server::start();
    let examined = examined(&server.cli(&["--json", "doctor", "--strict"]));
    for (check, subject) in [
        ("configuration", None),
        ("data_folder", None),
        ("database", None),
        ("signing_key", Some("ES256")),
        ("audit_log", None),
        ("clients", None),
        ("name", Some("localhost")),
        ("discovery", None),
        ("clock", Some("issuer")),
    ] {
        assert_level(&examined, check, subject, "ok");
    }
    assert_level(&examined, "mail", None, "note");
    assert_eq!(examined.1, 0, "{examined:#?}");
    let text = server.cli(&["doctor"]).ok();
    assert!(text.contains("ok       discovery: ") && text.contains("note     mail: off\n         "), "{text}");
}

#[test]
fn rights_that_others_have_are_found() {
    let program = Program::new();
    program.run(&["client", "list"]).ok();
    allow(&program, "data/master.key", 0o640);
    allow(&program, "data", 0o755);
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "data_folder", None, "warning");
    assert_level(&examined, "master_key", None, "error");
    assert_eq!(examined.1, 1);
    allow(&program, "data/master.key", 0o600);
    assert_eq!(examine(&program, &["--offline"]).1, 0, "a warning is no error");
    assert_eq!(examine(&program, &["--offline", "--strict"]).1, 1, "but counts as one if it is asked to");
    allow(&program, "data", 0o777);
    assert_level(&examine(&program, &["--offline"]), "data_folder", None, "error");
    allow(&program, "data", 0o700);
    fs::remove_file(program.folder().join("data/master.key")).expect("removed");
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "master_key", None, "error");
    assert_level(&examined, "installation", None, "error");
    assert!(!program.folder().join("data/master.key").exists(), "another one would be of no use");
}

#[test]
fn what_the_configuration_leaves_open_is_found() {
    let program = Program::new();
    configure(
        &program,
        "[server]\nissuer = \"https://id.example\"\nlisten = \"0.0.0.0:8080\"\nmax_connections = 100000000\n[password]\nmemory_kib = 4000000\nmax_concurrent = 64\n",
    );
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "trusted_proxies", None, "warning");
    assert_level(&examined, "listen", None, "note");
    assert_level(&examined, "open_files", None, "note");
    assert_level(&examined, "memory", None, "warning");
    configure(&program, "[server]\nissuer = \"https://id.example\"\ntrusted_proxies = [\"192.0.2.1/32\"]\n");
    let (findings, _) = examine(&program, &["--offline"]);
    assert!(findings.iter().all(|finding| finding["check"] != "trusted_proxies"), "{findings:#?}");
}

#[test]
fn a_certificate_that_has_ended_or_soon_will_is_found() {
    let program = Program::new();
    let now = u64::try_from(Clock::system().now().as_seconds()).expect("after 1970");
    configure(&program, "[server]\nissuer = \"https://id.example\"\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    for (ends, level) in [(now - 10, "error"), (now + 86_400, "warning"), (now + 90 * 86_400, "ok")] {
        let (certificate, key) = self_signed_until("CN=id.example", ends).pem();
        fs::write(program.folder().join("cert.pem"), certificate).expect("written");
        fs::write(program.folder().join("key.pem"), key).expect("written");
        allow(&program, "key.pem", 0o600);
        assert_level(&examine(&program, &["--offline"]), "certificate", None, level);
    }
    fs::remove_file(program.folder().join("key.pem")).expect("removed");
    assert_level(&examine(&program, &["--offline"]), "certificate", None, "error");
}

#[test]
fn what_has_grown_old_in_the_database_is_found() {
    let server = Server::start();
    server.cli(&["client", "create", "--name", "App", "--service"]).ok();
    let folder = server.folder().join("data");
    let program = Program::new();
    let copy = program.folder().join("data");
    fs::create_dir(&copy).expect("a folder");
    allow(&program, "data", 0o700);
    rusqlite::Connection::open(folder.join("ostiary.db"))
        .expect("database")
        .execute("VACUUM INTO ?1", [copy.join("ostiary.db").to_str().expect("text")])
        .expect("a copy");
    fs::copy(folder.join("master.key"), copy.join("master.key")).expect("a copy");
    let database = rusqlite::Connection::open(copy.join("ostiary.db")).expect("database");
    let old = "INSERT INTO audit_inbox (id, occurred_at, type, outcome, actor_type, trace_id, count, details) \
               VALUES ('0', 1, 'backup.created', 'success', 'system', '', 1, '{}')";
    database.execute_batch("UPDATE signing_keys SET signing_at = 1").expect("changed");
    database.execute_batch(old).expect("inserted");
    drop(database);
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "signing_key", Some("ES256"), "warning");
    assert_level(&examined, "audit_log", None, "warning");
    assert_level(&examined, "backup", None, "warning");
    assert_eq!(examined.1, 0, "{examined:#?}");
}

#[test]
fn a_database_that_is_not_ours_is_left_alone() {
    let program = Program::new();
    fs::create_dir(program.folder().join("data")).expect("a folder");
    allow(&program, "data", 0o700);
    let path = program.folder().join("data/ostiary.db");
    rusqlite::Connection::open(&path).expect("database").execute_batch("CREATE TABLE theirs (id TEXT)").expect("a table");
    let before = fs::read(&path).expect("the file");
    assert_level(&examine(&program, &["--offline"]), "database", None, "error");
    assert_eq!(fs::read(&path).expect("the file"), before);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn settings_of_postgresql_that_lose_what_was_acknowledged_are_found() {
    let database = postgres::Database::create("examined", "template0").await;
    let program = Program::new();
    configure(&program, &format!("[database]\nurl = \"{}\"\n", database.url()));
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "database", None, "note");
    program.run(&["client", "list"]).ok();
    // The server of the tests runs without fsync.
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "database_settings", None, "error");
    let saw: Vec<_> = examined.0.iter().filter(|one| one["check"] == "database_settings").map(|one| one["saw"].clone()).collect();
    assert_eq!(saw, ["fsync is off", "full_page_writes is off"]);
    assert_level(&examined, "clock", Some("database"), "ok");
    assert_eq!(examined.1, 1);
    drop(database);
}

#[test]
fn registrations_that_should_be_better_are_found() {
    let program = Program::new();
    let create = |options: &[&str]| program.run(&[&["client", "create", "--name", "App"], options].concat()).ok();
    create(&["--id", "good", "--service", "--jwks-uri", "https://app.example/jwks"]);
    create(&["--id", "shared", "--redirect-uri", "https://app.example/cb", "--redirect-uri", "http://localhost:3000/cb"]);
    create(&["--id", "gone", "--service"]);
    program.run(&["client", "disable", "gone"]).ok();
    create(&["--id", "files", "--redirect-uri", "https://app.example/cb", "--public"]);
    // As it could be registered once, or was restored from elsewhere.
    let database = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("database");
    let sql =
        "UPDATE clients SET metadata = replace(metadata, 'https://app.example/cb', 'http://app.example/*') WHERE id = 'files'";
    assert_eq!(database.execute(sql, ()).expect("changed"), 1);
    drop(database);
    let (findings, code) = examine(&program, &["--offline"]);
    let of = |id: &str| -> Vec<_> {
        let of = findings.iter().filter(|finding| finding["check"] == "client" && finding["subject"] == id);
        of.map(|finding| (finding["level"].as_str().expect("a level"), finding["saw"].as_str().expect("a sentence"))).collect()
    };
    assert_eq!(of("good"), []);
    assert_eq!(of("gone"), [], "who may do nothing needs no advice");
    let shared = of("shared");
    assert!(
        shared.len() == 2 && shared.iter().all(|(level, _)| *level == "note") && shared[0].1.contains("this machine"),
        "{shared:?}"
    );
    let files = of("files");
    assert!(files[0].0 == "warning" && files[0].1.contains("redirect_uris[0]") && files[1].1.contains("plain http"), "{files:?}");
    assert_eq!(code, 0);
}

#[test]
fn what_a_proxy_does_wrong_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let issuer = format!("http://localhost:{}", listener.local_addr().expect("an address").port());
    let program = Program::new();
    configure(&program, &format!("[server]\nissuer = \"{issuer}\"\n"));
    let answer = |answer: String| {
        let listener = listener.try_clone().expect("the same");
        let proxy = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("answered");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let examined = examine(&program, &[]);
        let request = proxy.join().expect("it was asked");
        assert!(request.starts_with("GET /.well-known/openid-configuration "), "{request}");
        examined
    };
    let whole = |fields: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{fields}\r\n{body}", body.len())
    };
    let own = format!("{{\"issuer\":\"{issuer}\"}}");

    let examined =
        answer(whole("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\nCache-Control: public\r\n", &own));
    assert_level(&examined, "discovery", None, "ok");
    assert_level(&examined, "headers", Some("cache-control"), "warning");
    assert_level(&examined, "clock", Some("issuer"), "warning");
    assert_level(&answer(whole("", r#"{"issuer":"http://localhost:8080"}"#)), "discovery", None, "error");
    assert_level(&answer(whole("", "<html>")), "discovery", None, "error");
    let examined = answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    assert!(
        finding(&examined.0, "discovery", None)["saw"].as_str().expect("text").ends_with("answers with 404"),
        "{examined:#?}"
    );
    assert_eq!(examined.1, 1);
    drop(listener);
    let examined = examine(&program, &[]);
    assert_level(&examined, "discovery", Some("issuer"), "error");
}

/// Talks as a mail server does, to one that comes, and gives what it was told.
fn mail_server(listener: &TcpListener) -> Vec<String> {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.write_all(b"220 mail.example\r\n").expect("greeted");
    let mut told = Vec::new();
    for line in BufReader::new(stream.try_clone().expect("the same")).lines() {
        let line = line.expect("a command");
        stream.write_all(if line == "QUIT" { b"221 Bye\r\n" } else { b"250 OK\r\n" }).expect("answered");
        told.push(line.split(' ').next().unwrap_or_default().to_owned());
    }
    told
}

#[test]
fn a_mail_server_is_asked_and_given_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = Server::start();
    let configured = fs::read_to_string(server.folder().join("ostiary.toml")).expect("the configuration");
    let mail = |transport: &str| {
        let section = format!(
            "[mail]\ntransport = \"{transport}\"\nfrom = \"a@example.org\"\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n"
        );
        fs::write(server.folder().join("other.toml"), format!("{configured}\n{section}")).expect("written");
        examined(&server.cli(&["--json", "--config", "other.toml", "doctor"]))
    };
    let told = std::thread::spawn(move || mail_server(&listener));
    assert_level(&mail("smtp"), "mail", None, "ok");
    assert_eq!(told.join().expect("it was asked"), ["EHLO", "QUIT"]);
    // Nobody listens there any more.
    let examined = mail("smtp");
    assert_level(&examined, "mail", None, "error");
    assert_eq!(examined.1, 1);
    assert_level(&mail("log"), "mail", None, "warning");
}

#[test]
fn what_can_not_be_looked_at_is_told_beside_the_rest() {
    let program = Program::new();
    program.run(&["client", "list"]).ok();
    let database = rusqlite::Connection::open(program.folder().join("data/ostiary.db")).expect("database");
    database.execute_batch("DROP TABLE audit_inbox").expect("dropped");
    drop(database);
    let examined = examine(&program, &["--offline"]);
    for (check, level) in
        [("audit_log", "error"), ("backup", "error"), ("database", "ok"), ("clients", "ok"), ("signing_key", "note")]
    {
        assert_level(&examined, check, None, level);
    }
    assert_eq!(examined.1, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_database_that_is_silent_after_the_login_is_not_waited_for() {
    let database = postgres::Database::create("silent", "template0").await;
    let program = Program::new();
    configure(&program, &format!("[database]\nurl = \"{}\"\n", database.url()));
    program.run(&["migrate"]).ok();
    let mut holder = PgConnection::connect(&database.url()).await.expect("a connection");
    let held = "BEGIN; LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(held).execute(&mut holder).await.expect("held");
    let examined = examine(&program, &["--offline"]);
    assert_level(&examined, "database", None, "error");
    assert_eq!(finding(&examined.0, "database", None)["saw"], "the database does not answer");
    assert_level(&examined, "configuration", None, "ok");
    drop((holder, database));
}
