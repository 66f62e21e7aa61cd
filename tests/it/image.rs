//! The container image: what the build reads is what it is given.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The folders and files at the top that the program is made of: those that a macro reads while it is compiled.
fn read_by_the_build() -> BTreeSet<String> {
    // Askama's and sqlx's own, where nothing is said.
    let mut read: BTreeSet<String> = ["src", "templates", "migrations"].map(str::to_owned).into();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        let literals = |marker: &str| -> Vec<String> {
            let literal = |rest: &str| rest.split('"').nth(1).unwrap_or_default().to_owned();
            text.split(marker).skip(1).map(literal).collect()
        };
        let relative = ["include_str!(", "include_bytes!(", "include!("].iter().flat_map(|marker| literals(marker));
        for path in relative {
            let mut target = file.parent().expect("a folder").to_owned();
            for part in Path::new(&path).components() {
                match part {
                    std::path::Component::ParentDir => _ = target.pop(),
                    part => target.push(part),
                }
            }
            let below = target.strip_prefix(root()).expect("within the project").components().next().expect("a name");
            read.insert(below.as_os_str().to_string_lossy().into_owned());
        }
        for path in ["#[folder =", " locales:"].iter().flat_map(|marker| literals(marker)) {
            let name = path.trim_start_matches("$CARGO_MANIFEST_DIR/").trim_start_matches("./").split('/').next();
            read.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    read
}

#[test]
fn the_build_is_given_all_that_it_reads_and_nothing_else() {
    let ignore = fs::read_to_string(root().join(".dockerignore")).expect(".dockerignore");
    let given: BTreeSet<String> = ignore.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let for_cargo = ["Cargo.toml", "Cargo.lock", "benches/load/main.rs", "tests/it/main.rs"].map(str::to_owned);
    let expected: BTreeSet<String> = read_by_the_build().into_iter().chain(for_cargo).collect();
    assert_eq!(given, expected);
    for path in &given {
        assert!(root().join(path).exists(), "{path} is not there");
    }
}
