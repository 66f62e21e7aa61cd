//! PostgreSQL's own programs: `pg_dump` and `pg_restore`.

use std::path::Path;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::cli::failure::Failure;

/// Writes the database, as it is at one moment, to a file of pg_dump's own form.
pub fn dump(url: &SecretString, to: &Path) -> Result<(), Failure> {
    let mut command = program("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    run("pg_dump", command)
}

/// Fills an empty database from such a file, wholly or not at all.
pub fn restore(url: &SecretString, from: &Path) -> Result<(), Failure> {
    let mut command = program("pg_restore", url)?;
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]).arg(from);
    run("pg_restore", command)
}

/// The password goes through the environment: everybody on the machine may read a command line.
fn program(name: &str, url: &SecretString) -> Result<Command, Failure> {
    let broken = || Failure::unusable("database.url can't be handed to PostgreSQL's programs");
    let mut url = Url::parse(url.expose_secret()).map_err(|_| broken())?;
    let mut command = Command::new(name);
    if let Some(password) = url.password() {
        let password = percent_encoding::percent_decode_str(password).decode_utf8().map_err(|_| broken())?;
        command.env("PGPASSWORD", password.as_ref());
    }
    url.set_password(None).map_err(|()| broken())?;
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if let Some((_, password)) = parameters.iter().find(|(name, _)| name == "password") {
        command.env("PGPASSWORD", password);
        url.query_pairs_mut().clear().extend_pairs(parameters.iter().filter(|(name, _)| name != "password"));
    }
    command.arg("--dbname").arg(url.as_str());
    Ok(command)
}

fn run(name: &str, mut command: Command) -> Result<(), Failure> {
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| {
        Failure::unusable(format!("{name} can't be run: {error}. Install PostgreSQL's client programs, of the server's version"))
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
    Err(Failure::unusable(format!("{name} failed: {}", super::super::output::printable(line))))
}
