//! `ostiary config`: prints an example of the configuration, and checks one. Both come from the sections' declarations.

use std::path::Path;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::Output;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print a configuration file with every key, its meaning and its default.
    #[command(after_help = "Example:\n  ostiary config example > ostiary.toml")]
    Example,
    /// Say whether the configuration can be used; if not, which key is wrong. Nothing is started.
    #[command(after_help = "Example:\n  ostiary --config /etc/ostiary.toml config check")]
    Check,
}

#[derive(Serialize)]
struct Checked {
    valid: bool,
    issuer: String,
}

pub fn run(command: &Command, file: Option<&Path>, output: Output) -> Result<(), Failure> {
    match command {
        Command::Example => output.raw(&example()?),
        Command::Check => {
            let config = crate::config::load(file)?;
            let checked = Checked { valid: true, issuer: config.server.issuer };
            output.answer(&checked, |checked| format!("The configuration is valid. The issuer is {}.", checked.issuer))
        }
    }
}

const EXAMPLE_HEAD: &str = "\
# Ostiary's configuration. Every key is here with its default; take the '#' away to change one.
# The environment goes before this file: OSTIARY_SERVER__ISSUER is server.issuer.
# Unknown keys are refused. Check this file with: ostiary --config FILE config check
";

/// A configuration file in which every key stands, commented out, with its default.
pub fn example() -> Result<String, Failure> {
    let mut lines = vec![EXAMPLE_HEAD.to_owned()];
    let comment = |line: &&str| format!("# {line}");
    for section in sections()? {
        lines.extend(section.doc.iter().map(comment));
        lines.push(format!("[{}]", section.name));
        for key in section.keys {
            lines.push(String::new());
            lines.extend(key.doc.iter().map(comment));
            lines.push(format!("# {} = {}", key.name, key.default));
        }
        lines.push(String::new());
    }
    Ok(lines.join("\n"))
}

const REFERENCE_HEAD: &str = "\
# Configuration

<!-- Made from the declarations in src/config/sections.rs. To renew it: OSTIARY_UPDATE_DOCS=1 cargo test reference -->

Ostiary runs without any configuration. What differs from the defaults below comes from two places; the later one wins:

1. a TOML file: the one named by `--config FILE` (or `OSTIARY_CONFIG`), else `ostiary.toml` in the current folder, when there is one;
2. the environment: `OSTIARY_`, the section, two underscores, the key. `OSTIARY_SERVER__ISSUER` is `server.issuer`.

A key that does not exist, or a value that can't be used, refuses to start with exit code 3 and names the key. The value is not
printed: it may be a secret. `ostiary config example` prints a file with every key; `ostiary config check` checks one.
";

/// The reference of all keys, as `docs/configuration.md` holds it.
pub fn reference() -> Result<String, Failure> {
    let mut lines = vec![REFERENCE_HEAD.to_owned()];
    for section in sections()? {
        lines.push(format!("## `[{}]`\n\n{}\n", section.name, section.doc.join(" ")));
        lines.push("| Key | Default | Meaning |\n|---|---|---|".to_owned());
        for key in section.keys {
            let meaning = key.doc.join(" ").replace('|', "\\|");
            lines.push(format!("| `{}` | `{}` | {meaning} |", key.name, key.default));
        }
        lines.push(String::new());
    }
    Ok(lines.join("\n"))
}

struct Section {
    name: &'static str,
    doc: Vec<&'static str>,
    keys: Vec<Key>,
}

struct Key {
    name: &'static str,
    doc: Vec<&'static str>,
    /// As TOML.
    default: String,
}

fn sections() -> Result<Vec<Section>, Failure> {
    let defaults = toml::Table::try_from(Config::default()).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let default = |section: &str, key: &str| {
        defaults.get(section).and_then(|section| section.get(key)).map(ToString::to_string).unwrap_or_default()
    };
    Ok(Config::SECTIONS
        .iter()
        .map(|(section, doc, keys)| Section {
            name: section,
            doc: lines(doc),
            keys: keys.iter().map(|(key, doc)| Key { name: key, doc: lines(doc), default: default(section, key) }).collect(),
        })
        .collect())
}

fn lines(doc: &'static str) -> Vec<&'static str> {
    doc.lines().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_without_its_comment_signs_is_the_default_configuration() {
        let example = example().expect("example");
        let assignments = example.lines().map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.split_once(" = ").is_some_and(|(key, _)| is_key(key))).unwrap_or(line)
        });
        let text = assignments.collect::<Vec<_>>().join("\n");
        let config: Config = toml::from_str(&text).expect("valid TOML");
        assert_eq!(config, Config::default());
        assert!(text.contains("\nlisten = \"127.0.0.1:8080\"\n"), "the comment signs were taken away");
    }

    fn is_key(text: &str) -> bool {
        Config::SECTIONS.iter().any(|(_, _, keys)| keys.iter().any(|(key, _)| *key == text))
    }

    #[test]
    fn every_key_has_a_meaning_and_a_default() {
        for section in sections().expect("sections") {
            for key in section.keys {
                assert!(!key.doc.is_empty() && !key.default.is_empty(), "{}.{}", section.name, key.name);
            }
        }
    }
}
