//! openid-client of npm, with certificates, at a server that speaks TLS itself and has a second listener for them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::process::{PERSON, Server};
use crate::program::Program;
use crate::support::certificate::{Authority, Held, self_signed};
use crate::support::tls::of_host;

/// Nobody goes there: it is enough to be sent.
const REDIRECT_URI: &str = "https://app.example/callback";

#[test]
#[ignore = "needs Node.js and npm packages: scripts/test"]
fn openid_client_of_npm_works_with_certificates() {
    let (servers, clients, own) = (Authority::new("Servers"), Authority::new("Clients"), self_signed("CN=own"));
    let program = Program::new();
    let folder = program.folder().to_owned();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    let (cert, key) = of_host(&servers, "localhost").pem();
    write("cert.pem", &cert);
    write("key.pem", &key);
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).expect("changed");
    write("servers.pem", &servers.pem());
    write("clients.pem", &clients.pem());
    write("own.json", &json!({ "keys": [own.jwk()] }).to_string());
    let server = Server::start_within_tls(program);
    server.person();

    let payroll = ["--name", "Payroll", "--service", "--certificate-dn", "CN=payroll", "--require-certificate"];
    let by_key = ["--name", "Own", "--service", "--auth-method", "self_signed_tls_client_auth", "--jwks-file", "own.json"];
    let app = ["--name", "App", "--redirect-uri", REDIRECT_URI, "--certificate-dn", "CN=app", "--require-certificate"];
    let bank = ["--name", "Bank", "--redirect-uri", REDIRECT_URI, "--certificate-dn", "CN=bank", "--require-certificate"];
    let bank = [&bank[..], &["--profile", "fapi2"]].concat();
    let mut command = Command::new("node");
    command
        .args(["--import", "./node18.mjs", "mutual-tls.mjs"])
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
        .env("NODE_EXTRA_CA_CERTS", folder.join("servers.pem"))
        .env("ISSUER", &server.issuer)
        .env("REDIRECT_URI", REDIRECT_URI)
        .env("SIGN_IN_NAME", PERSON.0)
        .env("PASSWORD", PERSON.1);
    for (name, options, held) in [
        ("PAYROLL", &payroll[..], clients.issue("CN=payroll", None)),
        ("OWN", &by_key, own),
        ("APP", &app, clients.issue("CN=app", None)),
        ("BANK", &bank, clients.issue("CN=bank", None)),
    ] {
        show(&mut command, name, &server.client(options).0, &held);
    }
    let output = command.output().unwrap_or_else(|error| panic!("node can't be run: {error}; run scripts/test"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("ok: FAPI 2.0"), "{stdout}\n{stderr}");
}

fn show(command: &mut Command, name: &str, id: &str, held: &Held) {
    let (cert, key) = held.pem();
    command.env(format!("{name}_ID"), id).env(format!("{name}_CERTIFICATE"), cert).env(format!("{name}_KEY"), key);
}
