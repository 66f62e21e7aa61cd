//! `ostiary explain`: why a request was refused.

use std::fmt::Write as _;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{Output, instant, printable};
use super::start::Installation;
use crate::config::Config;
use crate::explain::{Explanation, Step};
use crate::protocol::checks::Outcome;
use crate::telemetry::TraceId;

pub const EXAMPLE: &str = "\
The trace id stands on the error page, in the error's JSON (trace_id), and in the X-Request-Id field of every answer. A running
server writes refusals down within a second, and keeps them for explain.days. docs/checks.md has all checks.

Example:
  ostiary explain 4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// 32 hexadecimal digits, as the person saw them.
    #[arg(value_name = "TRACE_ID", value_parser = trace_id)]
    trace_id: TraceId,
}

fn trace_id(text: &str) -> Result<TraceId, String> {
    TraceId::parse(&text.trim().to_ascii_lowercase()).ok_or_else(|| "not a trace id: that is 32 hexadecimal digits".to_owned())
}

#[derive(Serialize)]
struct Explained {
    occurred_at: String,
    #[serde(flatten)]
    explanation: Explanation,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open(config).await?;
    let found = Explanation::load(&mut installation.db.read().await?, arguments.trace_id).await?;
    let (at, explanation) = found.ok_or_else(|| {
        let problem = "no refused request with this trace id is on record: it was not refused, is older than explain.days, or was one of very many";
        Failure::new(Exit::NotFound, problem)
    })?;
    output.answer(&Explained { occurred_at: instant(at), explanation }, text)
}

fn text(explained: &Explained) -> String {
    let Explained { occurred_at, explanation } = explained;
    let Explanation { method, path, status, reason, client_id, procedure, checks, .. } = explanation;
    let mut text =
        format!("{} {} was refused on {occurred_at} with status {status}: {reason}\n", printable(method), printable(path));
    if let Some(client_id) = client_id {
        _ = writeln!(text, "  Client     {}", printable(client_id));
    }
    _ = writeln!(text, "  Procedure  {procedure}\n");
    let width = checks.iter().map(|step| step.check.len()).max().unwrap_or_default();
    for Step { check, about, outcome, saw, needs } in checks {
        let word = if *outcome == Outcome::Failed { "FAILED" } else { outcome.as_str() };
        _ = writeln!(text, "  {word:<11}  {check:<width$}  {about}");
        for seen in saw {
            _ = writeln!(text, "  {:<11}  {:<width$}    {}: {}", "", "", seen.name, printable(&seen.value));
        }
        if let Some(needs) = needs {
            _ = writeln!(text, "  {:<11}  {:<width$}    it takes: {needs}", "", "");
        }
    }
    text
}
