//! What every request is checked for, in which order: the one table that `docs/checks.md` is printed from, and that explains a
//! refusal.
//!
//! A check is named by what it looks at, and known by the words that it refuses with: the reasons in the audit log. Given a
//! [`Procedure`] and a reason, nothing after the check was reached; what stands before it was passed where every such request
//! goes through it, and otherwise nobody knows.

mod account;
mod api;
mod authorize;
mod backchannel;
mod client_document;
mod client_registration;
mod device;
mod encryption;
mod jwt_bearer;
mod login;
mod logout;
mod procedures;
mod request;
mod request_object;
mod resource;
mod target;
mod token;
mod token_exchange;

use std::fmt::Write as _;

pub use procedures::PROCEDURES;
pub use request::FAULTS;

/// One thing that a request is checked for.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What it looks at: unique in its group.
    pub name: &'static str,
    /// The reasons that it refuses for.
    pub reasons: &'static [&'static str],
    /// What it looks for.
    pub about: &'static str,
    /// What makes a request pass.
    pub needs: &'static str,
    /// Every request that gets so far is checked for it. Others go by what the request holds, or how its client authenticates.
    pub always: bool,
}

/// Checks that follow one another wherever one of them is made.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub name: &'static str,
    pub checks: &'static [Check],
}

/// What a request goes through.
#[derive(Clone, Copy, Debug)]
pub struct Procedure {
    /// A stable word.
    pub name: &'static str,
    /// What is being done, for people.
    pub about: &'static str,
    /// `METHOD /path`: `*` is any method, and at the end of a path all that is below; `{name}` is one segment. Empty for one that
    /// is part of another one's route.
    pub routes: &'static [&'static str],
    /// In the order in which they run.
    pub groups: &'static [&'static Group],
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    NotReached,
    /// Nothing shows whether it was made: a fault of the server's ended the request at a point that is not known, or not every
    /// request of this kind goes through it.
    Unknown,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
            Self::Unknown => "unknown",
        }
    }
}

const fn check(name: &'static str, reasons: &'static [&'static str], about: &'static str, needs: &'static str) -> Check {
    Check { name, reasons, about, needs, always: true }
}

/// A check that some requests alone are checked for.
const fn sometimes(name: &'static str, reasons: &'static [&'static str], about: &'static str, needs: &'static str) -> Check {
    Check { name, reasons, about, needs, always: false }
}

impl Procedure {
    /// Every check, in order.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.groups.iter().flat_map(|group| group.checks)
    }

    /// Whether each of its requests goes through all of its checks. Others serve several routes, of which each makes some of them.
    fn is_one_way(&self) -> bool {
        ONE_WAY.contains(&self.name) || self.name.starts_with("token/")
    }

    /// Whether a request that got beyond the check has surely passed it.
    fn surely_makes(&self, check: &Check) -> bool {
        let always: &[&Group] = if self.is_one_way() { self.groups } else { &[&request::HEAD] };
        check.always && always.iter().flat_map(|group| group.checks).any(|held| held.name == check.name)
    }

    /// What became of each check of a request that was refused for `reason`. Where several checks refuse for it, it is the first
    /// that has something to show: `has_notes` says which do.
    ///
    /// A reason that stands in no check of this procedure is looked for in the others, whose check then stands alone at the end.
    pub fn outcomes(&self, reason: Option<&str>, has_notes: impl Fn(&Check) -> bool) -> Vec<(&'static Check, Outcome)> {
        let refuses = |check: &&Check| reason.is_some_and(|reason| check.reasons.contains(&reason));
        let candidates = || self.checks().enumerate().filter(|(_, check)| refuses(check));
        let failed = candidates().find(|(_, check)| has_notes(check)).or_else(|| candidates().next());
        let Some((place, _)) = failed else {
            let elsewhere = FAULTS.checks.iter().find(refuses);
            let elsewhere = elsewhere.or_else(|| PROCEDURES.iter().flat_map(Self::checks).find(refuses));
            let unknown = self.checks().map(|check| (check, Outcome::Unknown));
            return unknown.chain(elsewhere.map(|check| (check, Outcome::Failed))).collect();
        };
        let outcome = |index: usize, check: &Check| match index.cmp(&place) {
            std::cmp::Ordering::Less if self.surely_makes(check) || has_notes(check) => Outcome::Passed,
            std::cmp::Ordering::Less => Outcome::Unknown,
            std::cmp::Ordering::Equal => Outcome::Failed,
            std::cmp::Ordering::Greater => Outcome::NotReached,
        };
        self.checks().enumerate().map(|(index, check)| (check, outcome(index, check))).collect()
    }

    fn serves(&self, method: &str, path: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        let fits = |pattern: &str| {
            let (mut wanted, mut segments) = (pattern.split('/'), path.split('/'));
            loop {
                match (wanted.next(), segments.next()) {
                    (None, None) | (Some("*"), _) => return true,
                    (Some(wanted), Some(segment)) if wanted == segment || wanted.starts_with('{') => {}
                    _ => return false,
                }
            }
        };
        let mut routes = self.routes.iter().filter_map(|route| route.split_once(' '));
        routes.any(|(verb, pattern)| (verb == "*" || verb == method) && fits(pattern))
    }
}

/// The procedure of a request, by its path below the issuer's.
pub fn of_request(method: &str, path: &str) -> &'static Procedure {
    PROCEDURES.iter().find(|procedure| procedure.serves(method, path)).unwrap_or(&procedures::ANYTHING)
}

/// The procedure of this name.
pub fn named(name: &str) -> Option<&'static Procedure> {
    PROCEDURES.iter().find(|procedure| procedure.name == name)
}

/// The tables as `docs/checks.md` holds them.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for procedure in PROCEDURES {
        let routes: Vec<String> = procedure.routes.iter().map(|route| format!("`{}`", route.replace("* /", "/"))).collect();
        _ = write!(text, "\n### `{}`\n\n{}", procedure.name, procedure.about);
        _ = if routes.is_empty() { writeln!(text) } else { writeln!(text, " {}.", routes.join(", ")) };
        text.push('\n');
        for (number, group) in procedure.groups.iter().enumerate() {
            let names: Vec<_> = group.checks.iter().map(|check| format!("`{}`", check.name)).collect();
            _ = writeln!(text, "{}. [{}](#{}): {}", number + 1, group.name, anchor(group.name), names.join(", "));
        }
    }
    text.push_str("\n## Checks\n");
    for group in groups() {
        let users: Vec<_> =
            PROCEDURES.iter().filter(|procedure| runs(procedure, group)).map(|user| format!("`{}`", user.name)).collect();
        let users = if users.is_empty() { "every procedure, at any point".to_owned() } else { users.join(", ") };
        _ = write!(
            text,
            "\n### {}\n\nRun by {users}.\n\n| Check | Looks for | Passes | Reasons |\n|---|---|---|---|\n",
            group.name
        );
        for Check { name, reasons, about, needs, .. } in group.checks {
            let reasons: Vec<_> = reasons.iter().map(|reason| format!("`{reason}`")).collect();
            _ = writeln!(text, "| `{name}` | {about} | {needs} | {} |", reasons.join(", "));
        }
    }
    text
}

/// Every group once, in the order in which the procedures come upon it, and [`FAULTS`].
pub fn groups() -> Vec<&'static Group> {
    let mut groups: Vec<&'static Group> = Vec::new();
    for group in PROCEDURES.iter().flat_map(|procedure| procedure.groups).copied().chain([&FAULTS]) {
        if groups.iter().all(|known| known.name != group.name) {
            groups.push(group);
        }
    }
    groups
}

fn runs(procedure: &Procedure, group: &Group) -> bool {
    procedure.groups.iter().any(|run| run.name == group.name)
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// See [`Procedure::is_one_way`].
const ONE_WAY: &[&str] = &[
    "authorize",
    "authorize/post",
    "authorize/resume",
    "par",
    "device_authorization",
    "backchannel_authentication",
    "token",
    "introspect",
    "revoke",
    "userinfo",
    "login/passkey/question",
];

const HEAD: &str = "\
# Checks

<!-- Made from the tables in src/protocol/checks. To renew it: OSTIARY_UPDATE_DOCS=1 cargo test checks_in_the_docs -->

What a request is checked for, and in which order. A request that fails a check is answered at once: what stands before it was
passed, or does not concern such a request, and nothing after it was looked at. The reasons are those of the audit log; what a stranger is told is often less.
`ostiary explain TRACE_ID` says how far one request got: see [explain.md](explain.md).

## Procedures
";

#[cfg(test)]
mod tests;
