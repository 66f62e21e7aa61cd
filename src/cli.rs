//! The command line, one file per command. Answers go to standard output, logs and failures to standard error.

pub mod client;
pub mod config;
pub mod dev;
pub mod failure;
pub mod key;
pub mod migrate;
pub mod output;
pub mod serve;
pub mod start;
pub mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed for another reason, which is named
  2  the command line is wrong
  3  the configuration is wrong
  4  there is no such user, client or key
  5  it exists already, or was changed by somebody else meanwhile
  6  the data folder, the master key, the database or the address can't be used";

/// A self-hosted OAuth 2.0 authorization server and OpenID Connect provider.
#[derive(Debug, Parser)]
#[command(name = "ostiary", version, after_help = EXIT_CODES, max_term_width = 110)]
struct CommandLine {
    /// The configuration file. Without it, ostiary.toml in the current folder, when there is one.
    #[arg(long, global = true, value_name = "FILE", env = "OSTIARY_CONFIG")]
    config: Option<PathBuf>,

    /// Print the answer as JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The configuration: an example of it, a check of it.
    #[command(subcommand)]
    Config(config::Command),
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    let output = Output::new(line.json);
    let outcome = execute(line, output);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit.into()
        }
    }
}

fn execute(line: CommandLine, output: Output) -> Result<(), Failure> {
    match line.command {
        Command::Config(command) => config::run(&command, line.config.as_deref(), output),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().for_each(|inner| check(inner, &path));
            } else {
                let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains("Example"), "{path} has no example");
                assert!(example.contains("ostiary"), "{path}'s example shows no command");
            }
        }
        for command in CommandLine::command().get_subcommands() {
            check(command, "ostiary");
        }
    }
}
