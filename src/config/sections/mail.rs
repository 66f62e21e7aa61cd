//! How mail is sent.

use std::path::PathBuf;

use crate::config::{Secret, section};

section! {
    /// Mail. Without it nobody can register or recover an account by e-mail, and nobody is told about changes of their account.
    MailConfig {
        /// `off`, `smtp`, or `log`, which prints mails with their codes on standard error: for development.
        transport: MailTransport = MailTransport::Off;
        /// The sender: `no-reply@example.org` or `Example <no-reply@example.org>`.
        from: String = String::new();
        /// The SMTP server's host name; its certificate must be for it.
        host: String = String::new();
        /// Its port; 587 for `starttls`, 465 for `tls`, 25 for `none` when 0.
        port: u16 = 0;
        /// `starttls` (required, not merely tried), `tls` (from the first byte), or `none` (for a server on this machine only).
        tls: MailTls = MailTls::Starttls;
        /// PEM file with the certificates of authorities to trust instead of the public ones.
        ca_file: PathBuf = PathBuf::new();
        /// User name at the SMTP server; none when empty.
        username: String = String::new();
        /// Password at the SMTP server.
        password: Secret = Secret::default();
        /// File whose first line is the password.
        password_file: PathBuf = PathBuf::new();
        /// Seconds that the SMTP server may take for each step.
        timeout: u64 = 20;
    }
}

/// How mail leaves the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTransport {
    Off,
    Log,
    Smtp,
}

/// How the connection to the SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// RFC 3207, required.
    Starttls,
    /// RFC 8314 §3.
    Tls,
    None,
}

impl MailConfig {
    /// Whether mail is sent at all: what needs it is not offered otherwise.
    pub fn is_on(&self) -> bool {
        self.transport != MailTransport::Off
    }
}
