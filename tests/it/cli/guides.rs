//! Every command and every configuration in the README and the guides, run as it stands there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Server;
use crate::program::Program;

/// A fenced block of a guide.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// The fenced blocks of a file of this repository.
pub fn blocks(file: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(file)).expect("the guide");
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) if !open => blocks.push(Block { language: language.to_owned(), text: String::new() }),
            Some(_) => {}
            None if open => blocks.last_mut().expect("an open block").text.extend([line, "\n"]),
            None => continue,
        }
        open ^= line.starts_with("```");
    }
    assert!(!open, "{file} has a block that does not end");
    blocks
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn guides() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("entry").path());
    let names = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let relative = names.map(|path: PathBuf| path.strip_prefix(root()).expect("below").display().to_string());
    relative.chain(["README.md".to_owned()]).collect()
}

/// Splits as a shell does, as far as the guides need: spaces, and quotes of both kinds.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(character),
        }
    }
    words
}

/// What a command of the guides is.
/// What a guide's reader has in a file: the example of RFC 8037 appendix A.2.
const PUBLIC_KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

enum Told {
    /// `cargo run`: the server, which these tests start themselves.
    Serve,
    /// The program with arguments.
    Run(Vec<String>),
    /// What runs these tests.
    Tests,
}

fn told(command: &str) -> Told {
    let words = words(command);
    let plain: Vec<_> = words.iter().map(String::as_str).collect();
    match plain[..] {
        ["cargo", "run"] | ["ostiary"] => Told::Serve,
        ["cargo", "run", "--", ..] => Told::Run(words[3..].to_vec()),
        ["ostiary", ..] => Told::Run(words[1..].to_vec()),
        ["cargo", "test"] | ["scripts/test"] => Told::Tests,
        _ => panic!("no test runs `{command}`"),
    }
}

#[test]
fn every_command_works_beside_a_running_server() {
    let server = Server::start();
    let mut run = 0;
    let key_file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(key_file.path(), PUBLIC_KEYS).expect("written");
    for guide in guides() {
        for block in blocks(&guide).iter().filter(|block| block.language == "sh") {
            for command in block.text.lines() {
                // The guides speak of the default issuer.
                let command = command.replace("http://localhost:8080", &server.issuer);
                let command = command.replace("--jwks-file jwks.json", &format!("--jwks-file {}", key_file.path().display()));
                let Told::Run(mut arguments) = told(&command) else { continue };
                if arguments == ["dev"] {
                    continue; // A server too: see `dev`'s own tests.
                }
                let asks_for_password = arguments.starts_with(&["user".to_owned(), "create".to_owned()]);
                if asks_for_password {
                    arguments.push("--password-stdin".to_owned());
                }
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                let outcome = server.cli_with(&arguments, "correct horse battery staple");
                assert_eq!(outcome.code, 0, "{guide}: `{command}` gives {outcome:?}");
                run += 1;
            }
        }
    }
    assert!(run >= 5, "only {run} commands were found");
}

#[test]
fn every_configuration_passes_the_check() {
    let mut checked = 0;
    for guide in guides() {
        for block in blocks(&guide).iter().filter(|block| block.language == "toml") {
            let program = Program::new();
            fs::write(program.folder().join("ostiary.toml"), &block.text).expect("written");
            let outcome = program.run(&["config", "check"]);
            assert_eq!(outcome.code, 0, "{guide}: {} gives {outcome:?}", block.text);
            checked += 1;
        }
    }
    assert!(checked >= 2, "only {checked} configurations were found");
}

#[test]
fn every_link_leads_to_a_file() {
    for guide in guides() {
        let text = fs::read_to_string(root().join(&guide)).expect("the guide");
        let folder = Path::new(&guide).parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                let path = root().join(folder).join(target.split('#').next().unwrap_or_default());
                assert!(path.exists(), "{guide} links to {target}, which is not there");
            }
        }
    }
}

#[test]
fn what_the_readme_calls_the_tests_is_what_ci_runs() {
    let ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(ci.contains("scripts/test"));
    let script = fs::read_to_string(root().join("scripts/test")).expect("scripts/test");
    assert!(script.contains("cargo test"));
}
