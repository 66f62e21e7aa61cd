//! docs/faults.md names the test that shows each row; a name that no test has is a promise that nobody keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Every function of the tests and the source, and the modules of tests that have one for each database.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files(&root.join("tests/it")).into_iter().chain(rust_files(&root.join("src")));
    let name = |rest: &str| rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect();
    let in_file = |file| {
        let text = fs::read_to_string(file).expect("text");
        ["fn ", "mod "].iter().flat_map(|word| text.split(word).skip(1)).map(name).collect::<Vec<String>>()
    };
    files.flat_map(in_file).collect()
}

#[test]
fn every_test_in_the_table_of_faults_is_there() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md")).expect("docs/faults.md");
    let functions = functions();
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 20, "the table was read");
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last column");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(functions.contains(name), "no test is called {name}");
        }
    }
}
