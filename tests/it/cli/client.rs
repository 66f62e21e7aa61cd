//! `ostiary client`.

use serde_json::{Value, json};

use crate::program::Program;

fn create(program: &Program, options: &[&str]) -> Value {
    program.run(&[&["--json", "client", "create", "--name", "App"], options].concat()).json()
}

#[test]
fn a_web_application_gets_a_secret_which_is_shown_once() {
    let program = Program::new();
    let created = create(&program, &["--redirect-uri", "https://app.example/cb"]);
    assert_eq!(created["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(created["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(created["scope"], "email offline_access openid profile");
    let secret = created["client_secret"].as_str().expect("a secret");
    assert!(secret.len() >= 43);

    let id = created["client_id"].as_str().expect("an id");
    for command in [vec!["client", "show", id], vec!["--json", "client", "list"], vec!["client", "disable", id]] {
        assert!(!program.run(&command).ok().contains(secret), "{command:?} shows the secret");
    }
    let database = std::fs::read(program.folder().join("data/ostiary.db")).expect("database");
    let holds = |text: &str| database.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(secret), "the database holds the secret");
}

#[test]
fn public_and_native_clients_have_no_secret() {
    let program = Program::new();
    let public = create(&program, &["--public", "--redirect-uri", "https://spa.example/", "--origin", "https://spa.example"]);
    assert_eq!(public["token_endpoint_auth_method"], "none");
    assert_eq!(public.get("client_secret"), None);
    let native = create(&program, &["--native", "--redirect-uri", "com.example.app:/cb"]);
    assert_eq!(native["application_type"], "native");
    assert_eq!(native.get("client_secret"), None);
    let id = native["client_id"].as_str().expect("an id");
    assert!(program.run(&["client", "reset-secret", id]).fails(2).contains("public"));
}

#[test]
fn a_service_logs_nobody_in() {
    let created = create(&Program::new(), &["--service", "--audience", "https://api.example"]);
    assert_eq!(created["grant_types"], json!(["client_credentials"]));
    assert_eq!(created["audiences"], json!(["https://api.example"]));
    assert_eq!(created["scope"], "");
}

#[test]
fn what_may_not_be_registered_is_named() {
    let program = Program::new();
    for (options, word) in [
        (&["--redirect-uri", "https://app.example/cb#fragment"][..], "redirect_uris[0]"),
        (&["--redirect-uri", "http://app.example/cb"], "https"),
        (&["--redirect-uri", "https://*.example/cb"], "redirect_uris[0]"),
        (&["--service", "--scope", "unheard:of"], "unheard:of"),
        (&[], "--redirect-uri"),
        (&["--service", "--public"], "--public"),
    ] {
        let complaint = program.run(&[&["client", "create", "--name", "App"], options].concat()).fails(2);
        assert!(complaint.contains(word), "{options:?}: {complaint}");
    }
    assert_eq!(program.run(&["--json", "client", "list"]).json(), json!([]));
}

#[test]
fn an_identifier_of_ones_own_is_taken_once() {
    let program = Program::new();
    let options = ["--id", "my-app", "--redirect-uri", "https://app.example/cb"];
    assert_eq!(create(&program, &options)["client_id"], "my-app");
    program.run(&[&["client", "create", "--name", "Other"], &options[..]].concat()).fails(5);
}

#[test]
fn a_client_is_disabled_enabled_and_deleted() {
    let program = Program::new();
    create(&program, &["--id", "app", "--redirect-uri", "https://app.example/cb"]);
    assert_eq!(program.run(&["--json", "client", "disable", "app"]).json()["status"], "disabled");
    assert_eq!(program.run(&["--json", "client", "enable", "app"]).json()["status"], "active");
    program.run(&["client", "delete", "app"]).ok();
    for command in ["show", "disable", "enable", "reset-secret", "delete"] {
        assert!(program.run(&["client", command, "app"]).fails(4).contains("app"));
    }
}

#[test]
fn a_reset_gives_another_secret() {
    let program = Program::new();
    let first = create(&program, &["--id", "app", "--redirect-uri", "https://app.example/cb"]);
    let second = program.run(&["--json", "client", "reset-secret", "app"]).json();
    assert!(second["client_secret"].is_string());
    assert_ne!(first["client_secret"], second["client_secret"]);
}

#[test]
fn a_client_may_ask_for_two_factors() {
    let program = Program::new();
    let create = ["--json", "client", "create", "--name", "Bank", "--redirect-uri", "https://bank.example/cb", "--required-acr"];
    assert_eq!(program.run(&[&create[..], &["2"]].concat()).json()["required_acr"], "2");
    assert!(program.run(&[&create[..], &["gold"]].concat()).fails(2).contains("phr"));
}

#[test]
fn a_client_with_keys_has_no_secret() {
    let program = Program::new();
    let published = create(&program, &["--id", "app", "--service", "--jwks-uri", "https://app.example/jwks"]);
    assert_eq!(published["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!((&published["jwks_uri"], published.get("client_secret")), (&json!("https://app.example/jwks"), None));
    assert!(program.run(&["client", "reset-secret", "app"]).fails(2).contains("keys"));

    let file = program.folder().join("jwks.json");
    let path = file.to_str().expect("text");
    let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let set = |key: &Value| std::fs::write(&file, json!({ "keys": [key] }).to_string()).expect("written");
    set(&key);
    let by_value = create(&program, &["--service", "--jwks-file", path, "--legacy-assertion-audience"]);
    assert_eq!(by_value["jwks"]["keys"][0], key);
    assert_eq!(by_value["legacy_assertion_audience"], true);
    key["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    set(&key);
    let refuse =
        |options: &[&str]| program.run(&[&["client", "create", "--name", "App", "--service"], options].concat()).fails(2);
    let complaint = refuse(&["--jwks-file", path]);
    assert!(complaint.contains("private") && !complaint.contains("nWGxne"), "{complaint}");
    std::fs::write(&file, "no JSON").expect("written");
    assert!(refuse(&["--jwks-file", path]).contains("--jwks-file"));
    assert!(refuse(&["--jwks-uri", "http://127.0.0.1/jwks"]).contains("jwks_uri"));
    assert!(refuse(&["--auth-method", "private_key_jwt"]).contains("jwks"));
    assert!(refuse(&["--auth-method", "tls_client_auth"]).contains("tls_client_auth_subject_dn"));
    assert!(refuse(&["--auth-method", "tls"]).contains("client_secret_jwt"));
}

#[test]
fn a_client_that_makes_assertions_with_its_secret_gets_one() {
    let program = Program::new();
    let created = create(&program, &["--id", "app", "--service", "--auth-method", "client_secret_jwt"]);
    assert_eq!(created["token_endpoint_auth_method"], "client_secret_jwt");
    let secret = created["client_secret"].as_str().expect("a secret").to_owned();
    let database = std::fs::read(program.folder().join("data/ostiary.db")).expect("database");
    assert!(!database.windows(secret.len()).any(|window| window == secret.as_bytes()), "the database holds the secret");
    assert!(program.run(&["--json", "client", "reset-secret", "app"]).json()["client_secret"].is_string());
}
