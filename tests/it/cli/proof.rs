//! Backups that somebody else made: those for which nothing vouches, and what must not be done with any before it is known whose it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::restore::{KEY, configured, copy, databases, installed, pack, section, unpacked};
use crate::program::{Program, Run};

const RESTORE: [&str; 2] = ["restore", "saved.tar"];
const ASKED_FOR: [&str; 3] = ["restore", "saved.tar", "--without-proof"];

fn part(name: &str, content: &[u8]) -> Value {
    let sha256 = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(content));
    json!({ "name": name, "bytes": content.len(), "sha256": sha256 })
}

/// Says of what `saved.tar` was that it is of the first form, with nothing that vouches for it, and holds what `change` makes of its
/// database.
fn without_proof(program: &Program, original: &[(String, Vec<u8>)], change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let (name, database) = &original[2];
    let database = change(database.clone());
    let mut manifest: Value = serde_json::from_slice(&original[0].1).expect("a manifest");
    manifest.as_object_mut().expect("an object").remove("root");
    for (name, value) in [("format", 1.into()), ("schema", 18.into()), ("parts", json!([part(name, &database)]))] {
        manifest[name] = value;
    }
    let files = [("manifest.json".to_owned(), manifest.to_string().into_bytes()), (name.clone(), database)];
    pack(&program.folder().join("saved.tar"), &files);
}

/// Another place, which has the master key of the first one.
fn with_the_key(program: &Program, section: &str) -> Program {
    let other = configured(section);
    fs::create_dir(other.folder().join("data")).expect("a folder");
    fs::set_permissions(other.folder().join("data"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
    for name in ["data/master.key", "audit-key.jwk"] {
        copy(program, &other, name);
    }
    other
}

fn changed(database: &[u8], sql: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), database).expect("written");
    let connection = rusqlite::Connection::open(file.path()).expect("the database");
    connection.execute_batch(sql).expect("changed");
    drop(connection);
    fs::read(file.path()).expect("readable")
}

#[test]
fn what_nothing_vouches_for_is_taken_only_if_that_is_asked_for_and_then_only_of_an_old_database() {
    let (program, _) = installed("");
    program.run(&["backup", "create", "saved.tar", "--unencrypted"]).ok();
    let original = unpacked(&program.folder().join("saved.tar"));
    let other = with_the_key(&program, "");
    without_proof(&other, &original, |database| database);
    for command in [["restore"].as_slice(), &["backup", "verify"]] {
        let run = |more: &[&str]| other.run(&[command, &["saved.tar"], more].concat());
        assert!(run(&[]).fails(2).contains("--without-proof"), "{command:?}");
        run(&["--public-key", "audit-key.jwk"]).fails(7);
        run(&["--public-key", "audit-key.jwk", "--without-proof"]).fails(2);
    }
    other.run(&["backup", "verify", "saved.tar", "--without-proof"]).ok();
    let no_row = "DELETE FROM _sqlx_migrations WHERE version = 19";
    let no_table = "DROP TABLE master_keys";
    let older = format!("{no_table}; DELETE FROM _sqlx_migrations WHERE version >= 18");
    for sql in ["", no_row, no_table, &older] {
        without_proof(&other, &original, |database| changed(&database, sql));
        assert!(other.run(&ASKED_FOR).fails(5).contains("of another version than the manifest says"), "{sql}");
        assert!(!other.folder().join("data/ostiary.db").exists(), "{sql}");
    }
    // With nothing but that to hide, it comes down to its key.
    without_proof(&other, &original, |database| changed(&database, &format!("{no_table}; {no_row}")));
    assert!(other.run(&ASKED_FOR).fails(5).contains("not a master key"));
    // What vouches for another is compared also when it may be missing.
    let mut files = original.clone();
    files[0].1.push(b' ');
    pack(&other.folder().join("saved.tar"), &files);
    assert!(other.run(&ASKED_FOR).fails(5).contains("somebody changed the backup"));
    // And no other form has none.
    without_proof(&other, &original, |database| database);
    let mut files = unpacked(&other.folder().join("saved.tar"));
    files[0].1 = String::from_utf8(files[0].1.clone()).expect("UTF-8").replace("\"schema\":18", "\"schema\":19").into_bytes();
    pack(&other.folder().join("saved.tar"), &files);
    assert!(other.run(&ASKED_FOR).fails(1).contains("nothing vouches"));
}

/// psql as it was before `\restrict` held it, when it is asked; and pg_restore as it was before it wrote it.
const OLD_PSQL: (&str, &str) =
    ("psql", "#!/bin/sh\nPATH=${PATH#*:}\ncase $* in *ON_ERROR_STOP*) exec psql \"$@\" ;; esac\ncat >/dev/null\necho past\n");
const OLD_PG_RESTORE: (&str, &str) =
    ("pg_restore", "#!/bin/sh\nPATH=${PATH#*:}\n[ \"$*\" = --help ] || pg_restore \"$@\" | sed -E '/^\\\\(un)?restrict /d'\n");

/// Runs it where these programs come first.
fn run_beside(program: &Program, programs: &[(&str, &str)], arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in programs {
        // Written by another process: no other thread's child has it open when it is run.
        let script = ["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"];
        let written = Command::new("sh").args(script).arg(folder.path().join(name)).arg(text).status();
        assert!(written.is_ok_and(|status| status.success()));
    }
    let mut command = program.command(arguments);
    command.env("PATH", format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("a path")));
    command.stdin(Stdio::null()).output().expect("the program runs").into()
}

/// Puts a command of the machine where the comment of a table stands in a dump.
fn with_a_command(mut dump: Vec<u8>) -> Vec<u8> {
    const COMMENT: &[u8] = b"COMMENT ON TABLE public.clients IS '";
    let begin = dump.windows(COMMENT.len()).position(|window| window == COMMENT).expect("a comment");
    let length = dump[begin..].windows(2).position(|window| window == b"';").expect("its end") + 2;
    let command = format!("\n\\! touch ran\n{:-<1$}", "", length);
    dump[begin..begin + length].copy_from_slice(&command.as_bytes()[..length]);
    dump
}

fn no_dump_runs_commands(source: &str, target: &str, comment: impl Fn(), empty: impl Fn()) {
    let (program, recipient) = installed(source);
    comment();
    program.run(&["backup", "create", "saved.tar", "--unencrypted"]).ok();
    program.run(&["backup", "create", "saved.age", "--recipient", &recipient]).ok();
    let original = unpacked(&program.folder().join("saved.tar"));
    let other = with_the_key(&program, target);
    let ran = |program: &Program| program.folder().join("ran").exists();
    let nothing = |program: &Program| !ran(program) && restorable(program);

    without_proof(&other, &original, with_a_command);
    assert!(other.run(&RESTORE).fails(2).contains("--without-proof"));
    for programs in [[].as_slice(), &[OLD_PG_RESTORE]] {
        let refused = run_beside(&other, programs, &ASKED_FOR).fails(6);
        assert!(refused.contains("psql failed") && refused.contains("restrict"), "{refused}");
        assert!(nothing(&other), "{programs:?}");
    }
    let old = [OLD_PSQL, OLD_PG_RESTORE];
    assert!(run_beside(&other, &old, &ASKED_FOR).fails(6).contains("August 2026"));
    assert!(nothing(&other));
    // One that is what it says is restored, however the script is framed.
    without_proof(&other, &original, |dump| dump);
    assert!(run_beside(&other, &old, &ASKED_FOR).fails(6).contains("August 2026"));
    for programs in [[].as_slice(), &[OLD_PG_RESTORE]] {
        run_beside(&other, programs, &ASKED_FOR).ok();
        empty();
    }
    // And one that is proved, by a master key that did not come with it or by the signature, with any psql.
    pack(&other.folder().join("saved.tar"), &original);
    run_beside(&other, &old, &RESTORE).ok();
    empty();
    let other = configured(target);
    for name in ["saved.age", KEY, "audit-key.jwk"] {
        copy(&program, &other, name);
    }
    let restore = ["restore", "saved.age", "--identity", KEY];
    assert!(run_beside(&other, &old, &restore).fails(6).contains("--public-key"));
    assert!(!other.folder().join("data/master.key").exists(), "a key that proves the next one");
    run_beside(&other, &old, &[restore.as_slice(), &["--public-key", "audit-key.jwk"]].concat()).ok();
}

/// Whether the database is empty still.
fn restorable(program: &Program) -> bool {
    program.run(&["restore", "nowhere.tar", "--without-proof"]).fails(1).contains("nowhere.tar")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn no_dump_runs_commands_of_this_machine() {
    let (source, target) = databases("commands").await;
    let (source_section, target_section) = (section(&source), section(&target));
    let handle = tokio::runtime::Handle::current();
    let again = handle.clone();
    let comment = move || handle.block_on(source.run("COMMENT ON TABLE clients IS 'A place for something else.'"));
    let empty = move || again.block_on(target.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    let test = move || no_dump_runs_commands(&source_section, &target_section, comment, empty);
    tokio::task::spawn_blocking(test).await.expect("it ends");
}

/// An archive of these files, which may be of any kind.
fn archive(path: &Path, entries: &[(&str, tar::EntryType, &[u8])]) {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).expect("a name");
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind == tar::EntryType::GNUSparse {
            // One gigabyte, of which nothing is there.
            let gnu = header.as_gnu_mut().expect("of GNU");
            gnu.sparse[0].offset = *b"10000000000\0";
            gnu.sparse[0].numbytes = *b"00000000000\0";
            gnu.realsize = *b"10000000000\0";
        }
        header.set_cksum();
        archive.append(&header, *content).expect("appended");
    }
    fs::write(path, archive.into_inner().expect("an archive")).expect("written");
}

fn manifest(created_at: &str, parts: &[Value]) -> Value {
    json!({ "format": 1, "created_at": created_at, "version": "0.0.1", "issuer": "https://id.example", "schema": 18, "parts": parts })
}

const FILE: tar::EntryType = tar::EntryType::Regular;

#[test]
fn an_archive_holds_nothing_but_files() {
    let program = configured("");
    let text = manifest("", &[json!({ "name": "ostiary.db", "bytes": 10, "sha256": "" })]).to_string();
    let text = ("manifest.json", FILE, text.as_bytes());
    let sparse = ("ostiary.db", tar::EntryType::GNUSparse, [].as_slice());
    let name = ("././@LongLink", tar::EntryType::GNULongName, b"manifest.json\0".as_slice());
    let extension = ("PaxHeaders/x", tar::EntryType::XHeader, b"19 path=ostiary.db\n".as_slice());
    for entries in [[text, sparse].as_slice(), &[name, text], &[text, extension, ("x", FILE, b"x")]] {
        archive(&program.folder().join("saved.tar"), entries);
        for command in [ASKED_FOR.as_slice(), &["backup", "verify", "saved.tar", "--without-proof"]] {
            let refused = program.run(command).fails(1);
            assert!(refused.contains("something else than files"), "{refused}");
        }
    }
}

#[test]
fn what_a_stranger_wrote_does_nothing_to_the_terminal() {
    const STRANGE: &str = "2026\u{1b}[2J\n\u{202e}";
    let program = configured("");
    let run = |manifest: &Value, more: &[(&str, tar::EntryType, &[u8])], command: &[&str]| {
        let text = manifest.to_string();
        let entries = [[("manifest.json", FILE, text.as_bytes())].as_slice(), more].concat();
        archive(&program.folder().join("saved.tar"), &entries);
        let run = program.run(command);
        let said = [run.stdout.trim_end(), run.stderr.trim_end()].concat();
        assert!(
            !said.is_empty() && !said.contains(|character: char| character.is_control() || character == '\u{202e}'),
            "{run:?}"
        );
        run
    };
    let verify = ["backup", "verify", "saved.tar", "--without-proof"];
    let database = ("ostiary.db", FILE, b"x".as_slice());
    let said = run(&manifest(STRANGE, &[part("ostiary.db", b"x")]), &[database], &verify).ok();
    assert!(said.contains("\\u{1b}[2J"), "{said}");
    let parts = [part("ostiary.db", b"x"), part(STRANGE, b"")];
    for command in [verify.as_slice(), &ASKED_FOR] {
        assert!(run(&manifest("", &parts), &[database], command).fails(1).contains("\\u{1b}[2J"));
    }
    // Named first, it is one that this version does not know.
    let parts = [part(STRANGE, b""), part("ostiary.db", b"x")];
    run(&manifest("", &parts), &[], &ASKED_FOR).fails(1);
    let mut newer = manifest("", &[part("ostiary.db", b"x")]);
    (newer["format"], newer["schema"], newer["version"]) = (2.into(), 9_999.into(), STRANGE.into());
    let proof = ("manifest.proof", FILE, br#"{"mac":"","signature":""}"#.as_slice());
    assert!(run(&newer, &[proof, database], &RESTORE).fails(6).contains("newer version"));
    newer[STRANGE] = true.into();
    assert!(run(&newer, &[], &RESTORE).fails(1).contains("unknown field"));
}
