//! `ostiary dev`: the throw-away provider, and the tour through its demonstration application.

mod browser;
pub mod process;
mod tour;

use std::net::TcpListener;
use std::path::Path;

use crate::program::{Program, Run};

use self::process::Dev;

#[test]
fn nobody_but_this_machine_may_reach_it() {
    for arguments in [["dev", "--listen", "0.0.0.0:0"], ["dev", "--demo-listen", "[::]:0"], ["dev", "--listen", "192.0.2.1:8080"]]
    {
        let complaint = Program::new().run(&arguments).fails(3);
        assert!(complaint.contains(arguments[1]) && complaint.contains("loopback"), "{complaint}");
    }
}

#[test]
fn the_configured_address_is_used_if_it_is_this_machines_and_refused_otherwise() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address").to_string();
    let run = |listen: &str, arguments: &[&str]| {
        let arguments = [&["dev", "--demo-listen", "127.0.0.1:0"], arguments].concat();
        let output = Program::new().command(&arguments).env("OSTIARY_SERVER__LISTEN", listen).output();
        Run::from(output.expect("the program runs"))
    };
    // Occupied: so it was this address that was wanted.
    let complaint = run(&taken, &[]).fails(6);
    assert!(complaint.contains(&taken) && complaint.contains("server.listen"), "{complaint}");
    let complaint = run("0.0.0.0:8080", &[]).fails(3);
    assert!(complaint.contains("server.listen 0.0.0.0:8080") && complaint.contains("--listen"), "{complaint}");
    // What is on the command line goes before.
    let complaint = run("0.0.0.0:8080", &["--listen", &taken]).fails(6);
    assert!(complaint.contains("--listen"), "{complaint}");
}

#[test]
fn its_help_says_which_settings_have_no_effect() {
    let help = Program::new().run(&["dev", "--help"]).ok();
    for key in ["server.issuer", "server.data_dir", "server.trusted_proxies", "section database", "keys.master_key_file"] {
        assert!(help.contains(key), "{key} is missing:\n{help}");
    }
}

#[test]
fn an_address_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for option in ["--listen", "--demo-listen"] {
        let other = if option == "--listen" { "--demo-listen" } else { "--listen" };
        let complaint = Program::new().run(&["dev", option, &address, other, "127.0.0.1:0"]).fails(6);
        assert!(complaint.contains(&address) && complaint.contains(option), "{complaint}");
    }
}

#[test]
fn each_start_has_its_own_secrets_and_leaves_nothing_behind() {
    let starts = [Dev::start(), Dev::start()];
    for dev in &starts {
        let folders = dev.temporary_folders();
        assert_eq!(folders.len(), 1, "{folders:?}");
        assert_private(&folders[0]);
    }
    let [first, second] = starts.each_ref().map(Dev::secrets);
    assert_eq!(first.len(), 4, "two passwords and two client secrets");
    assert!(first.iter().all(|secret| secret.len() >= 16 && !second.contains(secret)), "{first:?} {second:?}");
    for dev in starts {
        let folder = dev.stop();
        assert!(!folder.exists(), "{} is still there", folder.display());
    }
}

#[test]
fn the_summary_for_people_names_everything_that_one_needs_to_begin() {
    let dev = Dev::start_with(&[]);
    for word in ["alice", "bob", "demo-web", "demo-spa", "demo-service", "Ctrl+C", "/.well-known/openid-configuration"] {
        assert!(dev.printed.contains(word), "{word} is missing:\n{}", dev.printed);
    }
}

#[cfg(unix)]
fn assert_private(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = folder.metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{} can be read by others", folder.display());
}
