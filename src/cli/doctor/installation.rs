//! What is in the database: its schema and settings, keys, the audit log, backups, clients.

use super::Finding;
use crate::audit::Kind;
use crate::cli::client::policy;
use crate::cli::failure::Failure;
use crate::cli::output::instant;
use crate::cli::plan::present;
use crate::cli::start::{Installation, master_key};
use crate::config::Config;
use crate::protocol::client::Client;
use crate::protocol::client_advice::{Weight, advise};
use crate::protocol::client_registration::validate;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::db::{Conn, DatabaseTarget};
use crate::storage::signing_keys::KeyState;
use crate::storage::{health, migrations, signing_keys};

/// How far two clocks may be apart.
pub(super) const SKEW: Seconds = Seconds(5);

pub(super) async fn look(config: &Config) -> Result<Vec<Finding>, Failure> {
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    let mut findings = Vec::new();
    match migrations::inspect(&target).await {
        Err(error) => {
            findings.push(Finding::error("database", error.to_string(), "Look at database.url, and whether the database runs."));
            return Ok(findings);
        }
        Ok(applied) => {
            let newest = migrations::newest();
            match applied.newest() {
                Some(version) if version == newest => {
                    findings.push(Finding::ok("database", format!("it answers; schema {version}")));
                }
                Some(version) => {
                    let saw = format!("schema {version}, and this version knows {newest}");
                    findings.push(Finding::warning(
                        "database",
                        saw,
                        "Start the version that belongs to it, or update it: ostiary migrate.",
                    ));
                    return Ok(findings);
                }
                None if applied.is_empty() => {
                    findings.push(Finding::note("database", "there is none yet", "The server makes it when it starts."));
                    return Ok(findings);
                }
                None => {
                    findings.push(Finding::error("database", "it is not Ostiary's", "Name another one with database.url."));
                    return Ok(findings);
                }
            }
        }
    }
    // Without one, opening would make it.
    let opened = match master_key(config) {
        Ok(_) => Installation::open(config.clone()).await,
        Err(failure) => Err(failure),
    };
    let installation = match opened {
        Ok(installation) => installation,
        Err(failure) => {
            findings.push(Finding::error("installation", failure.sentence, "Nothing else in the database was looked at."));
            return Ok(findings);
        }
    };
    let now = installation.clock.now();
    let mut conn = installation.db.read().await?;
    if matches!(target, DatabaseTarget::Postgres(_)) {
        findings.extend(postgres(&mut conn, now).await?);
    }
    findings.extend(keys(&mut conn, config, now).await?);
    findings.extend(audit_log(&mut conn, now).await?);
    findings.push(backup(&mut conn, now).await?);
    drop(conn);
    findings.extend(clients(&installation, now).await?);
    installation.db.close().await;
    Ok(findings)
}

async fn postgres(conn: &mut Conn, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "database_settings";
    let mut findings = Vec::new();
    for (name, value) in health::settings(conn).await? {
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
    let apart = seconds_between(health::clock(conn).await?, now);
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

async fn keys(conn: &mut Conn, config: &Config, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "signing_key";
    // A day more than it should take: nobody rotates while no server runs.
    let oldest = Seconds::days(i64::from(config.keys.rotation_days) + 1);
    let keys = signing_keys::list(conn).await?;
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

async fn audit_log(conn: &mut Conn, now: Timestamp) -> Result<Option<Finding>, Failure> {
    let oldest = health::oldest_unsealed(conn).await?;
    Ok(Some(match oldest {
        Some(at) if seconds_between(at, now) > 60 => {
            let saw = format!("an entry waits to be sealed since {}", instant(at));
            let mend = "A running server seals within a second: does one run, and what does its log say?";
            Finding::warning("audit_log", saw, mend).page("audit.md")
        }
        _ => Finding::ok("audit_log", "nothing waits to be sealed for long"),
    }))
}

async fn backup(conn: &mut Conn, now: Timestamp) -> Result<Finding, Failure> {
    const CHECK: &str = "backup";
    const MEND: &str = "Take one every day, and try to restore it: ostiary backup create.";
    let last = health::last(conn, Kind::BackupCreated.as_str()).await?;
    Ok(match last {
        None => Finding::note(CHECK, "none is on record", MEND).page("backup.md"),
        Some(at) if now - Seconds::days(7) > at => {
            Finding::warning(CHECK, format!("the last one that is on record is of {}", instant(at)), MEND).page("backup.md")
        }
        Some(at) => Finding::ok(CHECK, format!("the last one is of {}", instant(at))),
    })
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
