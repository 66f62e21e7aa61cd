//! The manifests: what is wrong with them is found by the tools that read them, and what they set is what the program knows.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::image::{environment, root};
use crate::program::Program;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs one of the tools from PyPI that `scripts/test` installs.
fn check(tool: &str, arguments: &[&str], file: &Path) {
    let tool = root().join("tests/clients/.venv/bin").join(tool);
    succeeds(Command::new(&tool).args(arguments).arg(file));
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}; run scripts/test"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
}

#[test]
#[ignore = "needs hadolint, from PyPI: scripts/test"]
fn hadolint_has_nothing_against_the_dockerfile() {
    check("hadolint", &[], &root().join("Dockerfile"));
}

#[test]
#[ignore = "needs check-jsonschema, from PyPI: scripts/test"]
fn the_compose_file_is_one() {
    check("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], &root().join("deploy/compose/compose.yaml"));
}

#[test]
#[ignore = "needs kubernetes-validate, from PyPI: scripts/test"]
fn kubernetes_knows_every_member_of_the_manifests() {
    for name in resources() {
        check("kubernetes-validate", &["--strict"], &root().join("deploy/kubernetes").join(name));
    }
}

#[test]
#[ignore = "needs systemd-analyze: scripts/test"]
fn systemd_takes_the_unit_and_finds_it_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = read("deploy/systemd/ostiary.service");
    let installed = "/usr/local/bin/ostiary";
    assert!(unit.contains(installed));
    let file = folder.path().join("ostiary.service");
    fs::write(&file, unit.replace(installed, env!("CARGO_BIN_EXE_ostiary"))).expect("written");
    let output = Command::new("systemd-analyze").arg("verify").arg(&file).output().expect("systemd-analyze: run scripts/test");
    // It verifies the machine's own units on the way: those are none of ours.
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<_> = complaints.lines().filter(|line| line.contains("ostiary.service")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    // Of 100; an unhardened service has 96.
    succeeds(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&file));
}

#[test]
#[ignore = "needs check-jsonschema and the schema, from PyPI: scripts/test"]
fn the_bill_of_materials_is_cyclonedx() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(root().join("scripts/sbom")).output().expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bill: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let components = bill["components"].as_array().expect("components");
    let has = |name: &str| components.iter().any(|component| component["name"] == name && component["licenses"].is_array());
    assert!(has("axum") && has("aws-lc-rs") && !has("insta"), "what the program is made of, and not what tests need");
    let file = folder.path().join("ostiary.cdx.json");
    fs::write(&file, output.stdout).expect("written");
    let found =
        "import cyclonedx, pathlib; print(pathlib.Path(cyclonedx.__file__).parent / 'schema/_res/bom-1.6.SNAPSHOT.schema.json')";
    let python = root().join("tests/clients/.venv/bin/python");
    let schema = Command::new(python).args(["-c", found]).output().expect("run scripts/test").stdout;
    let schema = String::from_utf8(schema).expect("UTF-8");
    check("check-jsonschema", &["--schemafile", schema.trim()], &file);
}

/// What the kustomization lists.
fn resources() -> BTreeSet<String> {
    let text = read("deploy/kubernetes/kustomization.yaml");
    let list = text.split("\nresources:\n").nth(1).expect("resources");
    list.lines().map_while(|line| line.strip_prefix("  - ")).map(str::to_owned).collect()
}

#[test]
fn the_kustomization_lists_every_manifest() {
    let folder = fs::read_dir(root().join("deploy/kubernetes")).expect("the folder");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let manifests = paths.filter(|path| path.extension() == Some(OsStr::new("yaml")) && !path.ends_with("kustomization.yaml"));
    let names: BTreeSet<_> = manifests.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(resources(), names);
}

/// `config check` in the environment of the image and this one.
fn is_taken(configuration: Option<&str>, variables: &[(String, String)]) {
    let program = Program::new();
    if let Some(text) = configuration {
        fs::write(program.folder().join("ostiary.toml"), text).expect("written");
    }
    let mut command = program.command(&["config", "check"]);
    succeeds(command.envs(environment()).envs(variables.iter().cloned()));
}

#[test]
fn the_program_takes_the_configuration_of_the_kustomization() {
    is_taken(Some(&read("deploy/kubernetes/ostiary.toml")), &[]);
}

/// The mount is an `emptyDir`, to which everybody may write once its group is `fsGroup`.
#[test]
fn the_program_makes_its_folder_in_the_volume_of_a_pod() {
    let manifest = read("deploy/kubernetes/deployment.yaml");
    let named = manifest.split("OSTIARY_SERVER__DATA_DIR\n").nth(1).expect("it is set");
    let folder = named.lines().next().and_then(|line| line.trim().strip_prefix("value: ")).expect("a value");
    let below = folder.strip_prefix("/data/").expect("in the volume");
    assert!(manifest.contains("mountPath: /data\n") && manifest.contains("emptyDir:") && manifest.contains("fsGroup:"));

    let program = Program::new();
    let volume = program.folder().join("volume");
    fs::create_dir(&volume).expect("a folder");
    fs::set_permissions(&volume, Permissions::from_mode(0o2777)).expect("changed");
    let migrate = |folder: &Path| {
        let mut command = program.command(&["migrate"]);
        command.env("OSTIARY_SERVER__DATA_DIR", folder).output().expect("it runs")
    };
    let refused = migrate(&volume);
    assert_eq!(refused.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("others may write"));
    let taken = migrate(&volume.join(below));
    assert!(taken.status.success(), "{taken:?}");
}

/// What the compose file makes for the mail server is a certificate that our side of TLS takes.
#[test]
#[ignore = "needs openssl: scripts/test"]
fn the_certificate_of_the_compose_file_is_taken_and_made_once() {
    let file = read("deploy/compose/compose.yaml");
    let script = file.split("      - >-\n").nth(1).and_then(|rest| rest.split("    volumes:").next()).expect("the command");
    let folder = tempfile::tempdir().expect("a folder");
    let script =
        script.split_whitespace().collect::<Vec<_>>().join(" ").replace("/certificates", &folder.path().display().to_string());
    let made = || {
        succeeds(Command::new("sh").args(["-c", &script]));
        CertificateDer::from_pem_file(folder.path().join("mail.crt")).expect("a certificate")
    };
    let certificate = made();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
    let name = ServerName::try_from("mail").expect("a name");
    verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).expect("it is taken");
    assert_eq!(made(), certificate, "the mail server goes on with the first");
}

#[test]
fn the_program_takes_the_environment_of_the_compose_file() {
    let text = read("deploy/compose/compose.yaml");
    let nodes = text.split("\n  postgres:\n").next().expect("the first service");
    let lines = nodes.lines().filter_map(|line| line.strip_prefix("      OSTIARY_"));
    let variables: Vec<_> =
        lines.map(|line| line.split_once(": ").expect("a pair")).map(|(name, value)| set(name, value)).collect();
    assert!(variables.len() > 10, "{variables:?}");
    is_taken(None, &variables);
}

#[test]
fn the_nodes_of_the_compose_file_believe_its_proxy_and_nobody_else() {
    let text = read("deploy/compose/compose.yaml");
    let address = text.split("ipv4_address: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("the proxy's address");
    assert!(text.contains(&format!("OSTIARY_SERVER__TRUSTED_PROXIES: '[\"{address}/32\"]'")), "{address}");
}

/// A variable as `docker compose` would set it, after `make-secrets`.
fn set(name: &str, value: &str) -> (String, String) {
    let value = value.trim_matches(['"', '\'']);
    let mut parts = value.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("its end");
        filled += variable.split_once(":-").map_or("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", |(_, default)| default);
        filled += rest;
    }
    (format!("OSTIARY_{name}"), filled)
}
