//! `ostiary user invite`: a link to register with.

use serde::Serialize;

use crate::account::invitation::{Draft, Office};
use crate::api::users::normal_roles;
use crate::audit::{self, Kind};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, instant};
use crate::cli::start::Installation;
use crate::config::RegistrationMode;
use crate::keys::hash::TokenHasher;
use crate::outbound::mail::Outbox;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::time::Seconds;
use crate::storage::audit::{Actor, Event};

#[derive(Serialize)]
struct Printed {
    id: String,
    link: String,
    expires_at: String,
    /// It was put into the outbox too.
    mailed: bool,
}

pub async fn run(installation: &Installation, address: Option<&str>, roles: Vec<String>, output: Output) -> Result<(), Failure> {
    let config = &installation.config;
    if config.registration.mode == RegistrationMode::Closed {
        let sentence = "nobody may register here, with an invitation either: set registration.mode to 'invitation' or 'open'";
        return Err(Failure::new(Exit::Configuration, sentence));
    }
    let parsed = address.map(EmailAddress::parse).transpose();
    let address = parsed.map_err(|error| Failure::usage(format!("the address: {error}")))?;
    let roles = normal_roles(roles).map_err(|_| super::not_roles())?;
    let (tokens, outbox) = (TokenHasher::new(&installation.root), Outbox::new(&installation.root, &config.mail));
    let office = Office { db: &installation.db, tokens: &tokens, outbox: &outbox, issuer: &config.server.issuer };
    let mailed = address.is_some() && outbox.is_on();
    let draft = Draft { address, roles, invited_by: None, lifetime: Seconds::hours(config.registration.invitation_hours) };
    let event = Event { actor: Actor::CommandLine, ..audit::event(Kind::InvitationCreated, installation.origin()) };
    let invited = office.invite(draft, event).await?;
    let expires_at = instant(invited.invitation.expires_at);
    let printed = Printed { id: invited.invitation.id, link: invited.link, expires_at, mailed };
    output.answer(&printed, |printed| {
        let how = if printed.mailed { "It is being mailed too. " } else { "" };
        format!("{how}This link works once, until {}:\n  {}", printed.expires_at, printed.link)
    })
}
