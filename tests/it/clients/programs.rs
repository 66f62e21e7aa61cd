//! The clients from npm and PyPI: programs in `tests/clients`, which `scripts/test` installs.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ostiary::keys::encryption::Decrypter;
use ostiary::keys::signer::{Signer, generate};
use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwk::KeyAlgorithm;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cli::guides::blocks;
use crate::process::{PERSON, REDIRECT_URI, Server};

const AUDIENCE: &str = "https://api.example";
const LEDGER: &str = "https://ledger.example";
/// Nobody goes there: it is enough to be sent.
const LEGACY_URI: &str = "https://legacy.example/callback";

/// Runs a command in `tests/clients` with a server, twelve clients and a person prepared. It has to exit with 0; gives what it
/// printed.
fn run(command: &[&str]) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let server = Server::with_person();
    let redirect = ["--redirect-uri", REDIRECT_URI];
    let confidential = server.client(&[&["--name", "Confidential"], &redirect[..]].concat());
    let public = server.client(&[&["--name", "Public", "--public"], &redirect[..]].concat());
    let (key, jwks) = signing_key();
    let (opening, kid, both) = encryption_key(&jwks);
    let keys = ["--jwks-file", jwks.path().to_str().expect("UTF-8"), "--auth-method", "client_secret_basic"];
    let strict = ["--require-pushed-requests", "--require-signed-requests"];
    let signing = server.client(&[&["--name", "Signing"], &keys[..], &strict, &redirect].concat());
    let encrypts = ["--jwks-file", both.path().to_str().expect("UTF-8"), "--auth-method", "client_secret_basic"];
    let encrypts = [&["--name", "Encrypting", "--encrypt-answers", "ECDH-ES"], &encrypts[..], &redirect].concat();
    let encrypting = server.client(&encrypts);
    let service = server.client(&["--name", "Service", "--service", "--audience", AUDIENCE]);
    let asserting = server.client(&[&["--name", "Asserting", "--service", "--legacy-assertion-audience"], &keys[..2]].concat());
    let policy = ["--exchange-accepts", AUDIENCE, "--exchange-audience", LEDGER];
    let exchanging = server.client(&[&["--name", "Exchanging", "--service"], &policy[..]].concat());
    let keyed = server.client(&["--name", "Keyed", "--service", "--auth-method", "client_secret_jwt"]);
    let device = server.client(&["--name", "Television", "--public", "--device"]);
    let asking = server.client(&["--name", "Call centre", "--ciba"]);
    let hybrid = ["--name", "Hybrid", "--redirect-uri", LEGACY_URI, "--response-type", "code id_token"];
    let hybrid = server.client(&hybrid);
    let fapi = ["--name", "Bank", "--redirect-uri", LEGACY_URI, "--profile", "fapi2_message_signing"];
    let fapi = server.client(&[&fapi[..], &keys[..2]].concat());
    let implicit =
        server.client(&["--name", "Implicit", "--public", "--redirect-uri", LEGACY_URI, "--response-type", "id_token"]);
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(&folder)
        .env("ISSUER", &server.issuer)
        .env("REDIRECT_URI", REDIRECT_URI)
        .env("AUDIENCE", AUDIENCE)
        .env("SIGN_IN_NAME", PERSON.0)
        .env("PASSWORD", PERSON.1)
        .env("CONFIDENTIAL_ID", &confidential.0)
        .env("CONFIDENTIAL_SECRET", &confidential.1)
        .env("PUBLIC_ID", public.0)
        .env("CLIENT_ID", &confidential.0)
        .env("CLIENT_SECRET", &confidential.1)
        .env("SIGNING_ID", signing.0)
        .env("SIGNING_SECRET", signing.1)
        .env("SIGNING_KEY", key)
        .env("ENCRYPTING_ID", encrypting.0)
        .env("ENCRYPTING_SECRET", encrypting.1)
        .env("ENCRYPTING_KEY", opening)
        .env("ENCRYPTING_KID", kid)
        .env("SERVICE_ID", service.0)
        .env("SERVICE_SECRET", service.1)
        .env("ASSERTING_ID", asserting.0)
        .env("LEDGER", LEDGER)
        .env("EXCHANGING_ID", exchanging.0)
        .env("EXCHANGING_SECRET", exchanging.1)
        .env("DEVICE_ID", device.0)
        .env("ASKING_ID", asking.0)
        .env("ASKING_SECRET", asking.1)
        .env("LEGACY_URI", LEGACY_URI)
        .env("HYBRID_ID", hybrid.0)
        .env("HYBRID_SECRET", hybrid.1)
        .env("IMPLICIT_ID", implicit.0)
        .env("FAPI_ID", fapi.0)
        .env("KEYED_ID", keyed.0)
        .env("KEYED_SECRET", keyed.1)
        .output()
        .unwrap_or_else(|error| panic!("{} can't be run: {error}; run scripts/test", command[0]));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// A key of a client's own: PKCS #8 in base64, and the file with its public half.
fn signing_key() -> (String, NamedTempFile) {
    let pkcs8 = generate(Algorithm::ES256).expect("a key");
    let public = Signer::from_pkcs8(Algorithm::ES256, &pkcs8).expect("a key").public().clone();
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(json!({ "keys": [public] }).to_string().as_bytes()).expect("written");
    (STANDARD.encode(&*pkcs8), file)
}

/// A key that the server encrypts with: PKCS #8 in base64, its id, and a file with its public half beside that of the other one.
fn encryption_key(signing: &NamedTempFile) -> (String, String, NamedTempFile) {
    let pkcs8 = generate(Algorithm::ES256).expect("a key");
    let public = Decrypter::from_pkcs8(KeyAlgorithm::EcdhEs, &pkcs8).expect("a key").public().clone();
    let mut jwks: serde_json::Value = serde_json::from_slice(&std::fs::read(signing).expect("readable")).expect("JSON");
    jwks["keys"].as_array_mut().expect("keys").push(json!(&public));
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(jwks.to_string().as_bytes()).expect("written");
    (STANDARD.encode(&*pkcs8), public.kid().to_string(), file)
}

fn node(script: &str) {
    assert!(run(&["node", "--import", "./node18.mjs", script]).contains("ok: "), "{script} checked nothing");
}

/// The one block in this language of a guide, with the real issuer, and a person's visit in the place of the comment that says
/// to send the browser away.
fn example(guide: &str, language: &str, comment: &str, visit: &str) -> String {
    let block = blocks(guide).into_iter().find(|block| block.language == language).expect("a block");
    assert_eq!(block.text.matches(comment).count(), 1, "{guide} says where to send the browser");
    let issuer = match language {
        "js" => "process.env.ISSUER",
        _ => "os.environ[\"ISSUER\"]",
    };
    let text =
        block.text.replace("'http://localhost:8080'", issuer).replace("\"http://localhost:8080/", &format!("{issuer} + \"/"));
    text.lines()
        .map(|line| if line.trim_start().starts_with(comment) { visit } else { line })
        .fold(String::new(), |all, line| all + line + "\n")
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
    assert!(run(&[".venv/bin/python", "authlib_client.py"]).contains("ok: "));
}

#[test]
#[ignore = "needs Node.js and npm packages: scripts/test"]
fn the_readmes_ten_lines_connect_a_client() {
    let visit = "const { visit } = await import('./person.mjs'); const { situation } = await import('./situation.mjs'); \
                 const callbackUrl = await visit(url, situation)";
    let program = example("README.md", "js", "// Send the browser to url.", visit);
    let printed = run(&["node", "--import", "./node18.mjs", "--input-type=module", "--eval", &program]);
    assert_eq!(printed.trim().len(), 36, "a subject: {printed}");
}

#[test]
#[ignore = "needs Python and PyPI packages: scripts/test"]
fn the_python_example_connects_a_client() {
    let visit = "from authlib_client import visit; callback_url = visit(url)";
    let program = example("docs/connecting-a-client.md", "python", "# Send the browser to url.", visit);
    let printed = run(&[".venv/bin/python", "-c", &program]);
    assert_eq!(printed.trim().len(), 36, "a subject: {printed}");
}
