//! The start pages: a person's own, and the administrator's.

use askama::Template;

use super::{Frame, ResourceRow};
use crate::pages::account::nav::Nav;
use crate::protocol::authentication::Enrolled;
use crate::protocol::time::Timestamp;

/// A person's own start page.
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct Account {
    pub frame: Frame,
    pub nav: Nav,
    pub sign_in_name: String,
    pub roles: Vec<String>,
    pub email: Option<OwnAddress>,
    /// Whether mail is sent: without it no address can be proved.
    pub mail: bool,
    /// The account was to be deleted until this login.
    pub stays: bool,
    /// What protects the account.
    pub enrolled: Enrolled,
    /// Browsers that are logged in.
    pub sessions: i64,
    pub apps: i64,
    /// Applications that wait for an answer.
    pub requests: i64,
    /// The latest.
    pub activity: Vec<ActivityRow>,
    pub csrf: String,
}

impl Account {
    const fn is_asked_for(&self) -> bool {
        self.requests > 0
    }
}

/// A person's own address.
#[derive(Clone, Debug)]
pub struct OwnAddress {
    pub address: String,
    pub verified: bool,
}

/// Where a person is logged in.
#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct Sessions {
    pub frame: Frame,
    pub nav: Nav,
    pub sessions: Vec<SessionRow>,
    pub csrf: String,
}

impl Sessions {
    /// There is something to log out besides this browser.
    fn has_others(&self) -> bool {
        self.sessions.iter().any(|session| !session.current)
    }
}

/// One browser that is logged in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    /// `Firefox on Linux`, in the reader's language.
    pub device: String,
    /// What its person calls it.
    pub name: Option<String>,
    /// An IPv4 address, or the network of an IPv6 address.
    pub network: String,
    /// What the login was made of; empty when nothing is known.
    pub methods: String,
    pub remembered: bool,
    pub logged_in_at: Moment,
    pub last_seen_at: Moment,
    /// The one that asks.
    pub current: bool,
}

impl SessionRow {
    /// What it is called in the list.
    fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.device)
    }
}

/// The applications that act on a person's behalf.
#[derive(Clone, Debug, Template)]
#[template(path = "apps.html")]
pub struct Apps {
    pub frame: Frame,
    pub nav: Nav,
    pub apps: Vec<ConnectedApp>,
    pub csrf: String,
}

/// One client that the person has let in.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    pub client_id: String,
    /// Where it begins a login.
    pub open: Option<String>,
    pub name: String,
    /// What it may do, as sentences.
    pub may: Vec<String>,
    /// Where, if it named that.
    pub resources: Vec<ResourceRow>,
    pub since: Moment,
    /// When it last got tokens.
    pub last_used: Option<Moment>,
}

/// What happened to the account.
#[derive(Clone, Debug, Template)]
#[template(path = "activity.html")]
pub struct Activity {
    pub frame: Frame,
    pub nav: Nav,
    pub rows: Vec<ActivityRow>,
    /// Nothing newer is on another page.
    pub is_first: bool,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// What happened, in words.
    pub sentence: String,
    pub succeeded: bool,
    /// It took back that the account is deleted.
    pub takes_back_deletion: bool,
    pub at: Moment,
    /// The application that it was about.
    pub client: Option<String>,
    /// Who did it, when it was not the person.
    pub by: Option<String>,
    pub network: Option<String>,
    /// More than once when repeats were folded into one.
    pub count: i64,
}

/// The language of pages and mails.
#[derive(Clone, Debug, Template)]
#[template(path = "language.html")]
pub struct LanguageChoice {
    pub frame: Frame,
    pub nav: Nav,
    /// Each by its own name, with its tag.
    pub languages: Vec<(String, String)>,
    pub csrf: String,
}

/// A copy of everything, and the way out.
#[derive(Clone, Debug, Template)]
#[template(path = "data.html")]
pub struct Data {
    pub frame: Frame,
    pub nav: Nav,
    /// How long a deletion can be taken back; 0: not at all.
    pub grace_days: i64,
    pub csrf: String,
}

impl Data {
    const fn has_grace(&self) -> bool {
        self.grace_days > 0
    }
}

/// Why the account is not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionProblem {
    /// Not the sign-in name was typed.
    Name,
    LastAdministrator,
}

impl DeletionProblem {
    const fn id(self) -> &'static str {
        match self {
            Self::Name => "delete-name-differs",
            Self::LastAdministrator => "delete-last-administrator",
        }
    }
}

/// Sure?
#[derive(Clone, Debug, Template)]
#[template(path = "delete.html")]
pub struct Delete {
    pub frame: Frame,
    pub sign_in_name: String,
    pub grace_days: i64,
    pub problem: Option<DeletionProblem>,
    pub csrf: String,
}

impl Delete {
    const fn has_grace(&self) -> bool {
        self.grace_days > 0
    }
}

/// It was done, or will be.
#[derive(Clone, Debug, Template)]
#[template(path = "deleted.html")]
pub struct Deleted {
    pub frame: Frame,
    /// Until then a login takes it back.
    pub due: Option<Moment>,
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
