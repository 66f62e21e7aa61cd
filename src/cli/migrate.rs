//! `ostiary migrate`: brings the database's schema up to date, and stops.

use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::start::Installation;
use crate::config::Config;

pub const EXAMPLE: &str = "\
The server does the same when it starts. With several nodes, run this once before the new version is rolled out.

Example:
  ostiary --config /etc/ostiary.toml migrate";

#[derive(Serialize)]
struct Migrated {
    up_to_date: bool,
}

pub async fn run(config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open(config).await?;
    installation.db.close().await;
    output.answer(&Migrated { up_to_date: true }, |_| "The database is up to date.".to_owned())
}
