//! `ostiary password`: what new passwords must be.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde::Serialize;

use super::failure::Failure;
use super::output::{self, Output};
use crate::authn::password::{BuildError, Policy, build_filter};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say whether a password would be taken as a new one. It is asked for, or read from standard input.
    #[command(after_help = "Example:\n  ostiary password check --name anna@example.com")]
    Check {
        /// The sign-in name or e-mail address of whoever wants it.
        #[arg(long, default_value = "")]
        name: String,
        /// Read the password from standard input, up to its end or one line break there.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make a compact filter of a list of breached passwords, for password.breached_filter.
    ///
    /// The list is that of Have I Been Pwned, sorted by hash: one HASH:COUNT a line, SHA-1 in hexadecimal. It is read twice, and a small
    /// piece of it at a time is in memory. The filter takes 2.3 bytes for each password.
    #[command(after_help = "Example:\n  ostiary password build-filter pwned-passwords-sha1-ordered-by-hash.txt breached.filter")]
    BuildFilter {
        /// The list.
        input: PathBuf,
        /// The filter. A file of that name is replaced once the new one is complete.
        output: PathBuf,
    },
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    match command {
        Command::Check { name, password_stdin } => check(&config, &name, password_stdin, output).await,
        Command::BuildFilter { input, output: filter } => build(&input, &filter, output),
    }
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
    /// 0 to 4.
    strength: u8,
}

async fn check(config: &Config, name: &str, from_stdin: bool, output: Output) -> Result<(), Failure> {
    let typed = output::new_password(from_stdin)?;
    let checked = policy(config)?.check(typed.expose_secret(), name, &[]).await;
    checked.password.map_err(|problem| Failure::usage(problem.to_string()))?;
    let strength = checked.strength.map_or(0, crate::authn::password::Strength::score);
    let answer = Accepted { accepted: true, strength };
    output.answer(&answer, |answer| format!("The password would be taken. Its strength is {} of 4.", answer.strength))
}

/// The rules that this configuration makes.
pub fn policy(config: &Config) -> Result<Policy, Failure> {
    let issuer = url::Url::parse(&config.server.issuer).map_err(Failure::failed)?;
    Policy::new(&config.password, issuer.host_str().unwrap_or_default()).map_err(Failure::unusable)
}

#[derive(Serialize)]
struct Printed {
    passwords: u64,
    bytes: u64,
    /// At once, about.
    memory_bytes: usize,
}

fn build(input: &Path, filter: &Path, output: Output) -> Result<(), Failure> {
    let list = File::open(input).map_err(|error| Failure::unusable(format!("{}: {error}", input.display())))?;
    let mut unfinished = filter.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let unwritable = |error: std::io::Error| Failure::unusable(format!("{}: {error}", filter.display()));
    let file = File::create(&unfinished).map_err(unwritable)?;
    let built = build_filter(&mut BufReader::with_capacity(1 << 20, list), file).map_err(|error| {
        // What is left of it is of no use; the error says what to do.
        let _ = std::fs::remove_file(&unfinished);
        match error {
            BuildError::Io(error) => unwritable(error),
            problem => Failure::usage(format!("{}: {problem}", input.display())),
        }
    })?;
    std::fs::rename(&unfinished, filter).map_err(unwritable)?;
    let printed = Printed { passwords: built.hashes, bytes: built.bytes, memory_bytes: built.largest_piece * 40 };
    output.answer(&printed, |printed| {
        format!(
            "{} knows {} passwords in {} bytes; building took about {} bytes of memory at once.",
            filter.display(),
            printed.passwords,
            printed.bytes,
            printed.memory_bytes
        )
    })
}
