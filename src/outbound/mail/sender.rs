//! Who a mail is from, and how it leaves the server.

use std::io::Write;

use lettre::message::Mailbox;
use lettre::{Address, address::AddressError};
use url::Url;

use super::letter::Letter;
use super::smtp::{Smtp, SmtpError};
use super::{Failure, LetterError, Mail, compose};
use crate::config::{Config, MailTransport};
use crate::protocol::time::Timestamp;
use crate::text::Text;

/// What stands in every mail. All of it comes from the configuration, none of it from a request.
#[derive(Clone, Debug)]
pub struct Sender {
    pub from: Mailbox,
    pub issuer: String,
    /// As the reader sees it in the address bar.
    pub host: String,
    /// The language for readers who want none that there is.
    pub default_locale: String,
}

impl Sender {
    pub fn new(config: &Config) -> Result<Self, AddressError> {
        let issuer = Url::parse(&config.server.issuer).ok();
        let name = issuer.as_ref().and_then(Url::host_str).unwrap_or("localhost");
        let host = issuer.as_ref().and_then(Url::port).map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        // Where nothing is configured mails go to the terminal alone.
        let from = match config.mail.from.as_str() {
            "" => Mailbox::new(None, Address::new("no-reply", "localhost")?),
            from => from.parse()?,
        };
        Ok(Self { from, issuer: config.server.issuer.clone(), host, default_locale: config.server.default_locale.clone() })
    }
}

/// The way out.
#[derive(Debug)]
pub enum Transport {
    /// Standard error: for development.
    Log,
    Smtp(Box<Smtp>),
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    #[error("{0}")]
    Refused(Failure),
    #[error(transparent)]
    Unwritable(#[from] LetterError),
}

impl Transport {
    /// The configured one; none when mail is off.
    pub fn new(config: &Config) -> Result<Option<Self>, SmtpError> {
        Ok(match config.mail.transport {
            MailTransport::Off => None,
            MailTransport::Log => Some(Self::Log),
            MailTransport::Smtp => Some(Self::Smtp(Box::new(Smtp::new(&config.mail)?))),
        })
    }

    /// Sends one mail. `id` and `created_at` are those of its row.
    pub async fn send(&self, mail: &Mail, sender: &Sender, id: &str, created_at: Timestamp) -> Result<(), Unsent> {
        match self {
            Self::Log => {
                let letter = Letter::new(&mail.message, Text::wanted(mail.locale.as_deref(), &sender.default_locale), sender);
                print(mail, &letter).map_err(LetterError::from)?;
                Ok(())
            }
            Self::Smtp(smtp) => {
                let (to, bytes) = compose(mail, sender, id, created_at)?;
                smtp.send(&sender.from.email, &to, &bytes).await.map_err(Unsent::Refused)
            }
        }
    }

    /// Whether the mail server lets us in. Nothing is sent.
    pub async fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Log => Ok(()),
            Self::Smtp(smtp) => smtp.check().await,
        }
    }

    /// Ends what is open.
    pub async fn close(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}

/// In one piece, past the log: that never shows a code.
fn print(mail: &Mail, letter: &Letter) -> Result<(), askama::Error> {
    let text = format!("\n--- Mail to {} ---\nSubject: {}\n\n{}\n---\n\n", mail.to.as_str(), letter.subject, letter.plain()?);
    // Nobody reads it then.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    Ok(())
}
