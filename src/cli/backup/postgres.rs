//! PostgreSQL's own programs: `pg_dump`, `pg_restore` and `psql`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::output::printable;
use crate::random;

/// The option of newer ones of pg_restore.
const RESTRICT_KEY: &str = "--restrict-key";

/// Writes the database, as it is at one moment, to a file in pg_dump's own form. The file is handed to it open: whatever becomes of us,
/// it makes none.
pub fn dump(url: &SecretString, to: &File) -> Result<(), Failure> {
    let mut command = program("pg_dump", url)?;
    let to = to.try_clone().map_err(Failure::failed)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges"]).stdout(to);
    judge("pg_dump", command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()).map(drop)
}

/// What keeps psql from running commands of this machine that stand in a dump (CVE-2025-8714): between `\restrict` and `\unrestrict`
/// with this word, which nobody could know, it takes none. `None`: this psql does not know them, or can be led past them
/// (CVE-2026-18408).
pub fn restriction(url: &SecretString) -> Result<Option<String>, Failure> {
    // Its version would tell of neither where a distribution mends old ones: so it is tried.
    const TRIED: &[u8] = b"\\restrict probe\n\\unrestrict `echo probe`\n\\echo past\n";
    let mut psql = program("psql", url)?;
    psql.args(["--no-psqlrc", "--quiet", "--file=-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut psql = psql.spawn().map_err(|error| missing("psql", &error))?;
    // If it does not even come to read, it says why.
    _ = psql.stdin.take().map(|mut to| to.write_all(TRIED));
    let said = judge("psql", Ok(psql))?;
    Ok(said.is_empty().then(|| HEXLOWER.encode(&random::bytes::<16>())))
}

/// Fills an empty database from such a file, wholly or not at all, and runs `last` in the same transaction.
pub fn restore(url: &SecretString, from: &Path, restriction: Option<&str>, last: &str) -> Result<(), Failure> {
    let mut script = Command::new("pg_restore");
    script.args(["--file=-", "--no-owner", "--no-privileges"]).arg(from).stdin(Stdio::null());
    // If it knows them too it writes both itself, and psql takes no second pair within the first.
    let ours = match restriction {
        Some(word) if frames()? => {
            script.arg(format!("{RESTRICT_KEY}={word}"));
            None
        }
        ours => ours,
    };
    let mut script =
        script.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| missing("pg_restore", &error))?;
    let mut psql = program("psql", url)?;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]).stdin(Stdio::piped());
    let mut psql = psql.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|error| missing("psql", &error))?;
    // It ends when what it reads does, and says why it did not go on.
    let written = psql.stdin.take().map(|mut to| {
        let from = script.stdout.take();
        to.write_all(b"BEGIN;\n")?;
        if let Some(word) = ours {
            writeln!(to, r"\restrict {word}")?;
        }
        if let Some(mut from) = from {
            io::copy(&mut from, &mut to)?;
        }
        if !script.wait()?.success() {
            return Ok(());
        }
        if let Some(word) = ours {
            write!(to, "\n\\unrestrict {word}")?;
        }
        // Without this, which is not sent after half a script, nothing is kept.
        write!(to, "\nRESET search_path;\n{last};\nCOMMIT;\n")
    });
    judge("psql", Ok(psql))?;
    judge("pg_restore", Ok(script))?;
    written.transpose().map(drop).map_err(Failure::unusable)
}

/// Whether this pg_restore writes `\restrict` and `\unrestrict` itself, with the word that it is given.
fn frames() -> Result<bool, Failure> {
    let asked =
        Command::new("pg_restore").arg("--help").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Ok(judge("pg_restore", asked)?.windows(RESTRICT_KEY.len()).any(|window| window == RESTRICT_KEY.as_bytes()))
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

/// Waits until it has ended, and gives what it printed, or says with its first line why it failed.
fn judge(name: &str, started: io::Result<Child>) -> Result<Vec<u8>, Failure> {
    let ended = started.and_then(Child::wait_with_output).map_err(|error| missing(name, &error))?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
    Err(Failure::unusable(format!("{name} failed: {}", printable(line))))
}
