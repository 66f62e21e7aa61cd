//! The examples of reverse proxies, run as they stand but for names, ports and files: nginx and Caddy, from Debian's packages.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::image::root;
use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::program::Program;
use crate::support::certificate::Authority;
use crate::support::redis::free_port;
use crate::support::tls::of_host;

/// Runs until its standard input ends: with the test process, by a signal too.
const SUPERVISOR: &str = r#"
"$@" </dev/null >proxy.log 2>&1 &
server=$!
cat >/dev/null
kill -TERM $server
wait $server 2>/dev/null || true
"#;

struct Proxy(Child);

impl Proxy {
    fn start(folder: &Path, command: &[&str], variables: &[(&str, String)]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "proxy-for-tests"]).args(command).envs(variables.iter().cloned());
        // Debian keeps nginx where only administrators look.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        Self(shell.current_dir(folder).env("PATH", path).stdin(Stdio::piped()).spawn().expect("a shell"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Where the proxy listens, and the node.
struct Ports {
    proxy: u16,
    node: u16,
}

/// `text` with each left side, which has to be in it, in the form of the right side.
fn changed(text: String, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replace(from, to)
    })
}

fn nginx(folder: &Path, ports: &Ports) -> Proxy {
    let example = fs::read_to_string(root().join("deploy/nginx/ostiary.conf")).expect("the example");
    let file = |name: &str| folder.join(name).display().to_string();
    let example = changed(
        example,
        &[
            ("listen 443", format!("listen 127.0.0.1:{}", ports.proxy)),
            ("127.0.0.1:8080", format!("127.0.0.1:{}", ports.node)),
            ("server_name id.example.com", "server_name localhost".to_owned()),
            ("/etc/ssl/id.example.com/fullchain.pem", file("cert.pem")),
            ("/etc/ssl/id.example.com/privkey.pem", file("key.pem")),
        ],
    );
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = kinds.map(|kind| format!("{kind}_temp_path {};\n", file(kind))).concat();
    let head = format!("daemon off;\npid {};\nerror_log stderr;\nevents {{}}\n", file("nginx.pid"));
    fs::write(folder.join("nginx.conf"), format!("{head}http {{\naccess_log off;\n{folders}{example}}}\n")).expect("written");
    Proxy::start(folder, &["nginx", "-e", "stderr", "-c", &file("nginx.conf")], &[])
}

fn caddy(folder: &Path, ports: &Ports) -> Proxy {
    let (example, file) = (root().join("deploy/caddy/Caddyfile"), |name: &str| folder.join(name).display().to_string());
    // Its own authority's certificate would do; that of the test is one that the client knows already.
    let example = fs::read_to_string(example).expect("the example");
    let certified = format!("\ttls {} {}\n\treverse_proxy", file("cert.pem"), file("key.pem"));
    let example = changed(example, &[("\treverse_proxy", certified)]);
    let global = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n";
    fs::write(folder.join("Caddyfile"), format!("{global}{example}")).expect("written");
    let variables = [
        ("OSTIARY_HOST", format!("https://localhost:{}", ports.proxy)),
        ("OSTIARY_NODES", format!("127.0.0.1:{}", ports.node)),
        ("HOME", folder.display().to_string()),
    ];
    Proxy::start(folder, &["caddy", "run", "--config", &file("Caddyfile"), "--adapter", "caddyfile"], &variables)
}

/// A login by a client from npm, and strangers who say that they are somebody else.
fn works_behind(start: fn(&Path, &Ports) -> Proxy) {
    let (program, ports) = (Program::new(), Ports { proxy: free_port(), node: free_port() });
    let folder = program.folder().to_owned();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let (cert, key) = of_host(&servers, "localhost").pem();
    write("cert.pem", &cert);
    write("key.pem", &key);
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).expect("changed");
    write("servers.pem", &servers.pem());
    write("clients.pem", &clients.pem());
    let issuer = format!("https://localhost:{}", ports.proxy);
    let (node, believed) = (ports.node, "trusted_proxies = [\"127.0.0.1/32\"]\nclient_certificate_header = true\n");
    write(
        "ostiary.toml",
        &format!(
            "[server]\nissuer = \"{issuer}\"\nlisten = \"127.0.0.1:{node}\"\n{believed}[tls]\nclient_ca_file = \"clients.pem\"\n"
        ),
    );
    let mut server = Server::start_configured(program, issuer);
    server.person();
    let app = server.client(&["--name", "App", "--redirect-uri", REDIRECT_URI]);
    let payroll = server.client(&["--name", "Payroll", "--service", "--certificate-dn", "CN=payroll"]);
    let certificate = clients.issue("CN=payroll", None).field();

    // It listens before the client asks: connections wait until it does.
    let _proxy = start(&folder, &ports);
    let log = || fs::read_to_string(folder.join("proxy.log")).unwrap_or_default();
    let listens = || std::net::TcpStream::connect(("127.0.0.1", ports.proxy)).is_ok();
    assert!(
        (0..1_000).any(|_| listens() || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            false
        }),
        "the proxy does not start: {}; run scripts/test",
        log()
    );

    let output = Command::new("node")
        .args(["--import", "./node18.mjs", "behind-proxy.mjs"])
        .current_dir(root().join("tests/clients"))
        .env("NODE_EXTRA_CA_CERTS", folder.join("servers.pem"))
        .env("ISSUER", &server.issuer)
        .env("NODE", format!("http://127.0.0.1:{node}"))
        .env("REDIRECT_URI", REDIRECT_URI)
        .env("SIGN_IN_NAME", PERSON.0)
        .env("PASSWORD", PERSON.1)
        .env("APP_ID", app.0)
        .env("APP_SECRET", app.1)
        .env("PAYROLL_ID", payroll.0)
        .env("PAYROLL_CERTIFICATE", certificate)
        .output()
        .unwrap_or_else(|error| panic!("node can't be run: {error}; run scripts/test"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}\n{}", log());

    // Refusals are written down a moment later, but before it ends.
    server.stop_gently();
    let log = server.cli(&["audit", "export"]).ok();
    assert!(log.contains("198.51.100"), "what a trusted proxy says is in the log");
    assert!(!log.contains("203.0.113"), "what a stranger says is not");
}

#[test]
#[ignore = "needs nginx and a client from npm: scripts/test"]
fn the_example_for_nginx_works() {
    works_behind(nginx);
}

#[test]
#[ignore = "needs Caddy and a client from npm: scripts/test"]
fn the_example_for_caddy_works() {
    works_behind(caddy);
}
