//! The rules of the house that a reader can check from the text of the source: who may call whom, where SQL may stand, how
//! long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, outermost first. An import goes down, or sideways; never up.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["endpoints", "pages", "api"],
    &["account", "flow", "grants"],
    &["state"],
    &["web"],
    &["audit", "explain", "guard", "jobs"],
    &["keys", "authn", "outbound"],
    &["storage"],
    &["config", "telemetry"],
    &["clock", "declared", "random", "text"],
    &["protocol"],
];

/// Imports that go up all the same, with the reason why they may.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "state",
    "web",
    "the state carries how cookies are written and forms are signed, and limits clients; these files of web know no state",
)];

/// What `protocol` may not know: it decides, and others act.
const FORBIDDEN_IN_PROTOCOL: &[&str] = &["axum", "sqlx", "rusqlite", "tokio", "hyper", "reqwest", "tracing", "rand"];

/// Lines of a file; about 300 is the aim.
const LONGEST_FILE: usize = 400;

/// One source file: its path below `src`, without `.rs`, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The room that it stands in: `storage` for `storage.rs` and `storage/users.rs`.
    fn room(&self) -> String {
        let first = self.path.components().next().expect("a path below src");
        first.as_os_str().to_string_lossy().into_owned()
    }

    /// A file of unit tests alone.
    fn is_tests(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests")
    }

    /// The text without the unit tests, which stand last in a file, and without comments.
    fn code(&self) -> String {
        if self.is_tests() {
            return String::new();
        }
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// The rooms that it names as `crate::ROOM`, alone or in `use crate::{A, B::…}`.
    fn imports(&self) -> BTreeSet<String> {
        let code = self.code();
        code.match_indices("crate::")
            .flat_map(|(at, marker)| {
                let rest = &code[at + marker.len()..];
                match rest.strip_prefix('{') {
                    Some(group) => names_in_group(group),
                    None => vec![identifier(rest)],
                }
            })
            .filter(|name| LAYERS.iter().flat_map(|layer| layer.iter()).any(|room| room == name))
            .collect()
    }
}

/// The leading identifiers of a `{A, B::{C, D}, E}` whose opening brace is gone.
fn names_in_group(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item) = (0_usize, String::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(identifier(&std::mem::take(&mut item))),
            _ => item.push(character),
        }
    }
    names.push(identifier(&item));
    names
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: Vec<_> = rust_files(&root)
        .into_iter()
        .map(|file| Source {
            path: file.strip_prefix(&root).expect("below src").with_extension(""),
            text: fs::read_to_string(&file).expect("source file"),
        })
        .collect();
    assert!(sources.len() > 20, "the source was found");
    sources
}

pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn layer(room: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&room)).unwrap_or_else(|| panic!("the room `{room}` stands in no layer"))
}

fn is_excepted(room: &str, import: &str) -> bool {
    EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (room, import))
}

#[test]
fn imports_never_go_up() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "lib") {
        let room = source.room();
        for import in source.imports() {
            if layer(&import) < layer(&room) && !is_excepted(&room, &import) {
                wrong.push(format!("src/{}.rs imports crate::{import}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn two_rooms_of_one_layer_do_not_import_each_other() {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        imports.entry(source.room()).or_default().extend(source.imports());
    }
    for (room, named) in &imports {
        for other in named.iter().filter(|other| *other != room) {
            let back = imports.get(other).is_some_and(|theirs| theirs.contains(room));
            assert!(!back || is_excepted(room, other) || is_excepted(other, room), "{room} and {other} import each other");
        }
    }
}

#[test]
fn protocol_is_pure() {
    for source in sources().iter().filter(|source| source.room() == "protocol") {
        let code = source.code();
        for name in FORBIDDEN_IN_PROTOCOL {
            assert!(!code.contains(&format!("{name}::")), "src/{}.rs uses {name}", source.path.display());
        }
        let imports = source.imports();
        assert!(imports.iter().all(|room| room == "protocol"), "src/{}.rs imports {imports:?}", source.path.display());
    }
}

#[test]
fn sql_stands_in_storage_alone() {
    let statements = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];
    for source in sources().iter().filter(|source| source.room() != "storage") {
        let code = source.code();
        let found: Vec<_> = statements.iter().filter(|statement| code.contains(&format!("\"{statement}"))).collect();
        assert!(found.is_empty(), "src/{}.rs holds SQL: {found:?}", source.path.display());
        for driver in ["sqlx::", "rusqlite::"] {
            assert!(!code.contains(driver), "src/{}.rs uses {driver}", source.path.display());
        }
    }
}

#[test]
fn columns_are_listed() {
    for source in sources() {
        assert!(!source.code().contains("SELECT *"), "src/{}.rs selects *", source.path.display());
    }
}

#[test]
fn files_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        for file in rust_files(&root.join(folder)) {
            let lines = fs::read_to_string(&file).expect("source file").lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines: cut it in two", file.display());
        }
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources().iter().filter(|source| !source.is_tests()) {
        assert!(source.text.starts_with("//! "), "src/{}.rs begins without a `//!` line", source.path.display());
    }
}

#[test]
fn the_image_is_built_from_every_file_that_cargo_asks_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sent = fs::read_to_string(root.join(".dockerignore")).expect(".dockerignore");
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml").parse().expect("TOML");
    let targets = ["test", "bench", "example"].iter().filter_map(|kind| manifest.get(*kind)).filter_map(toml::Value::as_array);
    let paths: Vec<_> = targets.flatten().filter_map(|target| target.get("path")).filter_map(toml::Value::as_str).collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(sent.lines().any(|line| line == format!("!{path}")), ".dockerignore keeps {path} back");
    }
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let source = Source {
        path: PathBuf::from("web/params"),
        text: "use crate::{keys::ring::{A, B}, storage};\nfn f() { crate::pages::render() } // crate::api\n#[cfg(test)]\nmod tests { use crate::cli; }"
            .to_owned(),
    };
    assert_eq!(source.room(), "web");
    assert_eq!(source.imports().into_iter().collect::<Vec<_>>(), ["keys", "pages", "storage"]);
}
