//! `ostiary dev` as a process, on free ports, with a temporary folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::Program;

/// A running one; it is stopped when this is dropped.
pub struct Dev {
    program: Program,
    child: Child,
    /// What it printed when it was ready.
    pub printed: String,
}

impl Dev {
    /// Starts it with `--json`.
    pub fn start() -> Self {
        Self::start_with(&["--json"])
    }

    pub fn start_with(options: &[&str]) -> Self {
        let program = Program::new();
        let temporary = program.folder().join("tmp");
        fs::create_dir(&temporary).expect("a folder");
        let arguments = [options, &["dev", "--listen", "127.0.0.1:0", "--demo-listen", "127.0.0.1:0"]].concat();
        let mut child = program
            .command(&arguments)
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let printed = read_notice(&mut child, options.contains(&"--json"));
        Self { program, child, printed }
    }

    /// The printed summary, as JSON.
    pub fn notice(&self) -> Value {
        serde_json::from_str(&self.printed).unwrap_or_else(|error| panic!("{error}: {}", self.printed))
    }

    pub fn url(&self, name: &str) -> String {
        self.notice()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.printed)).to_owned()
    }

    pub fn password_of(&self, name: &str) -> String {
        let notice = self.notice();
        let mut people = notice["people"].as_array().expect("people").iter();
        let person = people.find(|person| person["sign_in_name"] == name).expect("the person");
        person["password"].as_str().expect("a password").to_owned()
    }

    /// Every password and client secret.
    pub fn secrets(&self) -> Vec<String> {
        let notice = self.notice();
        let of = |list: &str, member: &str| -> Vec<String> {
            let entries = notice[list].as_array().expect("a list").iter();
            entries.filter_map(|entry| entry[member].as_str().map(str::to_owned)).collect()
        };
        [of("people", "password"), of("clients", "client_secret")].concat()
    }

    pub fn temporary_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.program.folder().join("tmp")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Asks it to stop, as Ctrl+C and service managers do; gives the folder that it used.
    pub fn stop(mut self) -> PathBuf {
        let folder = self.temporary_folders().remove(0);
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        assert!(self.child.wait().expect("it ends").success());
        folder
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line of JSON, or the text up to the line about Ctrl+C.
fn read_notice(child: &mut Child, json: bool) -> String {
    let mut output = BufReader::new(child.stdout.take().expect("standard output"));
    let mut printed = String::new();
    while output.read_line(&mut printed).expect("readable") > 0 {
        if json || printed.contains("Ctrl+C") {
            // The program goes on writing to nobody.
            std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
            return printed;
        }
    }
    panic!("it did not start: {printed}")
}
