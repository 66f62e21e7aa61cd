//! A copy of everything that is held about a person. Behaviours 1.11 S15.

use std::collections::BTreeSet;
use std::path::Path;

use http::StatusCode;
use ostiary::protocol::id::UserId;
use ostiary::storage::db::Db;
use ostiary::storage::held::{Held, TABLES};
use serde_json::{Value, json};

use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app, give_recovery_codes};
use crate::support::flow::{AuthorizationUrl, authorize, log_in, redeem, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// The tables of the schema that name a person, and `users`.
fn tables_with_people() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let sql: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut found = BTreeSet::from(["users".to_owned()]);
    let code = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    for statement in code.split(';').map(str::trim) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let names_somebody = words.iter().any(|word| {
            matches!(
                word.trim_matches(['(', ',', ')']),
                "user_id" | "used_by" | "invited_by" | "actor_id" | "owner_id" | "account_id"
            )
        });
        let table = words.windows(3).find(|three| matches!(three, ["CREATE" | "ALTER", "TABLE", _])).map(|three| three[2]);
        if let (Some(table), true) = (table, names_somebody) {
            found.insert(table.trim_end_matches('(').to_owned());
        }
        if let ["DROP", "TABLE", table] = words[..] {
            found.remove(table);
        }
    }
    found
}

#[test]
fn every_table_that_names_people_is_in_the_copy_or_left_out_for_a_reason() {
    let (known, found): (BTreeSet<_>, _) = (TABLES.iter().map(|(table, _)| (*table).to_owned()).collect(), tables_with_people());
    assert!(found.len() > 10 && found.contains("audit_log"), "{found:?}");
    assert_eq!(found, known);
    for (table, held) in TABLES {
        assert!(!matches!(held, Held::Not(reason) if reason.split(' ').count() < 4), "{table}");
    }
}

/// What pages don't write in the tests: failed logins, a code under way, an invitation that was used.
async fn write_the_rest(db: &Db, id: &UserId) {
    db.write(async |tx| {
        for sql in [
            "INSERT INTO email_codes (id, purpose, user_id, address, holder, tries, created_at, expires_at) \
             VALUES ('c', 'verify_email', $1, 'anna@example.org', $2, 0, 1, 2)",
            "INSERT INTO login_failures (key, kind, user_id, consecutive, first_at, last_at) VALUES ($2, 'account', $1, 3, 1, 2)",
            "INSERT INTO invitations (id, hash, roles, created_at, expires_at, used_at, used_by) VALUES ('i', $2, '[]', 1, 2, 1, $1)",
            "INSERT INTO passkeys (id, user_id, name, credential, counter, created_at) VALUES ('p', $1, 'Anna’s key' || $2, '{\"k\":\"SECRETKEY\"}', 0, 1)",
        ] {
            let query = tx.query(sql).bind(id);
            if sql.contains("passkeys") { query.bind("") } else { query.bind(b"SECRETHASH".to_vec()) }.execute().await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

async fn download(browser: &mut Browser) -> Answer {
    let form = browser.visit("/account/data").await.form_with_button("download-data");
    browser.submit(&form).await
}

on_both! {
    async fn a_copy_holds_everything_and_nothing_by_which_somebody_could_log_in(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let profile = json!({ "email": "anna@example.org", "email_verified": true, "given_name": "Anna", "locale": "fr" });
        let anna = server.person_with("anna", &["member"], Some(profile)).await;
        server.person_with("ben", &[], Some(json!({ "given_name": "Benedikt" }))).await;
        let app = give_app(&server, &anna).await;
        let recovery_codes = give_recovery_codes(&server, &anna).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut other = server.browser();
        let page = other.visit("/login").await;
        log_in(&mut other, &page, "ben").await;
        write_the_rest(&server.state.db, &anna.id).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert_eq!(enter_code(&mut browser, &page, &code_of(&server, &app, 0)).await.url, "/account");
        let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        let tokens = redeem(&server, &client, &code["code"]).await.json();

        let answer = download(&mut browser).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment;"));
        let copy = answer.json();
        for (table, held) in TABLES {
            if let Held::In(member) = held {
                let part = &copy[*member];
                assert!(!part.is_null() && *part != json!([]), "{table}: {member} is empty in {copy:#}");
            }
        }
        assert_eq!(copy["account"]["sign_in_name"], "anna");
        assert_eq!(copy["profile"]["given_name"], "Anna");
        assert_eq!(copy["passkeys"][0]["name"], "Anna’s key");
        assert_eq!(copy["recovery_codes"].as_array().unwrap().len(), 10);
        assert_eq!(copy["grants"][0]["client_id"], client.id());
        assert_eq!(copy["activity_is_complete"], true);
        let kinds: Vec<&Value> = copy["activity"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
        assert!(kinds.contains(&&json!("user.login")) && kinds.contains(&&json!("token.issued")), "{kinds:?}");
        let session = browser.cookies["__Host-sid"].clone();
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        for secret in ["$argon2", "SECRET", "Benedikt", &session, &access, &refresh, &recovery_codes[0], PASSWORD] {
            assert!(!answer.body.contains(secret), "{secret} in {}", answer.body);
        }
        assert!(server.audit().await.iter().any(|entry| entry.kind == "user.exported"));
    }

    async fn a_copy_is_given_on_a_fresh_proof_alone(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        server.clock.advance(301);
        let asked = download(&mut browser).await;
        assert!(asked.url.starts_with("/account/reauthenticate?to=data"), "S15: {}", asked.url);
        let page = browser.submit(&asked.form_of("password-form").set("password", PASSWORD)).await;
        assert_eq!(page.url, "/account/data");
        assert_eq!(download(&mut browser).await.json()["account"]["sign_in_name"], "anna");
        assert_eq!(server.browser().get("/account/data").await.location(), "/login");
    }
}
