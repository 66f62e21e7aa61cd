//! Opening an installation: what is created, and what is refused with a sentence (behaviours 1.17 OP4).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::Program;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

/// A folder in which the program has run once.
fn installed() -> Program {
    let program = Program::new();
    program.run(&["migrate"]).ok();
    program
}

#[test]
fn the_data_folder_and_the_master_key_are_for_their_owner_alone() {
    let program = installed();
    assert_eq!(mode(&program.folder().join("data")), 0o700);
    assert_eq!(mode(&program.folder().join("data/master.key")), 0o600);
    assert!(program.folder().join("data/ostiary.db").is_file());
}

#[test]
fn a_data_folder_that_others_may_write_to_is_refused() {
    let program = Program::new();
    let folder = program.folder().join("data");
    fs::create_dir(&folder).expect("a folder");
    for refused in [0o777, 0o720, 0o702, 0o1777] {
        set_mode(&folder, refused);
        for command in ["migrate", "serve"] {
            let complaint = program.run(&[command]).fails(6);
            assert!(complaint.contains("others may write to the data folder data: run `chmod 700 data`"), "{complaint}");
        }
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 0, "nothing was put there");
    }
}

#[test]
fn a_data_folder_that_others_may_look_into_is_used_with_a_warning_and_files_of_ones_own() {
    let program = Program::new();
    let folder = program.folder().join("data");
    fs::create_dir(&folder).expect("a folder");
    set_mode(&folder, 0o755);
    // It gets past the folder, says so in the log, and ends at the address that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    fs::write(program.folder().join("ostiary.toml"), format!("[server]\nlisten = \"{address}\"\n")).expect("written");
    let said = program.run(&["serve"]).fails(6);
    assert!(said.contains("WARN") && said.contains("others may look into the data folder data: run `chmod 700 data`"), "{said}");
    for file in fs::read_dir(&folder).expect("readable") {
        let path = file.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    set_mode(&folder, 0o700);
    assert!(!program.run(&["serve"]).fails(6).contains("look into"));
}

#[test]
fn a_database_that_others_could_read_is_kept_from_them() {
    let program = installed();
    let database = program.folder().join("data/ostiary.db");
    assert_eq!(mode(&database), 0o600);
    set_mode(&database, 0o644);
    program.run(&["migrate"]).ok();
    assert_eq!(mode(&database), 0o600);
}

#[test]
fn migrating_twice_changes_nothing() {
    let program = installed();
    assert_eq!(program.run(&["migrate"]).ok(), "The database is up to date.\n");
}

#[test]
fn a_master_key_that_others_may_read_is_refused() {
    let program = installed();
    let file = program.folder().join("data/master.key");
    set_mode(&file, 0o644);
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("master.key") && complaint.contains("chmod 600"), "{complaint}");
}

#[test]
fn another_master_key_than_the_databases_is_refused() {
    let program = installed();
    let other = installed();
    fs::copy(other.folder().join("data/master.key"), program.folder().join("data/master.key")).expect("copied");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("does not accept the master key with the fingerprint"), "{complaint}");
}

#[test]
fn a_database_without_its_master_key_is_refused_and_no_key_is_made_up() {
    let program = installed();
    let file = program.folder().join("data/master.key");
    fs::remove_file(&file).expect("removed");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("restore the key"), "{complaint}");
    assert!(!file.exists());
}

#[test]
fn a_half_written_master_key_is_refused() {
    let program = installed();
    let file = program.folder().join("data/master.key");
    let key = fs::read(&file).expect("key");
    fs::write(&file, &key[..key.len() / 2]).expect("written");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("backup"), "{complaint}");
    assert!(!complaint.contains(std::str::from_utf8(&key[..10]).expect("text")), "{complaint}");
}

#[test]
fn a_master_key_without_a_database_begins_anew() {
    let program = installed();
    fs::remove_file(program.folder().join("data/ostiary.db")).expect("removed");
    for leftover in ["data/ostiary.db-wal", "data/ostiary.db-shm"] {
        // They are there only if the last process was killed.
        let _ = fs::remove_file(program.folder().join(leftover));
    }
    program.run(&["migrate"]).ok();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let program = installed();
    fs::write(program.folder().join("data/ostiary.db"), "This is a letter to my grandmother, and no database.").expect("written");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("ostiary.db") && complaint.contains("backup"), "{complaint}");
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let program = Program::new();
    fs::write(program.folder().join("data"), "a file where the folder should be").expect("written");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("data") && complaint.contains("server.data_dir"), "{complaint}");
}

#[test]
fn the_master_key_may_come_from_the_environment() {
    let program = Program::new();
    let migrate = |key: &str| {
        let mut command = program.command(&["migrate"]);
        command.env("OSTIARY_MASTER_KEY", key).output().expect("run").status.code()
    };
    let (one, two) = ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    assert_eq!(migrate("not a key"), Some(6));
    assert_eq!(migrate(one), Some(0));
    assert_eq!(migrate(two), Some(6), "another key than before");
    assert_eq!(migrate(one), Some(0));
    assert!(!program.folder().join("data/master.key").exists());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let program = installed();
    let path = program.folder().join("data/ostiary.db");
    let database = rusqlite::Connection::open(path).expect("database");
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, X'00', 0)";
    database.execute_batch(later).expect("inserted");
    let complaint = program.run(&["migrate"]).fails(6);
    assert!(complaint.contains("newer version of Ostiary"), "{complaint}");
}
