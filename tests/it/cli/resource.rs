//! `ostiary resource`.

use serde_json::json;

use crate::program::Program;

#[test]
fn an_api_is_registered_listed_and_deleted() {
    let program = Program::new();
    let options = ["--name", "Your files", "--scope", "files:read=Read your files", "--opaque", "--lifetime", "60", "--open"];
    let create = |options: &[&str]| program.run(&[&["--json", "resource", "create"], options].concat());
    let created = create(&[&["https://files.example/"], &options[..]].concat()).json();
    assert_eq!(created["identifier"], "https://files.example/");
    assert_eq!(created["scopes"], json!({ "files:read": "Read your files" }));
    assert_eq!((&created["access_token_format"], &created["access_token_lifetime"]), (&json!("opaque"), &json!(60)));
    assert!(create(&["https://files.example/", "--name", "Again"]).fails(5).contains("registered already"));
    assert!(create(&["files", "--name", "Files"]).fails(2).contains("identifier"));
    assert!(create(&["https://b.example/", "--name", "B", "--scope", "openid=Log in"]).fails(2).contains("openid"));
    let file = program.folder().join("types.json");
    std::fs::write(&file, r#"{"payment":{"description":"Pay","schema":{"properties":{"amount":{"type":"integer"}}}}}"#).unwrap();
    let bank = create(&["https://bank.example/", "--name", "Bank", "--details-types-file", file.to_str().unwrap()]).json();
    assert_eq!(bank["authorization_details_types"]["payment"]["description"], "Pay");
    program.run(&["resource", "delete", "https://bank.example/"]).ok();
    std::fs::write(&file, r#"{"payment":{"description":"Pay","schema":{"pattern":""}}}"#).unwrap();
    let refused = create(&["https://bank.example/", "--name", "Bank", "--details-types-file", file.to_str().unwrap()]);
    assert!(refused.fails(2).contains("pattern"));
    assert!(create(&["https://b.example/", "--name", "B", "--scope", "b"]).fails(2).contains("SCOPE=SENTENCE"));

    // A client may be registered for its scopes.
    let client =
        ["client", "create", "--name", "App", "--service", "--audience", "https://files.example/", "--scope", "files:read"];
    program.run(&client).ok();
    assert_eq!(program.run(&["--json", "resource", "list"]).json()[0], created);
    assert_eq!(program.run(&["resource", "show", "https://files.example/"]).json(), created);
    program.run(&["resource", "delete", "https://files.example/"]).ok();
    assert!(program.run(&["resource", "show", "https://files.example/"]).fails(4).contains("no resource"));
}
