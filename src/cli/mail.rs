//! `ostiary mail`: whether mail can be sent.

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::outbound::mail::{self, Mail, Message, Sender, Step, Transport, Unsent};
use crate::protocol::email_address::EmailAddress;
use crate::random;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Send a mail, and say at which step that fails. It doesn't go through the outbox.
    #[command(after_help = "Example:\n  ostiary --config /etc/ostiary.toml mail test ada@example.org")]
    Test {
        /// Where to.
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
}

#[derive(Serialize)]
struct Tested {
    sent: bool,
    to: String,
}

pub async fn run(command: Command, config: &Config, output: Output) -> Result<(), Failure> {
    let Command::Test { address } = command;
    let to = EmailAddress::parse(&address).map_err(|_| Failure::usage("that is not an e-mail address"))?;
    let wrong = |sentence: String| Failure::new(Exit::Configuration, sentence);
    let transport = Transport::new(config).map_err(|error| wrong(error.to_string()))?;
    let transport = transport.ok_or_else(|| wrong("mail is off: set mail.transport".to_owned()))?;
    let sender = Sender::new(config).map_err(|_| wrong("configuration: 'mail.from' is not an address".to_owned()))?;
    let mail = Mail { to, locale: None, user_id: None, message: Message::Test };
    let sent = transport.send(&mail, &sender, &random::uuid(), Clock::system().now()).await;
    transport.close().await;
    sent.map_err(|unsent| match unsent {
        Unsent::Refused(failure) => Failure::failed(explain(failure)),
        Unsent::Unwritable(error) => Failure::failed(error),
    })?;
    output.answer(&Tested { sent: true, to: address }, |tested| format!("The mail server has taken a mail to {}.", tested.to))
}

/// What went wrong, and which key has to do with it.
pub(super) fn explain(failure: mail::Failure) -> String {
    let what = match failure.step {
        Step::Connect => {
            "there is no encrypted connection to the mail server: check mail.host, mail.port, mail.tls and, \
             if its authority is a private one, mail.ca_file"
        }
        Step::Login => "the mail server doesn't accept mail.username with this password",
        Step::Sender => "the mail server doesn't accept mail.from as the sender",
        Step::Recipient => "the mail server doesn't accept the recipient",
        Step::Content => "the mail server doesn't accept the mail",
    };
    format!("{what} ({failure})")
}
