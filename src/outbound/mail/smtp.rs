//! The way to the SMTP server (RFC 5321; STARTTLS RFC 3207; TLS RFC 8314).
//!
//! Step by step instead of through lettre's transport, because what a refusal means depends on the step: one at the login is
//! the operator's trouble, one at the recipient ends that mail.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout};

use crate::config::{MailConfig, MailTls};

/// Connections that are kept for the next mail.
const MAX_IDLE: usize = 4;

/// How long: shorter than servers wait.
const IDLE: Duration = Duration::from_secs(30);

/// Why there is no way to the SMTP server, found out at the start.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    #[error("configuration: 'mail.password_file' can't be read: {0}")]
    Password(io::Error),
    #[error("configuration: 'mail.password_file' is empty")]
    NoPassword,
    #[error("configuration: 'mail.ca_file' can't be read: {0}")]
    Authorities(io::Error),
    #[error("configuration: 'mail.ca_file' holds no certificates in PEM form")]
    NoAuthorities,
    #[error("configuration: 'mail.host' can't be used with TLS")]
    Host,
}

/// Where in the conversation something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Connect,
    Login,
    Sender,
    Recipient,
    Content,
}

/// Why a mail was not taken. Says nothing of the mail: it goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub step: Step,
    /// The server's reply (RFC 5321 §4.2.1); none when it gave none.
    pub code: Option<u16>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The server doesn't work, for this mail or any other.
    ServerDown,
    /// This mail not now.
    Later,
    /// This mail never.
    Refused,
}

impl Failure {
    pub const fn consequence(self) -> Consequence {
        match (self.step, self.code) {
            // The service is closing down (RFC 5321 §3.8), or the connection has ended.
            (Step::Connect | Step::Login | Step::Sender, _) | (_, None | Some(421)) => Consequence::ServerDown,
            (Step::Recipient | Step::Content, Some(500..)) => Consequence::Refused,
            (Step::Recipient | Step::Content, Some(_)) => Consequence::Later,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Connect => "connect",
            Step::Login => "login",
            Step::Sender => "sender",
            Step::Recipient => "recipient",
            Step::Content => "content",
        };
        match self.code {
            Some(code) => write!(formatter, "{step}: {code}"),
            None => write!(formatter, "{step}: no answer"),
        }
    }
}

/// An SMTP server, and the open connections to it.
pub struct Smtp {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

enum Protection {
    Starttls(TlsParameters),
    Tls(TlsParameters),
    None,
}

impl Smtp {
    pub fn new(config: &MailConfig) -> Result<Self, SmtpError> {
        let (protection, port) = match config.tls {
            MailTls::Starttls => (Protection::Starttls(tls(config)?), 587),
            MailTls::Tls => (Protection::Tls(tls(config)?), 465),
            MailTls::None => (Protection::None, 25),
        };
        Ok(Self {
            host: config.host.clone(),
            port: if config.port == 0 { port } else { config.port },
            protection,
            credentials: credentials(config)?,
            hello: ClientId::default(),
            timeout: Duration::from_secs(config.timeout),
            idle: Mutex::default(),
        })
    }

    /// Hands the server one mail. `Ok`: it has taken it on itself.
    pub async fn send(&self, from: &Address, to: &Address, mail: &[u8]) -> Result<(), Failure> {
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let result = self.hand_over(&mut connection, from, to, mail).await;
        // After a reply, good or bad, the conversation goes on; after none, or a farewell, it is over.
        if result.as_ref().err().is_none_or(|failure| failure.code.is_some_and(|code| code != 421)) {
            self.keep(connection);
        }
        result
    }

    /// Connects and logs in, and sends nothing.
    pub async fn check(&self) -> Result<(), Failure> {
        let connection = self.connect().await?;
        self.keep(connection);
        Ok(())
    }

    /// Ends the idle connections politely.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for (mut connection, _) in idle {
            // It is gone either way.
            let _ = timeout(self.timeout.min(Duration::from_secs(1)), connection.quit()).await;
        }
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &Address,
        mail: &[u8],
    ) -> Result<(), Failure> {
        let mut parameters = Vec::new();
        if !to.to_string().is_ascii() {
            // RFC 6531 §3.5: without it there is no way to this address.
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure { step: Step::Recipient, code: Some(553) });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.within(Step::Sender, connection.command(Mail::new(Some(from.clone()), parameters))).await?;
        self.within(Step::Recipient, connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        self.within(Step::Content, connection.command(Data)).await?;
        self.within(Step::Content, connection.message(mail)).await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let wrapped = match &self.protection {
            Protection::Tls(tls) => Some(tls.clone()),
            Protection::Starttls(_) | Protection::None => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            self.within_as(Step::Connect, AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapped, None)).await?;
        if let Protection::Starttls(tls) = &self.protection {
            // A server that doesn't offer it, or somebody in between who hides it, gets nothing.
            self.within(Step::Connect, connection.starttls(tls.clone(), &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            self.within(Step::Login, connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials)).await?;
        }
        Ok(connection)
    }

    /// A connection from before that still answers.
    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE && self.within(Step::Connect, connection.command(Rset)).await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    async fn within<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<(), Failure> {
        self.within_as(step, work).await.map(drop)
    }

    async fn within_as<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Failure> {
        let done = timeout(self.timeout, work).await.map_err(|_| Failure { step, code: None })?;
        done.map_err(|error| {
            tracing::debug!(?step, status = error.status().map(u16::from), tls = error.is_tls(), "the SMTP server refused");
            Failure { step, code: error.status().map(u16::from) }
        })
    }
}

fn tls(config: &MailConfig) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if !config.ca_file.as_os_str().is_empty() {
        let pem = fs::read(&config.ca_file).map_err(SmtpError::Authorities)?;
        // Read by hand too: an empty file is no certificate and no error there.
        let holds_one = pem.windows(27).any(|line| line == b"-----BEGIN CERTIFICATE-----");
        let authorities = Certificate::from_pem(&pem).ok().filter(|_| holds_one).ok_or(SmtpError::NoAuthorities)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    builder.build().map_err(|_| SmtpError::Host)
}

fn credentials(config: &MailConfig) -> Result<Option<Credentials>, SmtpError> {
    if config.username.is_empty() {
        return Ok(None);
    }
    let password = if config.password.is_empty() { first_line(&config.password_file)? } else { config.password.to_string() };
    Ok(Some(Credentials::new(config.username.clone(), password)))
}

fn first_line(file: &Path) -> Result<String, SmtpError> {
    let text = fs::read_to_string(file).map_err(SmtpError::Password)?;
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned).ok_or(SmtpError::NoPassword)
}

impl fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_a_mail_only_where_it_is_about_that_mail() {
        use Consequence::{Later, Refused, ServerDown};
        for (step, code, expected) in [
            (Step::Connect, None, ServerDown),
            (Step::Connect, Some(554), ServerDown),
            (Step::Login, Some(535), ServerDown),
            (Step::Sender, Some(550), ServerDown),
            (Step::Sender, Some(451), ServerDown),
            (Step::Recipient, Some(550), Refused),
            (Step::Recipient, Some(450), Later),
            (Step::Recipient, Some(421), ServerDown),
            (Step::Recipient, None, ServerDown),
            (Step::Content, Some(552), Refused),
            (Step::Content, Some(451), Later),
            (Step::Content, None, ServerDown),
        ] {
            assert_eq!(Failure { step, code }.consequence(), expected, "{step:?} {code:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, "\n").unwrap();
        let base = MailConfig { host: "mail.example".to_owned(), ..MailConfig::default() };
        let error = |config: MailConfig| Smtp::new(&config).unwrap_err().to_string();
        assert!(error(MailConfig { ca_file: "/nonexistent".into(), ..base.clone() }).contains("mail.ca_file"));
        assert!(error(MailConfig { ca_file: empty.clone(), ..base.clone() }).contains("holds no certificates"));
        let login = MailConfig { username: "ostiary".to_owned(), ..base };
        assert!(error(MailConfig { password_file: empty, ..login.clone() }).contains("is empty"));
        assert!(error(MailConfig { password_file: "/nonexistent".into(), ..login }).contains("mail.password_file"));
    }
}
