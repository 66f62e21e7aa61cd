//! The start pages: a person's own, and the administrator's.

use askama::Template;

use super::Frame;
use crate::protocol::time::Timestamp;

/// A person's own start page.
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct Account {
    pub frame: Frame,
    pub sign_in_name: String,
    pub roles: Vec<String>,
    /// Has a role that leads to the administrator's page.
    pub is_administrator: bool,
    pub email: Option<OwnAddress>,
    /// Whether mail is sent: without it no address can be proved.
    pub mail: bool,
    pub sessions: Vec<SessionRow>,
    pub apps: Vec<ConnectedApp>,
    pub csrf: String,
}

impl Account {
    /// There is something to log out besides this browser.
    fn has_other_sessions(&self) -> bool {
        self.sessions.iter().any(|session| !session.current)
    }
}

/// A person's own address.
#[derive(Clone, Debug)]
pub struct OwnAddress {
    pub address: String,
    pub verified: bool,
}

/// One browser that is logged in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    /// `Firefox on Linux`, made of the User-Agent field; empty when it says nothing.
    pub device: String,
    pub address: String,
    pub last_seen_at: Moment,
    /// The one that asks.
    pub current: bool,
}

/// One client that the person has let in.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    pub client_id: String,
    pub name: String,
    /// What it may do, as sentences.
    pub may: Vec<String>,
    pub since: Moment,
}

/// The administrator's start page.
#[derive(Clone, Debug, Template)]
#[template(path = "admin.html")]
pub struct Admin {
    pub frame: Frame,
    pub issuer: String,
    pub count: Counts,
}

/// How many there are; nothing where the reader may not know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub users: Option<i64>,
    pub clients: Option<i64>,
    /// Browsers that are logged in.
    pub sessions: Option<i64>,
    pub keys: Option<i64>,
}

impl Counts {
    /// Id, message and number of those that are shown.
    fn shown(self) -> Vec<(&'static str, &'static str, i64)> {
        let all = [
            ("users", "admin-users", self.users),
            ("clients", "admin-clients", self.clients),
            ("sessions", "admin-sessions", self.sessions),
            ("keys", "admin-keys", self.keys),
        ];
        all.into_iter().filter_map(|(id, label, number)| Some((id, label, number?))).collect()
    }
}

/// A point in time, for a `<time>` element.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// `2026-11-22 03:18 UTC`: the same in every language, and what a page without JavaScript shows.
    pub(super) fn readable(self) -> String {
        let machine = self.machine_readable();
        let (day, rest) = machine.split_once('T').unwrap_or((&machine, ""));
        format!("{day} {} UTC", rest.get(..5).unwrap_or_default())
    }

    /// For the `datetime` attribute (RFC 3339).
    pub(super) fn machine_readable(self) -> String {
        time::OffsetDateTime::from_unix_timestamp(self.0.as_seconds())
            .ok()
            .and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_utc_to_the_minute() {
        let time = Moment(Timestamp::from_seconds(1_795_317_500));
        assert_eq!(time.machine_readable(), "2026-11-22T03:18:20Z");
        assert_eq!(time.readable(), "2026-11-22 03:18 UTC");
    }
}
