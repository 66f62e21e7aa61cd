//! `ostiary export`: the document of what there is.

use super::failure::Failure;
use super::output::Output;
use super::plan::present;
use super::start::Installation;
use crate::config::Config;
use crate::declared::document::Form;
use crate::declared::export::export;

pub const EXAMPLE: &str = "\
TOML, or JSON with --json. Secrets are stored as hashes and can't be written; without --secrets-by-reference the document says nothing
of them, which leaves them as they are where it is applied.

Example:
  ostiary export --secrets-by-reference";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name an environment variable for the secret of each client, which has to hold it where the document is applied.
    #[arg(long)]
    secrets_by_reference: bool,
}

pub async fn run(arguments: &Arguments, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open_as_it_is(config).await?;
    let form = if output.is_json() { Form::Json } else { Form::Toml };
    let now = installation.clock.now();
    let text = export(&present(&installation).await?, form, arguments.secrets_by_reference, now).map_err(Failure::failed)?;
    output.raw(&text)
}
