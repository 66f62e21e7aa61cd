//! `ostiary audit verify`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::export::{Header, read};
use crate::audit::pages::Pages;
use crate::audit::verify::{Anchors, Finding, Report, Verifier};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, complain, instant, printable};
use crate::cli::start::{Installation, master_key};
use crate::config::Config;
use crate::keys::evidence::EvidenceKey;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::AuditFilter;

/// Longer than an entry waits to be sealed where a server runs.
const LONG: Seconds = Seconds(60);

pub const EXAMPLE: &str = "\
It works beside a running server and without one, on the configured database or, with --from-dump, on what `ostiary audit export`
wrote; it needs a master key that is accepted, or was when the export was written. What was cut off the end since a checkpoint
shows only when copies of checkpoints are given that were kept outside the database (audit.checkpoint_file,
audit.checkpoint_syslog): see docs/audit.md.

Examples:
  ostiary audit verify --checkpoints /mnt/elsewhere/checkpoints
  ostiary audit verify --from-dump audit.jsonl";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file with copies of checkpoints; may be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Verify this export and not the database.
    #[arg(long, value_name = "FILE")]
    from_dump: Option<PathBuf>,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let Arguments { checkpoints, from_dump } = arguments;
    let (report, unreadable) = if let Some(dump) = from_dump {
        of_dump(&dump, &checkpoints, config).await?
    } else {
        let installation = Installation::open(config).await?;
        let (report, unreadable) = of_database(&installation, &checkpoints).await?;
        if let Some(warning) = unsealed(&report, installation.clock.now()) {
            complain(&Failure::failed(warning));
        }
        (report, unreadable)
    };
    output.answer(&report, |report| text(report, unreadable))?;
    let Some(first) = report.findings.first() else { return Ok(()) };
    Err(Failure::new(Exit::Tampered, format!("somebody changed the audit log: {}", sentence(first))))
}

/// Says that entries have waited for long: what waits could be taken away without a trace.
fn unsealed(report: &Report, now: Timestamp) -> Option<String> {
    let since = report.waiting_since.filter(|since| *since < now - LONG)?;
    Some(format!(
        "entries of the audit log wait to be sealed since {}, which a running server does within a second: does one run, and what does \
         its log say?",
        instant(since)
    ))
}

/// The report on an installation's own log, and how many lines of the copies could not be read.
pub(in crate::cli) async fn of_database(installation: &Installation, checkpoints: &[PathBuf]) -> Result<(Report, i64), Failure> {
    let anchors = anchors(checkpoints, &installation.evidence)?;
    let unreadable = anchors.unreadable;
    let mut verifier = Verifier::new(Arc::clone(&installation.evidence), anchors);
    let mut pages = Pages::open(&installation.db, AuditFilter::default()).await?;
    while let Some(items) = pages.next().await? {
        for item in items {
            verifier.take(item);
        }
    }
    Ok((verifier.finish(pages.head()), unreadable))
}

async fn of_dump(dump: &Path, checkpoints: &[PathBuf], config: Config) -> Result<(Report, i64), Failure> {
    let mut lines = open(dump)?.lines();
    let mut next = || lines.next().transpose().map_err(|error| unreadable_file(dump, &error));
    let not_ours = || Failure::usage(format!("{} is not an export of `ostiary audit export` as JSON lines", dump.display()));
    let header = next()?.and_then(|line| serde_json::from_str::<Header>(&line).ok()).ok_or_else(not_ours)?;
    if header.ostiary_audit_log != Header::VERSION {
        return Err(not_ours());
    }
    if !header.whole {
        return Err(Failure::usage(format!("{} holds a part of the log only: export it without a filter", dump.display())));
    }
    let key = match header.sealed_key() {
        Some(sealed) => {
            let root = header.root.open(&master_key(&config)?).map_err(Failure::unusable)?;
            Arc::new(EvidenceKey::unseal(&root, sealed).map_err(Failure::unusable)?)
        }
        None => Installation::open(config).await?.evidence,
    };
    let anchors = anchors(checkpoints, &key)?;
    let unreadable = anchors.unreadable;
    let mut verifier = Verifier::new(key, anchors);
    let mut number: u64 = 1;
    while let Some(line) = next()? {
        number += 1;
        let item = read(&line).map_err(|error| Failure::failed(format!("{} line {number}: {error}", dump.display())))?;
        verifier.take(item);
    }
    Ok((verifier.finish(header.head()), unreadable))
}

fn anchors(files: &[PathBuf], key: &EvidenceKey) -> Result<Anchors, Failure> {
    let mut anchors = Anchors::default();
    for file in files {
        anchors.read(open(file)?, key).map_err(|error| unreadable_file(file, &error))?;
    }
    Ok(anchors)
}

fn open(file: &Path) -> Result<BufReader<File>, Failure> {
    File::open(file).map(BufReader::new).map_err(|error| unreadable_file(file, &error))
}

fn unreadable_file(file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} can't be read: {error}", file.display()))
}

fn text(report: &Report, unreadable: i64) -> String {
    let Report { entries, first, last, waiting, waiting_since, checkpoints, copies, vouched_until, findings, faults, .. } =
        report;
    let range = match (first, last) {
        (Some(first), Some(last)) => format!("{entries} ({first} to {last})"),
        _ => "none".to_owned(),
    };
    let since = waiting_since.map(|since| format!(", the oldest since {}", instant(since))).unwrap_or_default();
    let mut lines = vec![
        if report.intact { "The audit log is as it was written.".to_owned() } else { "The audit log was changed.".to_owned() },
        String::new(),
        format!("  Entries               {range}"),
        format!("  Waiting to be sealed  {waiting}{since}"),
        format!("  Checkpoints           {checkpoints}, which vouch for entries up to {vouched_until}"),
        format!("  Copies compared       {copies}"),
    ];
    if unreadable > 0 {
        lines.push(format!("  Unreadable copies     {unreadable} lines"));
    }
    if !findings.is_empty() {
        lines.push(String::new());
        lines.extend(findings.iter().map(|finding| format!("  {}", sentence(finding))));
    }
    let unlisted = faults - i64::try_from(findings.len()).unwrap_or_default();
    if unlisted > 0 {
        lines.push(format!("  and {unlisted} more"));
    }
    lines.join("\n")
}

fn sentence(finding: &Finding) -> String {
    let Finding { fault, sequence, until, id, what } = finding;
    let place = match (sequence, until.filter(|until| Some(*until) != *sequence)) {
        (Some(from), Some(until)) => format!("entries {from} to {until}"),
        (Some(from), None) => format!("entry {from}"),
        (None, _) => "no place in the chain".to_owned(),
    };
    let id = id.as_ref().map(|id| format!(" (id {})", printable(id))).unwrap_or_default();
    format!("{} {place}{id}: {what}", fault.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_have_waited_for_more_than_a_minute_are_told_of() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let waiting = |seconds| Report { waiting_since: Some(now - Seconds(seconds)), ..Report::default() };
        assert_eq!(unsealed(&Report::default(), now), None);
        assert_eq!(unsealed(&waiting(60), now), None);
        assert!(unsealed(&waiting(61), now).is_some_and(|said| said.contains("since 2027-01-15T07:58:59Z")));
    }
}
