//! What is in the database: its schema and settings, keys, the audit log, backups, clients.

use std::time::Duration;

use tokio::time::timeout;

use super::Finding;
use crate::audit::Kind;
use crate::cli::client::policy;
use crate::cli::failure::Failure;
use crate::cli::output::instant;
use crate::cli::plan::present;
use crate::cli::start::Installation;
use crate::config::Config;
use crate::protocol::client::Client;
use crate::protocol::client_advice::{Weight, advise};
use crate::protocol::client_registration::validate;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::chain;
use crate::storage::db::{DatabaseTarget, Db};
use crate::storage::master_keys::list as list_master_keys;
use crate::storage::signing_keys::KeyState;
use crate::storage::{health, migrations, signing_keys};

/// How far two clocks may be apart.
pub(super) const SKEW: Seconds = Seconds(5);

/// How long it takes at most to give every node another master key.
const ROTATION: Seconds = Seconds::days(7);

/// How long the database may be silent where nothing else bounds it: between the login and the first answer, or while it waits for
/// somebody who migrates.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    let (schema, is_whole) = schema(&target).await;
    if !is_whole {
        return vec![schema];
    }
    let installation = match open(config).await {
        Ok(installation) => installation,
        Err(failure) => {
            let mend = "Nothing else in the database was looked at.";
            return vec![schema, Finding::error("installation", failure.sentence, mend)];
        }
    };
    let now = installation.clock.now();
    let db = &installation.db;
    let mut findings = vec![schema];
    if matches!(target, DatabaseTarget::Postgres(_)) {
        findings.extend(or_why_not("database_settings", postgres(db, now).await));
    }
    let own = installation.master.fingerprint();
    findings.extend(or_why_not("master_keys", master_keys(db, &own, now).await));
    findings.extend(or_why_not("signing_key", keys(db, config, now).await));
    findings.extend(or_why_not("audit_log", audit_log(db, now).await));
    findings.extend(or_why_not("backup", backup(db, now).await));
    findings.extend(or_why_not("clients", clients(&installation, now).await));
    // What doesn't answer is not waited for to say goodbye.
    _ = timeout(PATIENCE, db.close()).await;
    findings
}

/// What failed is told beside everything else that was found.
fn or_why_not(check: &'static str, found: Result<Vec<Finding>, Failure>) -> Vec<Finding> {
    let mend = "It could not be looked at: see whether the database is well, and what its user may read.";
    found.unwrap_or_else(|failure| vec![Finding::error(check, failure.sentence, mend)])
}

/// What the database is, and whether there is more to be looked at in it.
async fn schema(target: &DatabaseTarget) -> (Finding, bool) {
    const CHECK: &str = "database";
    let newest = migrations::newest();
    let inspected = timeout(PATIENCE, migrations::inspect(target)).await.map_err(|_| SILENT.to_owned());
    match inspected.and_then(|inspected| inspected.map_err(|error| error.to_string())) {
        Err(saw) => (Finding::error(CHECK, saw, "Look at database.url, and whether the database runs."), false),
        Ok(applied) => match applied.newest() {
            Some(version) if version == newest => (Finding::ok(CHECK, format!("it answers; schema {version}")), true),
            Some(version) => {
                let saw = format!("schema {version}, and this version knows {newest}");
                let mend = "Start the version that belongs to it, or update it: ostiary migrate.";
                (Finding::warning(CHECK, saw, mend), false)
            }
            None if applied.is_empty() => {
                (Finding::note(CHECK, "there is none yet", "The server makes it when it starts."), false)
            }
            None => (Finding::error(CHECK, "it is not Ostiary's", "Name another one with database.url."), false),
        },
    }
}

const SILENT: &str = "the database does not answer";

async fn open(config: &Config) -> Result<Installation, Failure> {
    let opened = timeout(PATIENCE, Installation::open_as_it_is(config.clone())).await;
    opened.unwrap_or_else(|_| Err(Failure::unusable(SILENT)))
}

async fn postgres(db: &Db, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "database_settings";
    let mut conn = db.read().await?;
    let mut findings = Vec::new();
    for (name, value) in health::settings(&mut conn).await? {
        let saw = format!("{name} is {value}");
        let bad = match (name.as_str(), value.as_str()) {
            ("fsync" | "full_page_writes", "off") => {
                Some(Finding::error(CHECK, saw, format!("Set {name} = on: a power failure may destroy the database.")))
            }
            ("synchronous_commit", "off") => Some(Finding::error(
                CHECK,
                saw,
                "Set it on, for this database at least: what was answered may be lost in a crash.",
            )),
            ("default_transaction_read_only" | "in_hot_standby", "on") => Some(Finding::error(
                CHECK,
                saw,
                "Name the primary in database.url: a replica can't be written, and may not know of a revocation.",
            )),
            _ => None,
        };
        findings.extend(bad);
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "what is acknowledged is on the disk, and it can be written"));
    }
    let apart = seconds_between(health::clock(&mut conn).await?, now);
    findings.push(clock("database", apart));
    Ok(findings)
}

pub(super) fn seconds_between(one: Timestamp, other: Timestamp) -> i64 {
    (one.as_seconds() - other.as_seconds()).abs()
}

/// How far apart a clock is from ours.
pub(super) fn clock(whose: &'static str, apart: i64) -> Finding {
    let saw = format!("{apart} s apart from this machine's");
    if apart > SKEW.0 {
        Finding::warning("clock", saw, "Have both machines follow a time server (NTP).").of(whose)
    } else {
        Finding::ok("clock", saw).of(whose)
    }
}

/// Whether a rotation of the master key was ended.
async fn master_keys(db: &Db, own: &str, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "master_keys";
    let accepted = list_master_keys(&mut db.read().await?).await?;
    let [_, second, ..] = accepted.as_slice() else {
        return Ok(vec![Finding::ok(CHECK, format!("one opens the database ({own})"))]);
    };
    let since = instant(second.created_at);
    let saw = format!("{} open the database since {since}, and {own} is used here", accepted.len());
    Ok(vec![if now - ROTATION > second.created_at {
        let mend = "Once every node has the new one, have the old one dropped: ostiary key drop-master FINGERPRINT.";
        Finding::note(CHECK, saw, mend).page("master-key.md")
    } else {
        Finding::ok(CHECK, saw)
    }])
}

async fn keys(db: &Db, config: &Config, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "signing_key";
    // A day more than it should take: nobody rotates while no server runs.
    let oldest = Seconds::days(i64::from(config.keys.rotation_days) + 1);
    let keys = signing_keys::list(&mut db.read().await?).await?;
    let signing = keys.iter().filter(|key| key.state == KeyState::Signing);
    let findings: Vec<_> = signing
        .map(|key| {
            let since = key.signing_at.unwrap_or(key.created_at);
            let saw = format!("in use since {}", instant(since));
            let finding = if now - oldest > since {
                Finding::warning(
                    CHECK,
                    saw,
                    "A running server replaces it after keys.rotation_days: does one run? Or: ostiary key rotate.",
                )
            } else {
                Finding::ok(CHECK, saw)
            };
            finding.of(key.algorithm.as_str())
        })
        .collect();
    if findings.is_empty() {
        return Ok(vec![Finding::note(CHECK, "there is none yet", "The server makes them when it starts.")]);
    }
    Ok(findings)
}

async fn audit_log(db: &Db, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    let (waiting, oldest) = chain::backlog(&mut db.read().await?).await?;
    Ok(vec![match oldest {
        Some(at) if seconds_between(at, now) > 60 => {
            let saw = format!("{waiting} waiting to be sealed, the oldest since {}", instant(at));
            let mend = "A running server seals within a second: does one run, and what does its log say?";
            Finding::warning("audit_log", saw, mend).page("audit.md")
        }
        _ => Finding::ok("audit_log", "nothing waits to be sealed for long"),
    }])
}

async fn backup(db: &Db, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "backup";
    const MEND: &str = "Take one every day, and try to restore it: ostiary backup create.";
    let last = health::last(&mut db.read().await?, Kind::BackupCreated.as_str()).await?;
    Ok(vec![match last {
        None => Finding::note(CHECK, "none is on record", MEND).page("backup.md"),
        Some(at) if now - Seconds::days(7) > at => {
            Finding::warning(CHECK, format!("the last one that is on record is of {}", instant(at)), MEND).page("backup.md")
        }
        Some(at) => Finding::ok(CHECK, format!("the last one is of {}", instant(at))),
    }])
}

/// Each registration against what would be taken today, and against RFC 9700.
async fn clients(installation: &Installation, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    let policy = policy(installation).await?;
    let clients = present(installation).await?.clients;
    let active: Vec<&Client> = clients.iter().filter(|client| client.is_active()).collect();
    let mut findings = Vec::new();
    for client in &active {
        let subject = client.id.as_str();
        for problem in validate(&client.metadata, &policy).err().unwrap_or_default() {
            let mend = "It would not be registered so today: change it.";
            findings.push(Finding::warning("client", problem.to_string(), mend).of(subject).page("connecting-a-client.md"));
        }
        for advice in advise(client, now) {
            let finding = match advice.weight {
                Weight::Note => Finding::note("client", advice.saw, advice.mend),
                Weight::Warning => Finding::warning("client", advice.saw, advice.mend),
            };
            findings.push(finding.of(subject).page("connecting-a-client.md"));
        }
    }
    findings.push(Finding::ok("clients", format!("{} active, of {}", active.len(), clients.len())));
    Ok(findings)
}
