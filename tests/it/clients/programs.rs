//! The clients from npm and PyPI: programs in `tests/clients`, which `scripts/test` installs.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{PERSON, REDIRECT_URI, Server};

const AUDIENCE: &str = "https://api.example";

/// Runs the program in `tests/clients` with a server, three clients and a person prepared; it has to exit with 0.
fn run(command: &[&str]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let server = Server::with_person();
    let redirect = ["--redirect-uri", REDIRECT_URI];
    let confidential = server.client(&[&["--name", "Confidential"], &redirect[..]].concat());
    let public = server.client(&[&["--name", "Public", "--public"], &redirect[..]].concat());
    let service = server.client(&["--name", "Service", "--service", "--audience", AUDIENCE]);
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(&folder)
        .env("ISSUER", &server.issuer)
        .env("REDIRECT_URI", REDIRECT_URI)
        .env("AUDIENCE", AUDIENCE)
        .env("SIGN_IN_NAME", PERSON.0)
        .env("PASSWORD", PERSON.1)
        .env("CONFIDENTIAL_ID", confidential.0)
        .env("CONFIDENTIAL_SECRET", confidential.1)
        .env("PUBLIC_ID", public.0)
        .env("SERVICE_ID", service.0)
        .env("SERVICE_SECRET", service.1)
        .output()
        .unwrap_or_else(|error| panic!("{} can't be run: {error}; run scripts/test", command[0]));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed\n{stdout}\n{stderr}");
    assert!(stdout.contains("ok: "), "{command:?} checked nothing");
}

fn node(script: &str) {
    run(&["node", "--import", "./node18.mjs", script]);
}

#[test]
#[ignore = "needs Node.js and npm packages: scripts/test"]
fn openid_client_of_npm_works_unmodified() {
    node("openid-client.mjs");
}

#[test]
#[ignore = "needs Node.js and npm packages: scripts/test"]
fn oauth4webapi_of_npm_works_unmodified() {
    node("oauth4webapi.mjs");
}

#[test]
#[ignore = "needs Python and PyPI packages: scripts/test"]
fn authlib_of_pypi_works_unmodified() {
    run(&[".venv/bin/python", "authlib_client.py"]);
}
