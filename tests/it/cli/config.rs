//! `ostiary config`, and what a wrong configuration gets (behaviours 1.17 OP4).

use std::fs;
use std::path::Path;

use crate::program::Program;

/// The program in a folder with this `ostiary.toml`.
fn with(configuration: &str) -> Program {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
    program
}

#[test]
fn the_reference_in_the_docs_is_what_the_code_declares() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let reference = ostiary::cli::config::reference().expect("reference");
    if std::env::var_os("OSTIARY_UPDATE_DOCS").is_some() {
        fs::write(&file, &reference).expect("written");
    }
    let written = fs::read_to_string(&file).expect("docs/configuration.md");
    assert_eq!(written, reference, "renew it: OSTIARY_UPDATE_DOCS=1 cargo test reference");
}

#[test]
fn the_example_passes_the_check() {
    let program = Program::new();
    let example = program.run(&["config", "example"]).ok();
    fs::write(program.folder().join("my.toml"), example).expect("written");
    let checked = program.run(&["--config", "my.toml", "--json", "config", "check"]).json();
    assert_eq!(checked["valid"], true);
    assert_eq!(checked["issuer"], "http://localhost:8080");
}

#[test]
fn the_environment_goes_before_the_file() {
    let program = with("[server]\nissuer = \"https://one.example\"\n");
    let mut command = program.command(&["config", "check"]);
    command.env("OSTIARY_SERVER__ISSUER", "https://two.example");
    let text = String::from_utf8(command.output().expect("run").stdout).expect("UTF-8");
    assert_eq!(text, "The configuration is valid. The issuer is https://two.example.\n");
}

#[test]
fn an_unknown_key_is_named_and_its_value_is_not() {
    for (configuration, name) in [
        ("[server]\nisuer = \"hunter2\"\n", "server.isuer"),
        ("[sever]\nissuer = \"hunter2\"\n", "sever"),
        ("password = \"hunter2\"\n", "password"),
    ] {
        let complaint = with(configuration).run(&["config", "check"]).fails(3);
        assert!(complaint.contains(name), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[test]
fn an_unknown_key_of_the_environment_is_refused_too() {
    let program = Program::new();
    let mut command = program.command(&["config", "check"]);
    command.env("OSTIARY_SERVER__ISUER", "hunter2");
    let output = command.output().expect("run");
    let complaint = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3));
    assert!(complaint.contains("server.isuer") && !complaint.contains("hunter2"), "{complaint}");
}

#[test]
fn a_value_that_cannot_be_used_is_refused_with_its_key_and_without_the_value() {
    for (configuration, key) in [
        ("[server]\nissuer = \"http://hunter2.example\"\n", "server.issuer"),
        ("[server]\nissuer = \"https://hunter2.example/?a=b\"\n", "server.issuer"),
        ("[server]\nissuer = \"https://hunter2.example/#a\"\n", "server.issuer"),
        ("[server]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", "server.trusted_proxies"),
        ("[server]\nlisten = \"hunter2\"\n", "server.listen"),
        ("[tokens]\naccess_token = \"hunter2\"\n", "tokens.access_token"),
        ("[tokens]\nauthorization_code = 601\n", "tokens.authorization_code"),
        ("[password]\nmemory_kib = 8\n", "password.memory_kib"),
        ("[rates]\nlogin = \"hunter2\"\n", "rates.login"),
        ("[limits]\nproof_of_work_bits = 17\n", "limits.proof_of_work_bits"),
        ("[limits]\nlock_after = 101\n", "limits.lock_after"),
        ("[limits]\nshared_networks = [\"::/0\"]\n", "limits.shared_networks"),
        ("[redis]\nurl = \"http://hunter2\"\n", "redis.url"),
        ("[tls]\nmtls_listen = \"hunter2\"\n", "tls.mtls_listen"),
        ("[tls]\nmtls_listen = \"127.0.0.1:8443\"\nmtls_origin = \"https://hunter2\"\n", "tls.mtls_listen"),
        ("[tls]\nmtls_origin = \"https://hunter2\"\n", "tls.mtls_origin"),
        ("[tls]\nmtls_origin = \"http://hunter2\"\n", "tls.mtls_origin"),
        ("[tls]\nmtls_origin = \"https://hunter2/\"\n", "tls.mtls_origin"),
        ("[server]\nissuer = \"https://hunter2\"\n[tls]\nmtls_origin = \"https://hunter2\"\n", "tls.mtls_origin"),
        ("[redis]\nurl = \"redis://hunter2,redis://b\"\n", "redis.url"),
        ("[database]\nurl = \"mysql://hunter2@localhost/x\"\n", "database.url"),
        ("[log]\nformat = \"hunter2\"\n", "log.format"),
        ("[server]\ndefault_locale = \"hunter2\"\n", "server.default_locale"),
        ("[mail]\ntransport = \"hunter2\"\n", "mail.transport"),
        ("[mail]\nfrom = \"hunter2\"\n", "mail.from"),
        ("[mail]\nfrom = \"a@example.org\\r\\nBcc: hunter2@example.org\"\n", "mail.from"),
        ("[mail]\ntransport = \"smtp\"\nfrom = \"a@example.org\"\nhost = \"hunter2 x\"\n", "mail.host"),
        ("[mail]\ntransport = \"smtp\"\nhost = \"hunter2\"\n", "mail.from"),
        ("[mail]\ntransport = \"smtp\"\nfrom = \"a@example.org\"\nhost = \"hunter2\"\ntls = \"none\"\n", "mail.tls"),
        (
            "[mail]\ntransport = \"smtp\"\nfrom = \"a@example.org\"\nhost = \"mail.example\"\npassword = \"hunter2\"\n",
            "mail.username",
        ),
        ("[server]\nissuer = \"https://hunter2.example\"\n[mail]\ntransport = \"log\"\n", "mail.transport"),
    ] {
        let complaint = with(configuration).run(&["config", "check"]).fails(3);
        assert!(complaint.contains(key), "{configuration} gives {complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_showing_its_text() {
    let complaint = with("[server]\nlisten = hunter2").run(&["config", "check"]).fails(3);
    assert!(complaint.contains("not valid TOML (line 2, column 10)"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[test]
fn a_configuration_file_that_is_not_there_is_named() {
    let complaint = Program::new().run(&["--config", "nowhere.toml", "config", "check"]).fails(3);
    assert!(complaint.contains("nowhere.toml"), "{complaint}");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let program = Program::new();
    assert!(program.run(&["frobnicate"]).fails(2).contains("frobnicate"));
    assert!(program.run(&["config"]).fails(2).contains("Usage"));
}

#[test]
fn help_goes_to_standard_output_and_lists_the_exit_codes() {
    let help = Program::new().run(&["--help"]).ok();
    assert!(help.contains("Exit codes:"), "{help}");
    assert!(help.contains("config"), "{help}");
}
