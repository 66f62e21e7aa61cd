//! `ostiary client registration-token`: lets somebody register clients.

use serde::Serialize;

use crate::audit::{self, Kind};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, instant};
use crate::cli::start::Installation;
use crate::config::ClientRegistrationMode;
use crate::keys::hash::{TokenHasher, TokenKind};
use crate::protocol::time::Seconds;
use crate::random;
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::client_registrations::{self, InitialAccessToken};
use crate::storage::error::Error as StorageError;

#[derive(Debug, clap::Args)]
pub struct RegistrationToken {
    /// How many clients may be registered with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    uses: i64,
    /// Days that it is good for.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=366))]
    days: i64,
}

#[derive(Serialize)]
struct Printed {
    id: String,
    initial_access_token: String,
    uses: i64,
    expires_at: String,
}

pub async fn run(installation: &Installation, wish: &RegistrationToken, output: Output) -> Result<(), Failure> {
    if installation.config.client_registration_mode() != ClientRegistrationMode::Token {
        let sentence = "tokens are of no use here: set client_registration.mode to 'token'";
        return Err(Failure::new(Exit::Configuration, sentence));
    }
    let (token, now) = (random::secret(), installation.clock.now());
    let hash = TokenHasher::new(&installation.root).hash(TokenKind::InitialAccessToken, &token);
    let row = InitialAccessToken::new(hash, wish.uses, Seconds::days(wish.days), (Actor::CommandLine, now));
    let mut event =
        Event { actor: Actor::CommandLine, ..audit::event(Kind::ClientRegistrationTokenCreated, installation.origin()) };
    event.details.extend(row.described());
    let written = installation.db.write(async |tx| {
        client_registrations::insert_initial(tx, &row).await?;
        record(tx, &event).await?;
        Ok::<_, StorageError>(())
    });
    written.await?;
    let expires_at = instant(row.expires_at);
    let printed = Printed { id: row.id, initial_access_token: token, uses: row.uses_left, expires_at };
    output.answer(&printed, |printed| printed.initial_access_token.clone())
}
