//! The Model Context Protocol's own client: `tests/clients/mcp.mjs`, with its MCP server and the document at its `client_id`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use x509_cert::der::asn1::OctetString;
use x509_cert::ext::pkix::name::GeneralName;

use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::support::certificate::Authority;

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[test]
#[ignore = "needs Node.js and npm packages: scripts/test"]
fn the_mcp_sdk_of_npm_connects_with_a_document_and_by_registering_itself() {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let authority = Authority::new("Tests");
    let address = GeneralName::IpAddress(OctetString::new([127, 0, 0, 1]).expect("an address"));
    let (certificate, key) = authority.issue("CN=127.0.0.1", Some(address)).pem();
    let authorities = file("authorities.pem", &authority.pem());
    let document = format!("https://127.0.0.1:{}/agent.json", port());
    let resource = format!("http://127.0.0.1:{}/mcp", port());
    let server = Server::with_person_and(&[
        ("OSTIARY_MCP__ENABLED", "true"),
        ("OSTIARY_OUTBOUND__PRIVATE_HOSTS", "[\"127.0.0.1\"]"),
        ("OSTIARY_OUTBOUND__CA_FILE", &authorities),
    ]);
    server.cli(&["resource", "create", &resource, "--name", "Files", "--open", "--scope", "mcp:tools=Use its tools"]).ok();
    let output = Command::new("node")
        .args(["--import", "./node18.mjs", "mcp.mjs"])
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
        .env("ISSUER", &server.issuer)
        .env("RESOURCE", &resource)
        .env("DOCUMENT", &document)
        .env("CERTIFICATE", file("certificate.pem", &certificate))
        .env("KEY", file("key.pem", &key))
        .env("REDIRECT_URI", REDIRECT_URI)
        .env("SIGN_IN_NAME", PERSON.0)
        .env("PASSWORD", PERSON.1)
        .output()
        .unwrap_or_else(|error| panic!("node can't be run: {error}; run scripts/test"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.matches("ok: ").count(), 2, "{stdout}");
}
