//! The dashboard, the alert rules and the guide speak of figures that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostiary::telemetry::metrics::family::{self, Family, Kind};

const DASHBOARD: &str = "deploy/grafana/ostiary.json";
const RULES: &str = "deploy/prometheus/ostiary.rules.yml";
const GUIDE: &str = "docs/monitoring.md";

/// Labels that Prometheus adds, and that of a histogram's classes.
const GIVEN: [&str; 3] = ["job", "instance", "le"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The expressions of the dashboard's panels and variables.
fn queries() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let variables = dashboard["templating"]["list"].as_array().expect("variables").clone();
    let texts =
        targets.map(|target| target["expr"].clone()).chain(variables.into_iter().map(|variable| variable["query"].clone()));
    texts.map(|text| text.as_str().expect("a query").to_owned()).collect()
}

/// The expressions of the rules: the lines of each `expr`.
fn expressions() -> Vec<String> {
    let text = read(RULES);
    let rules = text.split("- alert:").skip(1);
    rules
        .map(|rule| {
            let expression = rule.split("expr:").nth(1).expect("an expression");
            let end = ["\n        for:", "\n        labels:"].iter().filter_map(|next| expression.find(next)).min();
            expression[..end.expect("labels")].to_owned()
        })
        .collect()
}

/// Each figure that an expression names, with the names of the labels that it asks for.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut found = Vec::new();
    for prefix in ["ostiary_", "process_"] {
        for (at, _) in expression.match_indices(prefix) {
            if expression[..at].ends_with(is_name) {
                continue;
            }
            let rest = &expression[at..];
            let name: String = rest.chars().take_while(|character| is_name(*character)).collect();
            let matchers = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
            let label = |matcher: &str| matcher.trim().chars().take_while(|character| is_name(*character)).collect();
            found.push((name, matchers.split(", ").filter(|matcher| !matcher.is_empty()).map(label).collect()));
        }
    }
    found
}

fn family_of(name: &str) -> Option<&'static Family> {
    let of_histogram = |suffix: &str| {
        let family = family::ALL.iter().find(|family| Some(family.name) == name.strip_suffix(suffix))?;
        (family.kind == Kind::Histogram).then_some(family)
    };
    let itself = family::ALL.iter().find(|family| family.name == name && family.kind != Kind::Histogram);
    itself.or_else(|| ["_bucket", "_sum", "_count"].into_iter().find_map(of_histogram))
}

#[test]
fn dashboard_and_alerts_ask_for_figures_and_labels_that_there_are() {
    let (queries, expressions) = (queries(), expressions());
    assert!(queries.len() > 30 && expressions.len() > 10, "they were read");
    let mut used = BTreeSet::new();
    for expression in queries.iter().chain(&expressions) {
        for (name, labels) in named(expression) {
            let family = family_of(&name).unwrap_or_else(|| panic!("{name} in {expression}"));
            used.insert(family.name);
            for label in labels {
                assert!(family.labels.contains(&label.as_str()) || GIVEN.contains(&label.as_str()), "{label} in {expression}");
            }
        }
        let grouped = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
        for label in grouped.flat_map(|labels| labels.split(',').map(str::trim)) {
            let known = family::ALL.iter().any(|family| family.labels.contains(&label)) || GIVEN.contains(&label);
            assert!(known, "{label} in {expression}");
        }
    }
    let unseen: Vec<_> = family::ALL.iter().map(|family| family.name).filter(|name| !used.contains(name)).collect();
    assert_eq!(unseen, ["process_virtual_memory_bytes"], "what is measured is shown");
}

#[test]
fn every_alert_has_its_place_in_the_guide() {
    let (rules, guide) = (read(RULES), read(GUIDE));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in &alerts {
        assert!(guide.contains(&format!("\n### {alert}\n")), "{alert} in {GUIDE}");
        assert!(rules.contains(&format!("runbook_url: {GUIDE}#{}\n", alert.to_lowercase())), "{alert}");
    }
    let described = guide.lines().filter_map(|line| line.strip_prefix("### Ostiary")).count();
    assert_eq!(described, alerts.len(), "and the guide speaks of no other");
}

#[test]
fn the_figures_in_the_guide_are_those_of_the_table() {
    let rows = family::ALL.iter().map(|family| {
        let kind = format!("{:?}", family.kind).to_lowercase();
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} |\n", family.name, labels.join(", "), family.help)
    });
    let table = format!("| Figure | Kind | Labels | Meaning |\n|---|---|---|---|\n{}", rows.collect::<String>());
    let guide = read(GUIDE);
    let (begin, end) = ("<!-- figures: OSTIARY_UPDATE_DOCS=1 cargo test figures_in_the_guide -->\n\n", "\n<!-- end -->");
    let (before, rest) = guide.split_once(begin).expect("a place for the table");
    let (written, after) = rest.split_once(end).expect("its end");
    if std::env::var_os("OSTIARY_UPDATE_DOCS").is_some() {
        fs::write(path(GUIDE), format!("{before}{begin}{table}{end}{after}")).expect("written");
        return;
    }
    assert_eq!(written, table, "renew it: OSTIARY_UPDATE_DOCS=1 cargo test figures_in_the_guide");
}

#[test]
#[ignore = "needs promtool, of Prometheus: scripts/test"]
fn promtool_takes_the_rules_and_the_example() {
    for (command, file) in [("rules", RULES), ("config", "deploy/prometheus/prometheus.yml")] {
        let checked = Command::new("promtool").args(["check", command]).arg(path(file)).output();
        let checked = checked.unwrap_or_else(|error| panic!("promtool can't be run: {error}; run scripts/test"));
        assert!(checked.status.success(), "{file}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
