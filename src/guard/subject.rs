//! Who is about to do something.

use std::net::IpAddr;

use super::limit::Key;

/// Who is about to do something: whatever the rows of the action count by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub(super) address: IpAddr,
    account: Option<&'a str>,
    client: Option<&'a str>,
    session: Option<&'a str>,
    mail_domain: Option<&'a str>,
    token: Option<&'a str>,
    device: Option<&'a [u8; 32]>,
}

impl<'a> Subject<'a> {
    pub const fn new(address: IpAddr) -> Self {
        Self { address, account: None, client: None, session: None, mail_domain: None, token: None, device: None }
    }

    /// The person's id, or the canonical name that was typed where nobody has it.
    #[must_use]
    pub const fn account(self, account: &'a str) -> Self {
        Self { account: Some(account), ..self }
    }

    /// The client's identifier, as it was presented.
    #[must_use]
    pub const fn client(self, client: &'a str) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Whatever names the login under way.
    #[must_use]
    pub const fn session(self, session: &'a str) -> Self {
        Self { session: Some(session), ..self }
    }

    /// In lower case.
    #[must_use]
    pub const fn mail_domain(self, domain: &'a str) -> Self {
        Self { mail_domain: Some(domain), ..self }
    }

    /// An access token, or a session's secret.
    #[must_use]
    pub const fn token(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The account at a device that is known for it ([`super::Guard::known_device`]): it is counted apart from what others do at
    /// the account.
    #[must_use]
    pub const fn device(self, device: Option<&'a [u8; 32]>) -> Self {
        Self { device, ..self }
    }

    /// What a row counts by. Who leaves a part out shares one bucket with all who do.
    pub(super) fn part(&self, key: Key) -> &'a [u8] {
        let part = match key {
            Key::Address | Key::Everybody => Some(""),
            Key::Account if self.device.is_some() => return self.device.map_or(b"", |device| device),
            Key::Account => self.account,
            Key::Client | Key::ClientAndAddress => self.client,
            Key::Session => self.session,
            Key::MailDomain => self.mail_domain,
            Key::Token => self.token,
        };
        debug_assert!(part.is_some(), "the subject has no {key:?}");
        part.unwrap_or_default().as_bytes()
    }
}
