//! How a message reads: subject, text and HTML, in the reader's language.

use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::message::{Factor, Message};
use super::{Mail, Sender};
use crate::authn::device::in_words;
use crate::protocol::time::Timestamp;
use crate::text::Text;

/// The most characters of something that a person named, such as a passkey.
const MAX_NAME: usize = 100;

/// A letter, in words.
#[derive(Debug, Template)]
#[template(path = "mail/letter.html")]
pub struct Letter {
    text: Text,
    issuer: String,
    pub subject: String,
    /// What happened, or what to do.
    lead: String,
    code: Option<String>,
    details: Vec<(String, String)>,
    /// Words and address. Nothing happens when it is opened: mail scanners do that.
    link: Option<(String, String)>,
    /// What else the reader should know.
    after: String,
}

/// The same as plain text.
#[derive(Debug, Template)]
#[template(path = "mail/letter.txt")]
struct PlainLetter<'l> {
    letter: &'l Letter,
}

/// A mail that can't be written: a mistake of ours.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error("a template of a mail: {0}")]
    Template(#[from] askama::Error),
    #[error("an address that mail can't be sent to")]
    Address(#[from] lettre::address::AddressError),
    #[error("a mail's form: {0}")]
    Form(#[from] lettre::error::Error),
}

impl Letter {
    /// The letter in this language, from the server that `sender` tells about.
    pub fn new(message: &Message, text: Text, sender: &Sender) -> Self {
        let kind = message.kind().replace('_', "-");
        let mut arguments = vec![("host", sender.host.clone())];
        let mut details = Vec::new();
        let mut count = None;
        match message {
            Message::EmailChanged { new_address } => arguments.push(("address", one_line(new_address))),
            Message::NewDevice { device, address, at } => {
                details.push((text.of("mail-device"), in_words(device, text)));
                details.push((text.of("mail-address"), one_line(address)));
                details.push((text.of("mail-time"), readable(*at)));
            }
            Message::FactorAdded { what } | Message::FactorRemoved { what } => arguments.extend(factor(what)),
            Message::Asked { client, binding_message, .. } => {
                details.push((text.of("mail-application"), one_line(client)));
                details.extend(binding_message.iter().map(|said| (text.of("mail-binding-message"), one_line(said))));
            }
            Message::RecoveryCodeUsed { left } => count = Some(i64::from(*left)),
            Message::PasskeySuspicious { name } => arguments.push(("name", one_line(name))),
            Message::DeletionScheduled { due } => arguments.push(("date", readable(*due))),
            _ => {}
        }
        let of = |part: &str| text.with_all(&format!("mail-{kind}{part}"), &arguments, count);
        Self {
            subject: of(""),
            lead: of(".text"),
            after: of(".after"),
            code: code(message).map(str::to_owned),
            link: link(message, text, sender),
            details,
            issuer: sender.issuer.clone(),
            text,
        }
    }

    /// As plain text.
    pub fn plain(&self) -> Result<String, askama::Error> {
        PlainLetter { letter: self }.render()
    }
}

/// The whole mail with its header (RFC 5322), and the address that it goes to. `id` makes its Message-ID: the same mail sent
/// twice can be recognised.
pub fn compose(mail: &Mail, sender: &Sender, id: &str, created_at: Timestamp) -> Result<(Address, Vec<u8>), LetterError> {
    let letter = Letter::new(&mail.message, Text::wanted(mail.locale.as_deref(), &sender.default_locale), sender);
    let (local, domain) = mail.to.mailbox();
    let to = Address::new(local, domain)?;
    let micros = u64::try_from(created_at.as_micros()).unwrap_or_default();
    let message = lettre::Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(format!("<{id}@{}>", sender.from.email.domain())))
        .subject(letter.subject.as_str())
        // No out-of-office replies (RFC 3834 §5).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(letter.plain()?, letter.render()?))?;
    Ok((to, message.formatted()))
}

fn code(message: &Message) -> Option<&str> {
    match message {
        Message::RegisterCode { code }
        | Message::VerifyEmail { code }
        | Message::ChangeEmail { code }
        | Message::ResetPassword { code } => Some(code),
        _ => None,
    }
}

fn link(message: &Message, text: Text, sender: &Sender) -> Option<(String, String)> {
    match message {
        Message::Invitation { link } => Some((text.of("mail-link-register"), link.to_string())),
        Message::AccountExists | Message::NoPassword => Some((text.of("mail-link-login"), format!("{}/login", sender.issuer))),
        Message::Asked { request, .. } => {
            Some((text.of("mail-link-request"), format!("{}/account/requests?request={request}", sender.issuer)))
        }
        Message::Test | Message::AccountDeleted => None,
        _ if code(message).is_some() => None,
        _ => Some((text.of("mail-link-account"), format!("{}/account", sender.issuer))),
    }
}

/// Arguments for the sentence: which kind, and its name.
fn factor(what: &Factor) -> Vec<(&'static str, String)> {
    match what {
        Factor::Totp => vec![("what", "totp".to_owned()), ("name", String::new())],
        Factor::RecoveryCodes => vec![("what", "recovery-codes".to_owned()), ("name", String::new())],
        Factor::Passkey { name } => vec![("what", "passkey".to_owned()), ("name", one_line(name))],
    }
}

/// What a person named, without anything that could look like more than a name.
fn one_line(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MAX_NAME).collect()
}

/// `2026-11-22 03:18 UTC`, as on the pages.
fn readable(at: Timestamp) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(at.as_seconds()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{} {:02}:{:02} UTC", time.date(), time.hour(), time.minute())
}
