//! Apache with `mod_auth_openidc`, from Debian's packages, as a complete relying party: it registers itself, logs people in, logs
//! them out here, and is told over the back channel when they logged out elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::person::{Page, Person};
use crate::process::{PERSON, Server};
use crate::program::Program;
use crate::support::redis::free_port;

/// Runs until its standard input ends: with the test process, by a signal too.
const SUPERVISOR: &str = r#"
apache2 -f "$1" -DFOREGROUND </dev/null &
server=$!
cat >/dev/null
kill -TERM $server
wait $server 2>/dev/null || true
"#;

/// An application behind Apache.
struct Apache {
    origin: String,
    folder: TempDir,
    supervisor: Child,
}

impl Apache {
    async fn start(port: u16, issuer: &str, client: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let origin = format!("http://localhost:{port}");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("one's own folder");
        fs::create_dir_all(folder.path().join("pages/app")).expect("a folder");
        fs::write(folder.path().join("pages/app/index.html"), "the application").expect("written");
        fs::write(folder.path().join("pages/bye.html"), "good bye").expect("written");
        let file = folder.path().join("apache.conf");
        fs::write(&file, configuration(folder.path(), port, issuer, client)).expect("written");
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "apache-for-tests"]).arg(&file).stdin(Stdio::piped());
        let supervisor = command.spawn().expect("a shell to start Apache");
        let apache = Self { origin, folder, supervisor };
        for _ in 0..600 {
            if reqwest::get(format!("{}/bye.html", apache.origin)).await.is_ok() {
                return apache;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("Apache does not start: {}", apache.log());
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.origin)).expect("a URL")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Who Apache says has logged in.
    fn who(&self, page: &Page) -> String {
        assert_eq!(page.body, "the application", "{page:?}\n{}", self.log());
        page.headers["x-who"].to_str().expect("ASCII").to_owned()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

fn configuration(folder: &Path, port: u16, issuer: &str, client: &Value) -> String {
    let (folder, text) = (folder.display(), |name: &str| client[name].as_str().expect("text"));
    let modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_openidc"];
    let modules: String =
        modules.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")).concat();
    format!(
        r#"ServerRoot {folder}
ServerName localhost:{port}
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
# For who is root.
User www-data
Group www-data
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:debug
{modules}
DocumentRoot {folder}/pages
DirectoryIndex index.html
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {id}
OIDCClientSecret {secret}
OIDCRedirectURI http://localhost:{port}/app/callback
OIDCCryptoPassphrase only-for-tests
OIDCScope "openid email"
OIDCPKCEMethod S256
<Location /app/>
AuthType openid-connect
Require valid-user
Header always set X-Who "expr=%{{REMOTE_USER}}"
</Location>
"#,
        id = text("client_id"),
        secret = text("client_secret"),
    )
}

/// Registers the application as any could (RFC 7591).
async fn register(issuer: &str, origin: &str) -> Value {
    let metadata = json!({
        "client_name": "Behind Apache",
        "redirect_uris": [format!("{origin}/app/callback")],
        "post_logout_redirect_uris": [format!("{origin}/bye.html")],
        "backchannel_logout_uri": format!("{origin}/app/callback?logout=backchannel"),
        "backchannel_logout_session_required": true,
        "scope": "openid email",
    });
    let answer = Client::new().post(format!("{issuer}/client-registration")).json(&metadata).send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{answer:?}");
    answer.json().await.expect("JSON")
}

#[tokio::test]
#[ignore = "needs Apache and mod_auth_openidc: scripts/test"]
async fn mod_auth_openidc_of_debian_works_unmodified() {
    let port = free_port();
    let hosts = format!("[outbound]\nprivate_hosts = [\"localhost:{port}\"]\n[client_registration]\nmode = \"open\"\n");
    let server = Server::start_with(Program::new(), &hosts);
    server.cli_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    let client = register(&server.issuer, &format!("http://localhost:{port}")).await;
    let apache = Apache::start(port, &server.issuer, &client).await;

    // A login, and the session that Apache made of it.
    let mut person = Person::new();
    let who = apache.who(&person.open(apache.url("/app/")).await);
    assert!(who.contains('@') && who.len() > 36, "{who}");
    assert_eq!(apache.who(&person.open(apache.url("/app/")).await), who);

    // The application logs its person out of both (RP-Initiated Logout).
    let bye = apache.url(&format!("/app/callback?logout={}/bye.html", apache.origin));
    assert_eq!(person.open(bye).await.body, "good bye", "{}", apache.log());
    let elsewhere = person.send(apache.url("/app/"), None).await;
    assert!(elsewhere.headers()["location"].to_str().expect("ASCII").starts_with(&server.issuer), "{}", apache.log());

    // The person logs out here, and Apache is told (Back-Channel Logout).
    assert_eq!(apache.who(&person.open(apache.url("/app/")).await), who);
    let logout = Url::parse(&format!("{}/logout", server.issuer)).expect("a URL");
    person.open(logout).await;
    for _ in 0..500 {
        let answer = person.send(apache.url("/app/"), None).await;
        if answer.status().is_redirection() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("Apache's session goes on: {}", apache.log());
}
