//! `ostiary doctor`: everything that an installation depends on, looked at, each with what mends it. It changes nothing.

mod installation;
mod machine;
mod outside;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{Output, printable};
use crate::clock::Clock;
use crate::config::Config;

pub const EXAMPLE: &str = "\
Nothing is changed, and no mail is sent. It asks the issuer from outside, as clients do, and the mail server, unless --offline is given.
It exits with 0 if there is no error, else with 1. docs/doctor.md has every check.

Example:
  ostiary --config /etc/ostiary.toml doctor";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Ask nobody: neither the issuer nor the mail server.
    #[arg(long)]
    offline: bool,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// Worth knowing.
    Note,
    /// It works, and should be better.
    Warning,
    /// It does not work, or not safely.
    Error,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// A stable word.
    check: &'static str,
    level: Level,
    /// What it is about, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    saw: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
    /// The page of the guide.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, saw: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, subject: None, saw: saw.into(), mend: None, page: None }
    }

    fn note(check: &'static str, saw: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Note, mend: Some(mend.into()), ..Self::ok(check, saw) }
    }

    fn warning(check: &'static str, saw: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::note(check, saw, mend) }
    }

    fn error(check: &'static str, saw: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Error, ..Self::note(check, saw, mend) }
    }

    fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    fn page(self, page: &'static str) -> Self {
        Self { page: Some(page), ..self }
    }
}

#[derive(Serialize)]
struct Examined {
    findings: Vec<Finding>,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut findings = machine::look(&config, clock.now());
    findings.extend(installation::look(&config).await);
    if !arguments.offline {
        findings.extend(outside::look(&config, &clock).await);
    }
    let bad = if arguments.strict { Level::Warning } else { Level::Error };
    let bad = findings.iter().filter(|finding| finding.level >= bad).count();
    output.answer(&Examined { findings }, text)?;
    match bad {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failed, "one thing has to be mended")),
        many => Err(Failure::new(Exit::Failed, format!("{many} things have to be mended"))),
    }
}

/// The worst last, where a terminal shows it.
fn text(examined: &Examined) -> String {
    let mut findings: Vec<_> = examined.findings.iter().collect();
    findings.sort_by_key(|finding| finding.level);
    let lines = findings.into_iter().map(|finding| {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        let subject = finding.subject.as_ref().map(|subject| format!(" {subject}")).unwrap_or_default();
        let mend = finding.mend.as_ref().map(|mend| format!("\n         {mend}")).unwrap_or_default();
        let page = finding.page.map(|page| format!(" (docs/{page})")).unwrap_or_default();
        let line = format!("{level:<8} {}{subject}: {}", finding.check, finding.saw);
        format!("{}{}{page}", printable(&line), mend.lines().map(printable).collect::<Vec<_>>().join("\n"))
    });
    lines.collect::<Vec<_>>().join("\n")
}
