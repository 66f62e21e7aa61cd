//! PostgreSQL's own programs: `pg_dump`, `pg_restore` and `psql`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::cli::failure::Failure;

/// Writes the database, as it is at one moment, to a file in pg_dump's own form. The file is handed to it open: whatever becomes of us,
/// it makes none.
pub fn dump(url: &SecretString, to: &File) -> Result<(), Failure> {
    let mut command = program("pg_dump", url)?;
    let to = to.try_clone().map_err(Failure::failed)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges"]).stdout(to);
    judge("pg_dump", command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn())
}

/// Fills an empty database from such a file, wholly or not at all, and runs `last` in the same transaction.
pub fn restore(url: &SecretString, from: &Path, last: &str) -> Result<(), Failure> {
    let mut script = Command::new("pg_restore");
    script.args(["--file=-", "--no-owner", "--no-privileges"]).arg(from).stdin(Stdio::null());
    let mut script =
        script.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| missing("pg_restore", &error))?;
    let mut psql = program("psql", url)?;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]).stdin(Stdio::piped());
    let mut psql = psql.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|error| missing("psql", &error))?;
    // It ends when what it reads does, and says why it did not go on.
    let written = psql.stdin.take().map(|mut to| {
        let from = script.stdout.take();
        to.write_all(b"BEGIN;\n")?;
        if let Some(mut from) = from {
            io::copy(&mut from, &mut to)?;
        }
        // Without this, which is not sent after half a script, nothing is kept.
        if script.wait()?.success() { write!(to, "\nRESET search_path;\n{last};\nCOMMIT;\n") } else { Ok(()) }
    });
    judge("psql", Ok(psql))?;
    judge("pg_restore", Ok(script))?;
    written.transpose().map(drop).map_err(Failure::unusable)
}

/// The password goes through the environment: everybody on the machine may read a command line.
fn program(name: &str, url: &SecretString) -> Result<Command, Failure> {
    let broken = || Failure::unusable("database.url can't be handed to PostgreSQL's programs");
    let mut url = Url::parse(url.expose_secret()).map_err(|_| broken())?;
    let mut command = Command::new(name);
    if let Some(password) = url.password() {
        let password = percent_encoding::percent_decode_str(password).decode_utf8().map_err(|_| broken())?;
        command.env("PGPASSWORD", password.as_ref());
        // Not asked of a URL that has none: one without a host refuses it.
        url.set_password(None).map_err(|()| broken())?;
    }
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if let Some((_, password)) = parameters.iter().find(|(name, _)| name == "password") {
        command.env("PGPASSWORD", password);
        url.query_pairs_mut().clear().extend_pairs(parameters.iter().filter(|(name, _)| name != "password"));
    }
    command.arg("--dbname").arg(url.as_str());
    Ok(command)
}

fn missing(name: &str, error: &io::Error) -> Failure {
    Failure::unusable(format!("{name} can't be run: {error}. Install PostgreSQL's client programs, of the server's version"))
}

/// Waits until it has ended, and says with its first line why it failed.
fn judge(name: &str, started: io::Result<Child>) -> Result<(), Failure> {
    let ended = started.and_then(Child::wait_with_output).map_err(|error| missing(name, &error))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
    Err(Failure::unusable(format!("{name} failed: {}", super::super::output::printable(line))))
}
