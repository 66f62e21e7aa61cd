//! A mail server of a test's own: aiosmtpd in a process beside it, which takes mail and delivers none. `scripts/test`
//! installs it, so tests that use it are ignored otherwise.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ostiary::config::{MailConfig, MailTls, MailTransport};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket};

/// How long a test waits for a mail.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running mail server; it is stopped when this is dropped. Recipients whose address begins with certain words are treated
/// badly: see `tests/clients/smtp_sink.py`.
pub struct Mailbox {
    child: Child,
    port: u16,
    tls: MailTls,
    authority: PathBuf,
    received: Arc<(Mutex<Vec<ReceivedMail>>, Condvar)>,
    _folder: tempfile::TempDir,
}

/// A port where nobody listens, kept from everybody but those who name it.
pub struct Reserved(TcpSocket);

impl Reserved {
    pub fn new() -> Self {
        Self(bound(0))
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    /// Takes connections there until it is dropped, and says nothing.
    pub fn silent(&self) -> TcpListener {
        bound(self.port()).listen(16).expect("listening")
    }
}

/// Two sockets may have one port as long as one of them listens at most (SO_REUSEADDR).
fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(([127, 0, 0, 1], port).into()).expect("a free port");
    socket
}

/// A mail that was taken.
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedMail {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who logged in to send it.
    pub user: Option<String>,
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
}

impl ReceivedMail {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Mailbox {
    /// Without TLS, on a free port.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With options of the program.
    pub fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = folder.path().join("authority.pem");
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut child = Command::new(clients.join(".venv/bin/python"))
            .arg(clients.join("smtp_sink.py"))
            .arg("--ca")
            .arg(&authority)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("the mail server can't be run: {error}; run scripts/test"));
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready: serde_json::Value = serde_json::from_str(&lines.next().expect("a line").expect("readable")).expect("JSON");
        let received: Arc<(Mutex<Vec<ReceivedMail>>, Condvar)> = Arc::default();
        std::thread::spawn({
            let received = Arc::clone(&received);
            move || {
                for line in lines.map_while(Result::ok) {
                    received.0.lock().unwrap().push(serde_json::from_str(&line).expect("a mail"));
                    received.1.notify_all();
                }
            }
        });
        let tls = match options {
            [.., "--tls", "tls"] | ["--tls", "tls", ..] => MailTls::Tls,
            [.., "--tls", "starttls"] | ["--tls", "starttls", ..] => MailTls::Starttls,
            _ => MailTls::None,
        };
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { child, port, tls, authority, received, _folder: folder }
    }

    /// Where a test has told a server before that there would be one.
    pub fn start_at(reserved: &Reserved) -> Self {
        Self::start_with(&["--port", &reserved.port().to_string()])
    }

    /// What a server that sends through it is configured with.
    pub fn config(&self) -> MailConfig {
        MailConfig {
            transport: MailTransport::Smtp,
            from: "Example <no-reply@id.example>".to_owned(),
            host: "localhost".to_owned(),
            port: self.port,
            tls: self.tls,
            ca_file: if self.tls == MailTls::None { PathBuf::new() } else { self.authority.clone() },
            timeout: 5,
            ..MailConfig::default()
        }
    }

    /// The first mail to this address that was not asked for yet; waits for it.
    #[track_caller]
    pub fn next_to(&self, address: &str) -> ReceivedMail {
        let wait = || {
            let end = Instant::now() + PATIENCE;
            let mut received = self.received.0.lock().unwrap();
            loop {
                if let Some(at) = received.iter().position(|mail| mail.to == address) {
                    return Some(received.remove(at));
                }
                let left = end.checked_duration_since(Instant::now())?;
                received = self.received.1.wait_timeout(received, left).unwrap().0;
            }
        };
        let mail = match tokio::runtime::Handle::try_current() {
            Ok(_) => tokio::task::block_in_place(wait),
            Err(_) => wait(),
        };
        mail.unwrap_or_else(|| panic!("no mail came to {address}; those that wait: {:?}", self.waiting()))
    }

    /// The addresses of all mails that came and were not asked for, sorted.
    pub fn waiting(&self) -> Vec<String> {
        let mut to: Vec<_> = self.received.0.lock().unwrap().iter().map(|mail| mail.to.clone()).collect();
        to.sort();
        to
    }

    /// The code in a mail.
    #[track_caller]
    pub fn code_in(mail: &ReceivedMail) -> String {
        let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        let code = mail.text.lines().map(str::trim).find(is_code);
        code.unwrap_or_else(|| panic!("no code in {mail:#?}")).to_owned()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
