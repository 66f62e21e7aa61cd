//! The command line, one file per command. Answers go to standard output, logs and failures to standard error.

pub mod apply;
pub mod audit;
pub mod backup;
pub mod client;
pub mod config;
pub mod dev;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod failure;
pub mod health;
pub mod key;
pub mod mail;
pub mod migrate;
pub mod output;
pub mod password;
pub mod plan;
pub mod resource;
pub mod restore;
mod scratch;
pub mod serve;
pub mod start;
pub mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Exit, Failure};
use output::Output;

const AFTER_HELP: &str = "\
Examples:
  ostiary                            start the server, with ./ostiary.toml if it exists
  ostiary --config FILE serve        start it with this file
  ostiary client create --name 'My app' --redirect-uri https://app.example/callback

Exit codes:
  0  done
  1  it failed for another reason, which is named
  2  the command line is wrong
  3  the configuration is wrong, or a document for `plan` or `apply`
  4  there is no such user, client or key
  5  it exists already, or was changed by somebody else meanwhile
  6  the data folder, the master key, the database or the address can't be used
  7  somebody changed the audit log
  8  the installation is not as the documents say, which is what `plan` is asked";

/// A self-hosted OAuth 2.0 authorization server and OpenID Connect provider.
#[derive(Debug, Parser)]
#[command(name = "ostiary", version, after_help = AFTER_HELP, max_term_width = 110)]
struct CommandLine {
    /// The configuration file. Without it, ostiary.toml in the current folder, when there is one.
    #[arg(long, global = true, value_name = "FILE", env = "OSTIARY_CONFIG")]
    config: Option<PathBuf>,

    /// Print the answer as JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (also without any command).
    #[command(after_help = serve::EXAMPLE)]
    Serve,
    /// Start a throw-away server with two people, three clients and a demonstration application.
    #[command(after_help = dev::EXAMPLE)]
    Dev(dev::Arguments),
    /// People: create, import, invite, list, disable, enable, set a password.
    #[command(subcommand)]
    User(user::Command),
    /// Passwords: would one be taken, make a filter of breached ones.
    #[command(subcommand)]
    Password(password::Command),
    /// Applications and services that use this server: create, list, show, disable, enable, reset the secret, delete.
    #[command(subcommand)]
    Client(client::Command),
    /// APIs that clients may ask for tokens for: create, list, show, delete.
    #[command(subcommand)]
    Resource(resource::Command),
    /// Configuration as code: say what would change for the installation to be as these documents say.
    #[command(after_help = plan::EXAMPLE)]
    Plan(plan::Arguments),
    /// Configuration as code: make the installation be as these documents say, all of it or nothing.
    #[command(after_help = apply::EXAMPLE)]
    Apply(apply::Arguments),
    /// Configuration as code: write the document of what there is.
    #[command(after_help = export::EXAMPLE)]
    Export(export::Arguments),
    /// Signing keys and master keys: list, rotate.
    #[command(subcommand)]
    Key(key::Command),
    /// The audit log: list, export, verify that nobody changed it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Mail: try whether it can be sent.
    #[command(subcommand)]
    Mail(mail::Command),
    /// Say why a request was refused, check by check, by the trace id that its answer showed.
    #[command(after_help = explain::EXAMPLE)]
    Explain(explain::Arguments),
    /// Look at everything that this installation depends on, and say what is wrong and how to mend it.
    #[command(after_help = doctor::EXAMPLE)]
    Doctor(doctor::Arguments),
    /// Say whether the server of this machine is ready: exit code 0 or 1.
    #[command(after_help = health::EXAMPLE)]
    Health,
    /// Bring the database's schema up to date, and stop.
    #[command(after_help = migrate::EXAMPLE)]
    Migrate(migrate::Arguments),
    /// Copies of everything: make a key for them, take one of the running server, check one.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Make an installation of a backup.
    #[command(after_help = restore::EXAMPLE)]
    Restore(restore::Arguments),
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
    if let Some(Command::Config(command)) = line.command {
        return config::run(&command, line.config.as_deref(), output);
    }
    let config = crate::config::load(line.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("the asynchronous runtime can't be started: {error}")))?;
    runtime.block_on(async {
        match line.command {
            None | Some(Command::Serve) => Box::pin(serve::run(config, output)).await,
            Some(Command::Dev(arguments)) => Box::pin(dev::run(arguments, config, output)).await,
            Some(Command::User(command)) => Box::pin(user::run(command, config, output)).await,
            Some(Command::Password(command)) => password::run(command, config, output).await,
            Some(Command::Client(command)) => client::run(command, config, output).await,
            Some(Command::Resource(command)) => resource::run(command, config, output).await,
            Some(Command::Plan(arguments)) => Box::pin(plan::run(arguments, config, output)).await,
            Some(Command::Apply(arguments)) => Box::pin(apply::run(arguments, config, output)).await,
            Some(Command::Export(arguments)) => export::run(&arguments, config, output).await,
            Some(Command::Key(command)) => key::run(command, config, output).await,
            Some(Command::Audit(command)) => Box::pin(audit::run(command, config, output)).await,
            Some(Command::Mail(command)) => mail::run(command, &config, output).await,
            Some(Command::Explain(arguments)) => explain::run(arguments, config, output).await,
            Some(Command::Doctor(arguments)) => Box::pin(doctor::run(arguments, config, output)).await,
            Some(Command::Health) => health::run(&config, output).await,
            Some(Command::Migrate(arguments)) => migrate::run(arguments, config, output).await,
            Some(Command::Backup(command)) => Box::pin(backup::run(command, config, output)).await,
            Some(Command::Restore(arguments)) => Box::pin(restore::run(arguments, config, output)).await,
            Some(Command::Config(_)) => Ok(()),
        }
    })
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

    #[test]
    fn no_option_takes_a_password() {
        let words = ["ostiary", "user", "create", "anna", "--password", "correct horse"];
        assert!(CommandLine::try_parse_from(words).is_err());
    }
}
