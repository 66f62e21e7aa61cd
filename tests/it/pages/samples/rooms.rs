//! A person's own pages.

use ostiary::pages::account::nav::{Nav, Place};
use ostiary::pages::view::{
    Account, Activity, ActivityRow, Apps, ConnectedApp, Data, Delete, Deleted, DeletionProblem, Frame, LanguageChoice, Moment,
    OwnAddress, RequestEnded, RequestRow, Requests, ResourceRow, SessionRow, Sessions,
};
use ostiary::protocol::authentication::Enrolled;
use ostiary::protocol::time::Timestamp;

use super::{DynRender, HOSTILE};

const AT: Moment = Moment(Timestamp::from_seconds(1_795_317_500));

pub fn nav(place: Place) -> Nav {
    Nav { place, is_administrator: true }
}

pub fn add(frame: &Frame, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let account = account(frame.clone());
    add("account", &account);
    let bare = Account {
        nav: Nav { is_administrator: false, ..account.nav },
        roles: Vec::new(),
        email: None,
        stays: false,
        enrolled: Enrolled::default(),
        sessions: 1,
        apps: 0,
        requests: 0,
        activity: Vec::new(),
        ..account.clone()
    };
    add("account-bare", &bare);
    let sessions = Sessions { frame: frame.clone(), nav: nav(Place::Sessions), sessions: sessions(), csrf: "c".to_owned() };
    add("sessions", &sessions);
    add("sessions-alone", &Sessions { sessions: sessions.sessions[..1].to_vec(), ..sessions });
    let app = |client_id: &str, name: &str, last_used| ConnectedApp {
        client_id: client_id.to_owned(),
        open: Some("https://printer.example/login?iss=https%3A%2F%2Fid.example.org".to_owned())
            .filter(|_| client_id == "printer"),
        name: name.to_owned(),
        may: vec!["See your e-mail address".to_owned(), HOSTILE.to_owned()],
        resources: vec![
            ResourceRow { name: Some(HOSTILE.to_owned()), identifier: "https://photos.example/api".to_owned() },
            ResourceRow { name: None, identifier: "https://print.example/".to_owned() },
        ],
        since: Moment(Timestamp::from_seconds(1_790_000_000)),
        last_used,
    };
    let list = vec![app("printer", "Photo Printer", Some(AT)), app("evil", HOSTILE, None)];
    let apps = Apps { frame: frame.clone(), nav: nav(Place::Apps), apps: list, csrf: "c".to_owned() };
    add("apps", &apps);
    add("apps-none", &Apps { apps: Vec::new(), ..apps });
    let request = |id: &str, client: &str, binding_message: Option<&str>| RequestRow {
        client: client.to_owned(),
        binding_message: binding_message.map(str::to_owned),
        asked_at: AT,
        request: id.repeat(43),
    };
    let list = vec![request("a", "Call centre", Some("W4SCT")), request("b", HOSTILE, Some(HOSTILE)), request("c", "Till", None)];
    let requests = Requests { frame: frame.clone(), nav: nav(Place::Requests), requests: list };
    add("requests", &requests);
    add("requests-none", &Requests { requests: Vec::new(), ..requests });
    add("request-allowed", &RequestEnded { frame: frame.clone(), allowed: true });
    add("request-denied", &RequestEnded { frame: frame.clone(), allowed: false });
    let activity =
        Activity { frame: frame.clone(), nav: nav(Place::Activity), rows: rows(), is_first: false, next: Some("0".repeat(36)) };
    add("activity", &activity);
    add("activity-none", &Activity { rows: Vec::new(), is_first: true, next: None, ..activity });
    let languages = [("English", "en"), ("Français", "fr")].map(|(name, tag)| (name.to_owned(), tag.to_owned())).to_vec();
    add("language", &LanguageChoice { frame: frame.clone(), nav: nav(Place::Language), languages, csrf: "c".to_owned() });
    let data = Data { frame: frame.clone(), nav: nav(Place::Data), grace_days: 14, csrf: "c".to_owned() };
    add("data", &data);
    add("data-at-once", &Data { grace_days: 0, ..data });
    let delete =
        Delete { frame: frame.clone(), sign_in_name: HOSTILE.to_owned(), grace_days: 14, problem: None, csrf: "c".to_owned() };
    add("delete", &delete);
    add("delete-problem", &Delete { problem: Some(DeletionProblem::Name), grace_days: 0, ..delete });
    add("deletion-scheduled", &Deleted { frame: frame.clone(), due: Some(AT) });
    add("deleted", &Deleted { frame: frame.clone(), due: None });
}

fn account(frame: Frame) -> Account {
    Account {
        frame,
        nav: nav(Place::Overview),
        sign_in_name: "alice@example.org".to_owned(),
        roles: vec!["admin".to_owned(), "support".to_owned()],
        email: Some(OwnAddress { address: "alice@example.org".to_owned(), verified: false }),
        mail: true,
        stays: true,
        enrolled: Enrolled { password: true, totp: true, recovery_codes: true, passkeys: true },
        sessions: 3,
        apps: 2,
        requests: 1,
        activity: rows(),
        csrf: "c".to_owned(),
    }
}

fn sessions() -> Vec<SessionRow> {
    let session = |id: &str, device: &str, name: Option<&str>, current: bool| SessionRow {
        id: id.to_owned(),
        device: device.to_owned(),
        name: name.map(str::to_owned),
        network: "2001:db8:85a3:12::/64".to_owned(),
        methods: "Password + Code".to_owned(),
        remembered: current,
        logged_in_at: AT,
        last_seen_at: AT,
        current,
    };
    vec![
        session("s1", "Firefox on Linux", None, true),
        session("s2", "Chrome on Android", Some("My telephone in the kitchen"), false),
        session("s3", "Unknown browser", Some(HOSTILE), false),
    ]
}

fn rows() -> Vec<ActivityRow> {
    let row = |sentence: &str, succeeded, client: Option<&str>, by: Option<&str>, count| ActivityRow {
        sentence: sentence.to_owned(),
        succeeded,
        takes_back_deletion: false,
        at: AT,
        client: client.map(str::to_owned),
        by: by.map(str::to_owned),
        network: Some("192.0.2.7".to_owned()),
        count,
    };
    vec![
        row("Logged in", true, None, None, 1),
        row("A login failed", false, None, None, 12),
        row("You allowed an application access", true, Some(HOSTILE), None, 1),
        row("Roles were changed", true, None, Some("by an administrator"), 1),
    ]
}
