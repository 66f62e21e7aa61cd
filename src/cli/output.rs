//! Printing: answers on standard output as text or JSON, complaints on standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use crate::protocol::printable::printable;

use super::failure::{Exit, Failure};
use crate::protocol::time::Timestamp;

/// How the caller wants the answer.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `answer` as JSON (one line, unless a person reads it), or else what `text` says about it.
    pub fn answer<T: Serialize>(self, answer: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let printed = if self.json {
            let to_json = if io::stdout().is_terminal() { serde_json::to_string_pretty } else { serde_json::to_string };
            to_json(answer).map_err(Failure::failed)?
        } else {
            text(answer)
        };
        self.raw(&printed)
    }

    /// Prints `answer` as JSON, which is how it reads best anyway.
    pub fn always_json<T: Serialize>(self, answer: &T) -> Result<(), Failure> {
        Self::new(true).answer(answer, |_| String::new())
    }

    /// Whether the caller wants JSON.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints text that is the same in both forms.
    pub fn raw(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
            // Whoever reads has seen enough: `ostiary user list | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| Failure::new(Exit::Failed, format!("can't write the answer: {error}"))),
        }
    }
}

/// Says on standard error what went wrong.
pub fn complain(failure: &Failure) {
    // Nothing is left to be done when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "ostiary: {failure}");
}

/// Lays rows out in columns under `titles`.
pub fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = titles.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&titles.map(str::to_owned))];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

/// A time as people and programs read it: `2026-11-22T03:18:00Z` (RFC 3339).
pub fn instant(time: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(time.as_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// Asks for a new password twice at the terminal, or reads it from standard input, where one trailing line break is not part
/// of it. Never from the command line: every process on the machine may read that.
pub fn new_password(from_stdin: bool) -> Result<secrecy::SecretString, Failure> {
    if from_stdin {
        let text = io::read_to_string(io::stdin().lock())
            .map_err(|error| Failure::usage(format!("can't read the password from standard input: {error}")))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        return Ok(line.to_owned().into());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password at: give it on standard input with --password-stdin",
        ));
    }
    let ask = |question: &str| rpassword::prompt_password(question).map_err(|error| Failure::usage(error.to_string()));
    let password = ask("New password: ")?;
    if password == ask("The same again: ")? {
        Ok(password.into())
    } else {
        Err(Failure::usage("the two passwords differ: nothing was changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1".to_owned(), "anna".to_owned()], ["200".to_owned(), "böse".to_owned()]];
        assert_eq!(table(["id", "name"], &rows), "id   name\n1    anna\n200  böse");
    }
}
