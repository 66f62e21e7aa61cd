//! What each template is given: plain values, and nothing that could do anything.
//!
//! Every view is an Askama template of `templates/`; [`askama::Template::render`] makes its HTML. The names of fields and
//! buttons in the forms are in [`field`], for the handlers that read them.

use askama::Template;

use super::statics;
use super::text::Text;
use crate::web::redirect::local_path;

mod account;
mod client;
mod device;
mod factor;
mod fields;
mod passkey;
mod people;
mod requests;

pub use account::{
    Account, Activity, ActivityRow, Admin, Apps, ConnectedApp, Counts, Data, Delete, Deleted, DeletionProblem, LanguageChoice,
    Moment, OwnAddress, SessionRow, Sessions,
};
pub use client::{ClaimRow, ClientView, DetailRow, ResourceRow, ScopeRow, in_order, scope_sentence};
pub use device::{Device, DeviceEnded};
pub use factor::{AuthenticatorRow, Enrolment, EnrolmentProblem, Factor, FactorProblem, Reauthenticate, RecoveryCodes, Security};
pub use fields::Form;
pub use passkey::{NamePasskey, NewPasskey, NewPasskeyProblem, PasskeyForm, PasskeyRow, Passkeys, Password};
pub use people::{ChangeEmail, ChangePassword, Code, CodeKind, Recover, RecoverPassword, Register};
pub use requests::{RequestEnded, RequestRow, Requests};

/// Names of the form fields and the values of the buttons.
pub mod field {
    pub const CSRF: &str = "csrf";
    /// Where a logout leads, sealed.
    pub const DESTINATION: &str = "destination";
    /// The language to read the pages in, and the page to come back to.
    pub const LANGUAGE: &str = "to";
    pub const NEXT: &str = "next";
    /// The sealed authorization request.
    pub const FLOW: &str = "flow";
    /// The sealed login between two factors.
    pub const LOGIN: &str = "login";
    /// Of an authenticator app or a mail, or a recovery code.
    pub const CODE: &str = "code";
    /// The sealed secret of an authenticator app that is being set up.
    pub const ENROLMENT: &str = "enrolment";
    /// Where it goes on after a re-authentication.
    pub const TO: &str = "to";
    pub const USERNAME: &str = "username";
    /// The sealed challenge of a passkey, and what the browser gave for it.
    pub const PASSKEY_CHALLENGE: &str = "passkey_challenge";
    pub const CREDENTIAL: &str = "credential";
    /// The id of a passkey.
    pub const PASSKEY: &str = "passkey";
    /// In a URL: it has just been set up.
    pub const NEW: &str = "new";
    pub const PASSWORD: &str = "password";
    /// A proof of work: what was given out, and the number that solves it.
    pub const CHALLENGE: &str = "challenge";
    pub const SOLUTION: &str = "solution";
    /// The present one, asked for again.
    pub const CURRENT_PASSWORD: &str = "current_password";
    pub const EMAIL: &str = "email";
    /// Of a code that was mailed.
    pub const ID: &str = "id";
    /// The token of an invitation's link.
    pub const INVITATION: &str = "invitation";
    /// Ticked by whoever wants to stay logged in.
    pub const REMEMBER: &str = "remember";
    pub const PASSWORD_AGAIN: &str = "password_again";
    /// On the account selection: [`CONTINUE`] or [`ANOTHER`]. On the consent page: [`ALLOW`], [`DENY`] or [`ANOTHER`], which
    /// is the name of a parameter of the login page too.
    pub const DECISION: &str = "decision";
    pub const CONTINUE: &str = "continue";
    pub const ANOTHER: &str = "another";
    /// One more code.
    pub const AGAIN: &str = "again";
    pub const ALLOW: &str = "allow";
    pub const DENY: &str = "deny";
    /// Once for each scope value that is left ticked.
    pub const SCOPE: &str = "scope";
    /// What a device shows that wants to be connected.
    pub const USER_CODE: &str = "user_code";
    /// Which request of a client it is about.
    pub const REQUEST: &str = "request";
    /// The one-time token of the set-up link.
    pub const TOKEN: &str = "token";
    /// On the activity page: where it begins.
    pub const AFTER: &str = "after";
    /// What a session, or a passkey, is called.
    pub const NAME: &str = "name";
    /// On the sessions page: the session to end or to rename, or all [`OTHERS`].
    pub const SESSION: &str = "session";
    pub const OTHERS: &str = "others";
    /// On the account page: the client to shut out.
    pub const CLIENT: &str = "client_id";
}

/// What all pages have in common.
#[derive(Clone, Debug)]
pub struct Frame {
    pub text: Text,
    /// The issuer's path, empty or `/path` without a slash at its end.
    pub base: String,
    /// The issuer's host, which the reader can compare with the address bar.
    pub host: String,
    /// Of the response's Content-Security-Policy; scripts are left out when there is none.
    pub nonce: Option<String>,
    /// Path and query of this page, to come back to it; none where that can't be done.
    pub here: Option<String>,
    /// Names the request, for whoever asks for help with what is wrong.
    pub trace_id: Option<String>,
}

/// A language that the page can be read in.
#[derive(Clone, Debug)]
pub struct Language {
    /// BCP 47.
    pub tag: String,
    /// Its own name for itself.
    pub name: String,
    /// Where it is chosen.
    pub link: String,
}

impl Frame {
    /// The languages besides the present one.
    pub fn languages(&self) -> Vec<Language> {
        let Some(here) = self.here.as_deref().and_then(local_path) else { return Vec::new() };
        let others = Text::languages().into_iter().filter(|tag| *tag != self.text.language());
        let language = |tag: String| {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair(field::LANGUAGE, &tag)
                .append_pair(field::NEXT, here)
                .finish();
            let name = Text::wanted(Some(&tag), &tag).of("language-name");
            Language { name, link: self.link(&format!("/language?{query}")), tag }
        };
        others.map(language).collect()
    }

    pub fn asset(&self, name: &str) -> String {
        statics::path(&self.base, name)
    }

    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Why the login page is shown once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// A passkey was not taken, whatever was wrong with it.
    Passkey,
    /// Whatever was wrong: the page doesn't tell an unknown name from a wrong password or a disabled person.
    Refused,
    /// The form was open for too long, or its CSRF token doesn't fit.
    Stale,
    /// Too many logins at once.
    Overloaded,
    /// So many wrong codes came after the password that the login begins again.
    TooManyCodes,
    /// A proof of work was missing: nothing was looked at.
    Challenge,
}

impl LoginProblem {
    fn id(self) -> &'static str {
        match self {
            Self::Passkey => "login-passkey-refused",
            Self::Refused => "login-refused",
            Self::Stale => "form-stale",
            Self::Overloaded => "login-overloaded",
            Self::TooManyCodes => "login-too-many-codes",
            Self::Challenge => "login-challenge",
        }
    }
}

/// A proof of work in a form: `templates/proof_of_work.html`, to be included where the form has a `challenge`.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub text: String,
    /// Where the script gets a new one.
    pub renew: String,
    /// Seconds that who has no script waits instead.
    pub wait: i64,
    /// It is solved without a word: nobody asked for it yet.
    pub quiet: bool,
}

impl Challenge {
    #[must_use]
    pub fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }
}

/// Sign-in name and password.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct Login {
    pub frame: Frame,
    /// The client that the person comes from; none when they log in to their own account page.
    pub client: Option<ClientView>,
    /// Somebody is logged in already and has to show that it is still them.
    pub again: bool,
    /// What the field is filled with: what was typed before, or `login_hint`.
    pub sign_in_name: String,
    pub problem: Option<LoginProblem>,
    /// The proof of work that is asked for.
    pub challenge: Option<Challenge>,
    /// Whether "stay logged in" is ticked; nothing where it isn't offered.
    pub remember: Option<bool>,
    pub action: String,
    pub csrf: String,
    pub flow: Option<String>,
    /// Where somebody without an account gets one.
    pub register: Option<String>,
    /// Where somebody without their password gets another one.
    pub recover: Option<String>,
    /// Nothing where there are no passkeys.
    pub passkey: Option<PasskeyForm>,
}

impl Login {
    fn title(&self) -> String {
        let text = self.frame.text;
        self.client.as_ref().map_or_else(|| text.of("login-title"), |client| text.with("login-title-for", "client", &client.name))
    }

    /// The fields are marked as wrong only when it was they that were refused.
    fn is_refused(&self) -> bool {
        self.problem == Some(LoginProblem::Refused)
    }
}

/// `prompt=select_account` (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Debug, Template)]
#[template(path = "select_account.html")]
pub struct SelectAccount {
    pub frame: Frame,
    pub client: ClientView,
    /// Who is logged in.
    pub sign_in_name: String,
    pub action: String,
    pub csrf: String,
    pub flow: String,
}

/// May this client do that? (OpenID Connect Core §3.1.2.4)
#[derive(Clone, Debug, Template)]
#[template(path = "consent.html")]
pub struct Consent {
    pub frame: Frame,
    pub client: ClientView,
    /// Who is logged in.
    pub sign_in_name: String,
    /// Where the browser goes afterwards: the host of the redirect URI, or its scheme.
    pub return_to: String,
    /// A program on the person's own device, which nobody here knows, is given the answer.
    pub on_this_device: bool,
    /// The code that a device shows which is being connected: nobody is sent back anywhere then.
    pub device: Option<String>,
    /// A client asks this very person, who is elsewhere: nobody is sent back anywhere then.
    pub asked: bool,
    /// What it says that it is about.
    pub binding_message: Option<String>,
    pub scopes: Vec<ScopeRow>,
    /// Asked for by the `claims` parameter.
    pub claims: Vec<ClaimRow>,
    /// Where the client will use what it is given, if it says so.
    pub resources: Vec<ResourceRow>,
    /// What it asks for in detail.
    pub details: Vec<DetailRow>,
    pub action: String,
    pub csrf: String,
    pub flow: String,
}

/// The person's request goes no further.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct Error {
    pub frame: Frame,
    pub status: u16,
    pub title: String,
    pub text: String,
    /// What to tell an administrator; the log has the cause under it.
    pub trace_id: String,
    /// Where the reader may begin again.
    pub go_on: Option<String>,
}

/// An error for an application that registered itself: its person decides whether to go there with it.
#[derive(Clone, Debug, Template)]
#[template(path = "answer_by_hand.html")]
pub struct AnswerByHand {
    pub frame: Frame,
    pub place: String,
    pub error: String,
    pub next: String,
}

/// Posts an authorization response to the client (Form Post Response Mode §2).
#[derive(Clone, Debug, Template)]
#[template(path = "form_post.html")]
pub struct FormPost {
    pub frame: Frame,
    pub action: String,
    pub fields: Vec<(String, String)>,
}

/// The first administrator chooses a name and a password.
#[derive(Clone, Debug, Template)]
#[template(path = "setup.html")]
pub struct Setup {
    pub frame: Frame,
    pub form: Form,
    pub sign_in_name: String,
    pub token: String,
}

/// Shall the session end?
#[derive(Clone, Debug, Template)]
#[template(path = "logout.html")]
pub struct LogoutConfirm {
    pub frame: Frame,
    pub sign_in_name: String,
    pub action: String,
    pub csrf: String,
    /// Where the browser goes afterwards, sealed; and what of it the reader is shown.
    pub destination: Option<String>,
    pub place: Option<String>,
}

/// The session has ended.
#[derive(Clone, Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    pub frame: Frame,
    /// URLs at which applications log out, each in a frame.
    pub frames: Vec<String>,
    /// Where it goes on, once they have.
    pub next: Option<String>,
}
