//! The real server as a process of its own, on a free port, with a database of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::{Program, Run};

/// Name and password of the person whom [`Server::with_person`] creates.
pub const PERSON: (&str, &str) = ("anna", "correct horse battery staple");

/// Where clients are sent back to. Nothing listens there: whoever plays the browser stops before.
pub const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

/// A running server; it is stopped when this is dropped.
pub struct Server {
    program: Program,
    child: Child,
    /// What it printed when it was ready.
    pub notice: Value,
    pub issuer: String,
}

impl Server {
    pub fn start() -> Self {
        Self::start_in(Program::new())
    }

    /// Starts in this folder, on a port that was free a moment ago.
    pub fn start_in(program: Program) -> Self {
        Self::start_as(program, "", |command| command)
    }

    /// The same, with more in its configuration.
    pub fn start_with(program: Program, more: &str) -> Self {
        Self::start_as(program, more, |command| command)
    }

    /// Within TLS, by `cert.pem` and `key.pem` of the folder, and with a second listener that asks for certificates: `clients.pem` are
    /// the authorities that vouch for them.
    pub fn start_within_tls(program: Program) -> Self {
        let port = free_port();
        let more = format!(
            "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca_file = \"clients.pem\"\n\
             mtls_origin = \"https://localhost:{port}\"\nmtls_listen = \"127.0.0.1:{port}\"\n"
        );
        Self::start_at("https", program, &more, |command| command)
    }

    /// The same, by a command that `change` makes of the usual one.
    pub fn start_as(program: Program, more: &str, change: impl FnOnce(Command) -> Command) -> Self {
        Self::start_at("http", program, more, change)
    }

    fn start_at(scheme: &str, program: Program, more: &str, change: impl FnOnce(Command) -> Command) -> Self {
        let port = free_port();
        let issuer = format!("{scheme}://localhost:{port}");
        let configuration = format!("[server]\nlisten = \"127.0.0.1:{port}\"\nissuer = \"{issuer}\"\n{more}");
        fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
        let mut child = change(serve(&program)).spawn().expect("the program starts");
        let notice = read_notice(&mut child);
        Self { program, child, notice, issuer }
    }

    /// Starts in a folder that is configured already, for this issuer.
    pub fn start_configured(program: Program, issuer: String) -> Self {
        let mut child = serve(&program).spawn().expect("the program starts");
        let notice = read_notice(&mut child);
        Self { program, child, notice, issuer }
    }

    /// A server that may have so many files open, its connections included.
    pub fn start_with_open_files(files: usize) -> Self {
        Self::start_as(Program::new(), "", |command| limited(&command, files))
    }

    /// A server that knows [`PERSON`], who logs in more often than people do, also to applications of another time.
    pub fn with_person() -> Self {
        Self::with_person_and(&[])
    }

    /// The same, with these variables in its environment.
    pub fn with_person_and(variables: &[(&str, &str)]) -> Self {
        let server = Self::start_as(Program::new(), "[legacy]\nresponse_types = true\n", |mut command| {
            command
                .env("OSTIARY_RATES__LOGIN_PAIR", "1000/s")
                .env("OSTIARY_RATES__LOGIN_ACCOUNT", "1000/s")
                .env("OSTIARY_RATES__LOGIN", "1000/s")
                .env("OSTIARY_RATES__LOGIN_HARD", "1000/s")
                .envs(variables.iter().copied());
            command
        });
        server.person();
        server
    }

    /// Creates [`PERSON`].
    pub fn person(&self) {
        self.cli_with(&["user", "create", PERSON.0, "--password-stdin"], PERSON.1).ok();
    }

    pub fn folder(&self) -> &Path {
        self.program.folder()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended, and gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Runs a command beside the server, on the same data folder.
    pub fn cli(&self, arguments: &[&str]) -> Run {
        self.cli_with(arguments, "")
    }

    pub fn cli_with(&self, arguments: &[&str], input: &str) -> Run {
        self.program.run_with(arguments, input)
    }

    /// The program beside the server, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.program.command(arguments)
    }

    /// Registers a client; gives its id and, where it has one, its secret.
    pub fn client(&self, options: &[&str]) -> (String, String) {
        let created = self.cli(&[&["--json", "client", "create"], options].concat()).json();
        let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// Ends the process without notice and starts another one on the same folder and port.
    pub fn kill_and_restart(&mut self) {
        self.stop();
        self.child = serve(&self.program).spawn().expect("the program starts");
        self.notice = read_notice(&mut self.child);
    }

    /// Ends the process as an operator does, and starts it again otherwise, on the same folder and port.
    pub fn restart_as(&mut self, change: impl FnOnce(Command) -> Command) {
        self.stop_gently();
        self.child = change(serve(&self.program)).spawn().expect("the program starts");
        self.notice = read_notice(&mut self.child);
    }

    /// Ends the process as an operator does, and waits until it has.
    pub fn stop_gently(&mut self) {
        let ended = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(ended.is_ok_and(|status| status.success()), "a signal is sent");
        assert_eq!(self.wait(), Some(0));
    }

    fn stop(&mut self) {
        // It may have ended by itself: then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn serve(program: &Program) -> Command {
    let mut command = program.command(&["--json", "serve"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// The same, started by a shell that lowers the limit of open files.
fn limited(command: &Command, files: usize) -> Command {
    started_by(&["sh", "-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"], command)
}

/// The same, started by another program that takes it as its last arguments.
pub fn started_by(starter: &[&str], command: &Command) -> Command {
    let mut shell = Command::new(starter[0]);
    shell.args(&starter[1..]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped());
    shell
}

/// Lets this process have so many files open, for tests with many sockets. Where the machine forbids it, the test says so.
pub fn allow_open_files(needed: u64) {
    let limits = fs::read_to_string("/proc/self/limits").expect("the limits of this process");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit of open files");
    let value = |column: usize| line.split_whitespace().nth(column).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    let (soft, hard) = (value(3), value(4));
    if soft >= needed {
        return;
    }
    assert!(hard >= needed, "this test needs {needed} open files, and this machine allows {hard}: raise its hard limit");
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &own, &format!("--nofile={needed}:")]).status();
    assert!(raised.is_ok_and(|status| status.success()), "this test needs {needed} open files: run `ulimit -n {needed}` before");
}

/// Waits until the server says on standard output that it listens.
fn read_notice(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("standard output")).read_line(&mut line).expect("readable");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the server did not start: {error}: {line}"))
}
