//! Databases that an older version made and filled: the present program brings them up to date, and answers from them.
//!
//! `fixtures/SCHEMA/DATABASE` holds a dump, the master key, and what was handed out. None of it is a secret of anybody's. For a
//! release whose schema is new, make one more: `OSTIARY_MAKE_FIXTURE=1 cargo test --test it storage::fixture -- --include-ignored`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostiary::storage::migrations::newest;
use reqwest::Client;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::clients::person::Person;
use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::program::Program;
use crate::support::flow::{CHALLENGE, VERIFIER};
use crate::support::postgres::Database;

/// Hashes are cheap.
const CONFIGURATION: &str = "[limits]\nenabled = false\n[password]\nmemory_kib = 7168\niterations = 1\n";

/// What was handed out does not end in a lifetime.
const LASTING: &str = "UPDATE grants SET expires_at = expires_at + 3000000000000000; \
     UPDATE refresh_tokens SET expires_at = expires_at + 3000000000000000";

/// What whoever used it then has still.
#[derive(Serialize, Deserialize)]
struct HandedOut {
    /// Of the person.
    sub: String,
    /// Id and secret.
    service: (String, String),
    web: (String, String),
    refresh_token: String,
    revoked: String,
    /// Entries of the audit log.
    entries: usize,
}

fn folder(schema: i64, database: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/storage/fixtures/{schema:04}/{database}"))
}

async fn token(server: &Server, (id, secret): &(String, String), fields: &[(&str, &str)]) -> (u16, Value) {
    let request = Client::new().post(format!("{}/token", server.issuer)).basic_auth(id, Some(secret)).form(fields);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn refresh(server: &Server, client: &(String, String), token: &str) -> (u16, Value) {
    self::token(server, client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// The person logs in, and consents where they are asked.
async fn log_in(server: &Server, client: &(String, String)) -> Value {
    let params = [
        ("response_type", "code"),
        ("client_id", client.0.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid offline_access"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let start = Url::parse_with_params(&format!("{}/authorize", server.issuer), params).expect("a URL");
    let back = Person::new().visit(start).await;
    let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let fields =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
    let (status, tokens) = token(server, client, &fields).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

async fn sub(server: &Server, tokens: &Value) -> String {
    let token = tokens["access_token"].as_str().expect("a token");
    let answer = Client::new().get(format!("{}/userinfo", server.issuer)).bearer_auth(token).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    body["sub"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

fn entries(server: &Server) -> usize {
    server.cli(&["--json", "audit", "list", "--limit", "1000"]).json().as_array().expect("a list").len()
}

/// Lets people and applications use a new installation, and writes down what they were given.
async fn make(section: &str, database: &str, dump: impl AsyncFnOnce(&Server) -> String) {
    let mut server = Server::start_with(Program::new(), &format!("{CONFIGURATION}{section}"));
    server.person();
    server.cli_with(&["user", "create", "ben", "--password-stdin"], PERSON.1).ok();
    server.cli(&["user", "disable", "ben"]).ok();
    server.cli(&["resource", "create", "https://api.example", "--name", "API"]).ok();
    let service = server.client(&["--name", "Service", "--service"]);
    let web = server.client(&["--name", "Web", "--redirect-uri", REDIRECT_URI]);
    let tokens = log_in(&server, &web).await;
    let sub = sub(&server, &tokens).await;
    let text = |tokens: &Value| tokens["refresh_token"].as_str().expect("a refresh token").to_owned();
    let (refresh_token, revoked) = (text(&tokens), text(&log_in(&server, &web).await));
    let request = Client::new().post(format!("{}/revoke", server.issuer)).basic_auth(&web.0, Some(&web.1));
    assert!(request.form(&[("token", revoked.as_str())]).send().await.expect("an answer").status().is_success());
    // Everything is sealed, and vouched for.
    tokio::task::block_in_place(|| server.stop_gently());
    let handed_out = HandedOut { sub, service, web, refresh_token, revoked, entries: entries(&server) };
    let folder = folder(newest(), database);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("dump.sql"), dump(&server).await).expect("written");
    fs::copy(server.folder().join("data/master.key"), folder.join("master.key")).expect("copied");
    let handed_out = serde_json::to_string_pretty(&handed_out).expect("JSON");
    fs::write(folder.join("handed-out.json"), handed_out + "\n").expect("written");
}

/// The present program on it.
async fn read_back(schema: i64, database: &str, section: &str, load: impl AsyncFnOnce(&Program, &str)) {
    let folder = folder(schema, database);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let had: HandedOut = serde_json::from_str(&read("handed-out.json")).expect("what was handed out");
    let program = Program::new();
    let data = program.folder().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("private");
    fs::write(data.join("master.key"), read("master.key")).expect("written");
    fs::set_permissions(data.join("master.key"), fs::Permissions::from_mode(0o600)).expect("private");
    load(&program, &read("dump.sql")).await;

    let mut server = Server::start_with(program, &format!("{CONFIGURATION}{section}"));
    let (status, tokens) = refresh(&server, &had.web, &had.refresh_token).await;
    assert_eq!(status, 200, "a session of then goes on: {tokens}");
    assert_eq!(sub(&server, &tokens).await, had.sub);
    let (status, refused) = refresh(&server, &had.web, &had.revoked).await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "what was revoked then stays so");
    let (status, answer) = token(&server, &had.service, &[("grant_type", "client_credentials")]).await;
    assert_eq!(status, 200, "a secret of then counts: {answer}");
    // The password of then, and the consent of then; the same person to the client.
    assert_eq!(sub(&server, &log_in(&server, &had.web).await).await, had.sub);

    let people = server.cli(&["--json", "user", "list"]).json();
    let person = |name: &str| {
        let found = people.as_array().expect("a list").iter().find(|user| user["sign_in_name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {people:#}")).clone()
    };
    assert_eq!((&person(PERSON.0)["status"], &person("ben")["status"]), (&"active".into(), &"disabled".into()));
    assert!(server.cli(&["--json", "resource", "list"]).json().to_string().contains("https://api.example"));
    tokio::task::block_in_place(|| server.stop_gently());
    assert!(entries(&server) > had.entries);
    let verified = server.cli(&["--json", "audit", "verify"]).json();
    assert_eq!((&verified["intact"], &verified["first"]), (&true.into(), &1.into()), "{verified:#}");
}

fn is_asked_for() -> bool {
    std::env::var_os("OSTIARY_MAKE_FIXTURE").is_some()
}

/// Tables, then their rows, then everything else, as statements.
fn sqlite_dump(database: &Path) -> String {
    let connection = Connection::open(database).expect("the database");
    connection.execute_batch(LASTING).expect("changed");
    let objects = |condition: &str| {
        let sql = format!(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND {condition} ORDER BY rowid"
        );
        let mut statement = connection.prepare(&sql).expect("SQL");
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<Result<Vec<(String, String)>, _>>().expect("text")
    };
    let tables = objects("type = 'table'");
    let mut lines: Vec<String> = tables.iter().map(|(_, sql)| format!("{sql};")).collect();
    for (table, _) in &tables {
        let mut columns = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).expect("SQL");
        let columns = columns.query_map((), |row| row.get(0)).expect("rows").collect::<Result<Vec<String>, _>>().expect("text");
        let quoted = columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(" || ',' || ");
        let mut rows = connection.prepare(&format!("SELECT {quoted} FROM \"{table}\"")).expect("SQL");
        for row in rows.query_map((), |row| row.get::<_, String>(0)).expect("rows") {
            lines.push(format!("INSERT INTO \"{table}\" VALUES ({});", row.expect("text")));
        }
    }
    lines.extend(objects("type <> 'table'").into_iter().map(|(_, sql)| format!("{sql};")));
    lines.join("\n") + "\n"
}

/// Without what only psql understands.
fn postgres_dump(url: &str) -> String {
    let arguments = ["--inserts", "--no-owner", "--no-privileges", "--no-comments", "--dbname", url];
    let dumped = Command::new("pg_dump").args(arguments).output().expect("pg_dump");
    assert!(dumped.status.success(), "{dumped:?}");
    let text = String::from_utf8(dumped.stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("--") && !line.starts_with('\\'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn section(database: &Database) -> String {
    format!("[database]\nurl = \"{}\"\n", database.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_schema_18_held_is_there_again_on_sqlite() {
    if is_asked_for() {
        make("", "sqlite", async |server: &Server| sqlite_dump(&server.folder().join("data/ostiary.db"))).await;
    }
    let load = async |program: &Program, dump: &str| {
        let file = program.folder().join("data/ostiary.db");
        Connection::open(&file).expect("a database").execute_batch(dump).expect("loaded");
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("private");
    };
    read_back(18, "sqlite", "", load).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_schema_18_held_is_there_again_on_postgresql() {
    if is_asked_for() {
        let database = Database::create("fixture_made", "template0").await;
        make(&section(&database), "postgres", async |_: &Server| {
            database.run(LASTING).await;
            postgres_dump(&database.url())
        })
        .await;
    }
    let database = Database::create("fixture_read", "template0").await;
    read_back(18, "postgres", &section(&database), async |_: &Program, dump: &str| database.run(dump).await).await;
}
