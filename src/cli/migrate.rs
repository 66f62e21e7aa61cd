//! `ostiary migrate`: brings the database's schema up to date, and stops; or says before what that would do.

use serde::Serialize;

use super::failure::Failure;
use super::output::{Output, table};
use super::start::Installation;
use crate::config::Config;
use crate::storage::db::DatabaseTarget;
use crate::storage::migrations::effects::Waiting;
use crate::storage::migrations::{self, Step, Trial};

pub const EXAMPLE: &str = "\
The server does the same when it starts. With several nodes, run this once before the new version is rolled out.

Examples:
  ostiary migrate --plan
  ostiary migrate --dry-run
  ostiary --config /etc/ostiary.toml migrate";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// List what would be done, and whether the version before can go on beside it; do nothing.
    #[arg(long, conflicts_with = "dry_run")]
    plan: bool,
    /// Try it: with SQLite on a copy of the file, which needs as much room beside it; with PostgreSQL in a transaction that is
    /// taken back, while which others may wait for the tables that it changes.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Migrated {
    up_to_date: bool,
}

#[derive(Serialize)]
struct Planned {
    /// That this program brings the database to.
    schema: i64,
    pending: Vec<Step>,
}

#[derive(Serialize)]
struct Tried {
    succeeds: bool,
    pending: usize,
}

pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let target = DatabaseTarget::new(&config.database.url, &config.server.data_dir);
    if arguments.plan {
        let pending = migrations::plan(&target).await.map_err(Failure::unusable)?;
        return output.answer(&Planned { schema: migrations::newest(), pending }, plan);
    }
    if arguments.dry_run {
        let pending = migrations::plan(&target).await.map_err(Failure::unusable)?.len();
        let trial = migrations::dry_run(&target).await.map_err(Failure::unusable)?;
        return output.answer(&Tried { succeeds: true, pending }, |tried| {
            let place = match trial {
                Trial::Copy => "on a copy of the database, which is deleted",
                Trial::RolledBack => "in a transaction, which was taken back",
            };
            format!("{} of {} migrations succeed {place}.", tried.pending, tried.pending)
        });
    }
    let installation = Installation::open(config).await?;
    installation.db.close().await;
    output.answer(&Migrated { up_to_date: true }, |_| "The database is up to date.".to_owned())
}

fn plan(planned: &Planned) -> String {
    if planned.pending.is_empty() {
        return format!("The database is up to date (schema {}).", planned.schema);
    }
    let rows = planned.pending.iter().flat_map(|step| {
        step.effects.iter().enumerate().map(|(index, effect)| {
            let waits = match effect.waiting {
                Waiting::Nobody => "nobody",
                Waiting::Moment => "a moment",
                Waiting::Throughout => "throughout",
            };
            let (version, name) = match index {
                0 => (format!("{:04} {}", step.version, step.name), step.phase.as_str()),
                _ => (String::new(), ""),
            };
            [version, name.to_owned(), effect.does.clone(), waits.to_owned()]
        })
    });
    table(["migration", "phase", "does", "writers wait"], &rows.collect::<Vec<_>>())
}
