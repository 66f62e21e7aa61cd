//! Every page in every state worth looking at, some of them filled by somebody with bad intentions.

mod ends;
mod rooms;

use std::collections::BTreeMap;

use askama::Template;
use ostiary::account::Complaint;
use ostiary::authn::password::NewPasswordProblem;
use ostiary::authn::qr::QrCode;
use ostiary::pages::account::nav::Place;
use ostiary::pages::text::Text;
use ostiary::pages::view::{
    Admin, AuthenticatorRow, Challenge, ChangeEmail, ChangePassword, ClaimRow, ClientView, Code, CodeKind, Consent, Counts,
    DetailRow, Enrolment, EnrolmentProblem, Factor, FactorProblem, Form, Frame, Login, LoginProblem, Moment, NamePasskey,
    NewPasskey, NewPasskeyProblem, PasskeyForm, PasskeyRow, Passkeys, Password, Reauthenticate, Recover, RecoverPassword,
    RecoveryCodes, Register, ResourceRow, ScopeRow, Security, SelectAccount, Setup,
};
use ostiary::protocol::authentication::Offer;
use ostiary::protocol::time::Timestamp;

pub const NONCE: &str = "n0nce";
pub const HOSTILE: &str = "\"></form></script><img src=x onerror=alert(1)>\u{2028}<b>&amp;'";

/// Name and HTML of each, for an issuer without a path.
pub fn all() -> Vec<(String, String)> {
    under("")
}

/// The same below the path `base`.
pub fn under(base: &str) -> Vec<(String, String)> {
    rendered(base, Text::default())
}

fn select_account(frame: &Frame, action: String) -> SelectAccount {
    SelectAccount {
        frame: frame.clone(),
        client: client("Photo Printer"),
        sign_in_name: "alice@example.org".to_owned(),
        action,
        csrf: "c".to_owned(),
        flow: "f".to_owned(),
    }
}

/// The same in French.
pub fn french() -> Vec<(String, String)> {
    rendered("", Text::wanted(Some("fr"), "en"))
}

fn rendered(base: &str, text: Text) -> Vec<(String, String)> {
    let frame = Frame {
        text,
        base: base.to_owned(),
        host: "id.example.org".to_owned(),
        nonce: Some(NONCE.to_owned()),
        here: Some(format!("{base}/login?flow=a&b=c")),
        trace_id: None,
    };
    let mut pages = Vec::new();
    let mut add = |name: &str, template: &dyn DynRender| pages.push((name.to_owned(), template.html()));
    let action = |path: &str| format!("{base}{path}");

    let login = Login {
        frame: frame.clone(),
        client: Some(client("Photo Printer")),
        again: false,
        sign_in_name: String::new(),
        challenge: None,
        remember: Some(false),
        problem: None,
        action: action("/login"),
        csrf: "c".to_owned(),
        flow: Some("f".to_owned()),
        register: Some(action("/register?flow=f")),
        recover: Some(action("/recover?flow=f")),
        passkey: Some(passkey_form(action("/login/passkey"))),
    };
    add("login", &login);
    add("login-without-passkeys", &Login { passkey: None, ..login.clone() });
    let refused = Login { sign_in_name: "alice@example.org".to_owned(), problem: Some(LoginProblem::Refused), ..login.clone() };
    add("login-refused", &refused);
    let challenge =
        Challenge { text: "1.login.20.1800000000.n.m".to_owned(), renew: "/challenge/login".to_owned(), wait: 30, quiet: false };
    let challenged = Login { problem: Some(LoginProblem::Challenge), challenge: Some(challenge), ..refused.clone() };
    add("login-challenge", &challenged);
    add("login-stale", &Login { problem: Some(LoginProblem::Stale), client: None, flow: None, ..login.clone() });
    let published = ClientView { host: Some("agent.example".to_owned()), ..client("Photo Printer") };
    add("login-published", &Login { client: Some(published), ..login.clone() });
    add("login-again", &Login { client: Some(with_logo()), sign_in_name: "alice".to_owned(), again: true, ..login.clone() });
    add("login-hostile", &Login { sign_in_name: HOSTILE.to_owned(), client: Some(client(HOSTILE)), ..login });

    add("select-account", &select_account(&frame, action("/login/account")));
    let configured = BTreeMap::from([("photos.read".to_owned(), "See the photos in your albums".to_owned())]);
    let scope = |value: &str| ScopeRow::new(text, value, &configured);
    let consent = Consent {
        frame: frame.clone(),
        client: client("Photo Printer"),
        sign_in_name: "alice@example.org".to_owned(),
        return_to: "printer.example".to_owned(),
        on_this_device: false,
        device: None,
        asked: false,
        binding_message: None,
        scopes: ["openid", "profile", "email", "offline_access", "photos.read"].map(scope).to_vec(),
        claims: Vec::new(),
        resources: Vec::new(),
        details: Vec::new(),
        action: action("/consent"),
        csrf: "c".to_owned(),
        flow: "f".to_owned(),
    };
    add("consent", &consent);
    let claims = ["given_name", "phone_number", "shoe_size"].map(|name| ClaimRow::new(text, name)).to_vec();
    let detail = |text: &str| DetailRow {
        sentence: text.to_owned(),
        members: vec![("amount.value".to_owned(), "120".to_owned()), (text.to_owned(), text.to_owned())],
    };
    let resource = |name: &str| ResourceRow { name: Some(name.to_owned()), identifier: "https://photos.example/api".to_owned() };
    let resources = vec![resource("Photo albums"), ResourceRow { name: None, identifier: "https://print.example/".to_owned() }];
    add(
        "consent-claims",
        &Consent { claims, resources, details: vec![detail("Pay from your account")], client: with_logo(), ..consent.clone() },
    );
    let published = ClientView { host: Some("agent.example:8443".to_owned()), ..client("Photo Printer") };
    add("consent-published", &Consent { client: published, on_this_device: true, ..consent.clone() });
    add("consent-device", &Consent { device: Some("WDJB-MJHT".to_owned()), ..consent.clone() });
    let message = Some("W4SCT".to_owned());
    add("consent-asked", &Consent { asked: true, binding_message: message, ..consent.clone() });
    let (scopes, resources, details) = (vec![scope(HOSTILE)], vec![resource(HOSTILE)], vec![detail(HOSTILE)]);
    let hostile = Consent { client: client(HOSTILE), sign_in_name: HOSTILE.to_owned(), scopes, resources, details, ..consent };
    add("consent-hostile", &hostile);

    ends::devices(&frame, &mut add);
    ends::answers(&frame, &mut add);
    let form = Form {
        text: frame.text,
        action: action("/setup"),
        csrf: "c".to_owned(),
        flow: None,
        min_length: 15,
        problems: Vec::new(),
        strength: None,
    };
    add_setup(&frame, &form, &mut add);

    add_factors(&frame, base, &mut add);

    people(&frame, &form, &mut add);
    ends::logouts(&frame, &mut add);
    rooms::add(&frame, &mut add);
    let issuer = format!("https://id.example.org{base}");
    let count = Counts { users: Some(1_204), clients: Some(12), sessions: Some(311), keys: Some(4) };
    add("admin", &Admin { frame, issuer, count });
    pages
}

/// The page on which the first administrator is made.
fn add_setup(frame: &Frame, form: &Form, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let setup = Setup { frame: frame.clone(), form: form.clone(), sign_in_name: String::new(), token: "t".to_owned() };
    add("setup", &setup);
    let problems =
        vec![Complaint::Name, Complaint::Password(NewPasswordProblem::TooShort { min_length: 15 }), Complaint::Repetition];
    add("setup-problems", &Setup { form: Form { problems, ..form.clone() }, sign_in_name: "a b".to_owned(), ..setup });
}

/// The pages about second factors.
fn add_factors(frame: &Frame, base: &str, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let action = |path: &str| format!("{base}{path}");
    let offer = Offer { totp: true, recovery_code: true, passkey: false };
    let factor = Factor {
        frame: frame.clone(),
        client: Some(client("Photo Printer")),
        offer,
        passkey: None,
        problem: None,
        action: action("/login/factor"),
        csrf: "c".to_owned(),
        flow: Some("f".to_owned()),
        login: Some("l".to_owned()),
    };
    add("factor", &factor);
    add("factor-wrong", &Factor { problem: Some(FactorProblem::Wrong), client: None, flow: None, ..factor.clone() });
    let passkey = || Some(passkey_form(action("/login/factor")));
    let only = Offer { totp: false, recovery_code: true, passkey: true };
    add("factor-passkey", &Factor { offer: only, passkey: passkey(), problem: Some(FactorProblem::Passkey), ..factor.clone() });
    add("factor-all", &Factor { offer: Offer { passkey: true, ..offer }, passkey: passkey(), ..factor.clone() });
    add("factor-recovery", &Factor { offer: Offer { totp: false, ..offer }, ..factor });
    let again = Reauthenticate {
        frame: frame.clone(),
        sign_in_name: HOSTILE.to_owned(),
        password: true,
        offer: Offer { recovery_code: false, ..offer },
        passkey: None,
        problem: None,
        action: action("/account/reauthenticate"),
        csrf: "c".to_owned(),
        to: "security",
        flow: Some("f".to_owned()),
    };
    add("reauthenticate", &again);
    add("reauthenticate-problem", &Reauthenticate { problem: Some(FactorProblem::Wrong), ..again.clone() });
    add("reauthenticate-passkey", &Reauthenticate { passkey: passkey(), ..again.clone() });
    add("reauthenticate-code", &Reauthenticate { password: false, offer, ..again });
    let uri = "otpauth://totp/id.example.org:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=id.example.org";
    let enrolment = Enrolment {
        frame: frame.clone(),
        qr: QrCode::of(uri).unwrap(),
        secret: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ".to_owned(),
        uri: uri.to_owned(),
        problem: None,
        action: action("/account/security/totp"),
        csrf: "c".to_owned(),
        enrolment: "e".to_owned(),
        flow: None,
    };
    add("enrolment", &enrolment);
    add("enrolment-wrong", &Enrolment { problem: Some(EnrolmentProblem::Wrong), flow: Some("f".to_owned()), ..enrolment });
    let codes = (0..10).map(|number| format!("{number}A1B-2C3D-4E5F-6G7H")).collect();
    add("recovery-codes", &RecoveryCodes { frame: frame.clone(), codes, continue_to: action("/account/security") });
    let at = Moment(Timestamp::from_seconds(1_795_317_500));
    let security = Security {
        frame: frame.clone(),
        nav: rooms::nav(Place::Security),
        password_changed_at: Some(at),
        totp: Some(AuthenticatorRow { added_at: at, last_used_at: Some(at), removable: true }),
        passkeys: None,
        recovery_codes: Some(7),
        csrf: "c".to_owned(),
    };
    let required = AuthenticatorRow { added_at: at, last_used_at: None, removable: false };
    add("security", &security);
    add("security-passkeys", &Security { passkeys: Some(passkeys()), ..security.clone() });
    let none = Passkeys { rows: Vec::new(), may_add: true, password: Password::Needed };
    add("security-no-passkeys", &Security { passkeys: Some(none), totp: None, ..security.clone() });
    let new = NewPasskey {
        frame: frame.clone(),
        passkey: passkey_form(action("/account/security/passkeys")),
        problem: None,
        csrf: "c".to_owned(),
        flow: Some("f".to_owned()),
    };
    add("passkey-new", &new);
    add("passkey-refused", &NewPasskey { problem: Some(NewPasskeyProblem::Taken), flow: None, ..new.clone() });
    add("passkey-untrusted", &NewPasskey { problem: Some(NewPasskeyProblem::Untrusted), flow: None, ..new });
    let name = NamePasskey {
        frame: frame.clone(),
        is_new: true,
        id: "k".to_owned(),
        name: HOSTILE.to_owned(),
        second_only: true,
        action: action("/account/security/passkeys/name"),
        csrf: "c".to_owned(),
        flow: None,
    };
    add("passkey-name", &name);
    add("security-required", &Security { totp: Some(required), recovery_codes: Some(0), ..security.clone() });
    add("security-bare", &Security { totp: None, recovery_codes: None, password_changed_at: None, ..security });
}

/// Registering, recovering, changing.
fn people(frame: &Frame, form: &Form, add: &mut dyn FnMut(&str, &dyn DynRender)) {
    let refused = |problems: &[Complaint]| Form { problems: problems.to_vec(), ..form.clone() };
    let register = Register {
        frame: frame.clone(),
        form: form.clone(),
        client: Some(client("Photo Printer")),
        with_name: true,
        with_address: true,
        address_is_fixed: false,
        sign_in_name: String::new(),
        address: String::new(),
        invitation: None,
        challenge: None,
        login: frame.link("/login?flow=f"),
    };
    add("register", &register);
    let problems =
        [Complaint::NameTaken, Complaint::Address, Complaint::Password(NewPasswordProblem::TooWeak), Complaint::Repetition];
    let strength = ostiary::authn::password::Strength::new(1);
    let weak = Register {
        form: Form { strength: Some(strength), ..refused(&problems) },
        sign_in_name: HOSTILE.to_owned(),
        address: HOSTILE.to_owned(),
        ..register.clone()
    };
    add("register-problems", &weak);
    let invited = Register {
        client: None,
        with_name: false,
        address_is_fixed: true,
        address: "anna@example.org".to_owned(),
        invitation: Some("t".to_owned()),
        ..register
    };
    add("register-invited", &invited);
    let code = Code {
        frame: frame.clone(),
        form: form.clone(),
        kind: CodeKind::Register,
        address: Some("anna@example.org".to_owned()),
        id: "i".to_owned(),
    };
    add("code", &code);
    add("code-refused", &Code { form: refused(&[Complaint::Code]), address: Some(HOSTILE.to_owned()), ..code.clone() });
    add("code-recover", &Code { kind: CodeKind::Recover, address: None, ..code.clone() });
    add("code-change-email", &Code { kind: CodeKind::ChangeEmail, ..code });
    let recover = Recover { frame: frame.clone(), form: form.clone(), sign_in_name: String::new(), challenge: None };
    add("recover", &recover);
    add("recover-too-many", &Recover { form: refused(&[Complaint::TooMany]), sign_in_name: HOSTILE.to_owned(), ..recover });
    add("recover-password", &RecoverPassword { frame: frame.clone(), form: form.clone(), id: "i".to_owned() });
    let password =
        ChangePassword { frame: frame.clone(), form: form.clone(), sign_in_name: "anna".to_owned(), asks_current: true };
    add("change-password", &password);
    add("change-password-refused", &ChangePassword { form: refused(&[Complaint::CurrentPassword]), ..password });
    let email = ChangeEmail {
        frame: frame.clone(),
        form: form.clone(),
        sign_in_name: "anna".to_owned(),
        present: Some("anna@example.org".to_owned()),
        address: String::new(),
        asks_current: true,
    };
    add("change-email", &email);
    add("change-email-refused", &ChangeEmail { form: refused(&[Complaint::Address]), address: "x".to_owned(), ..email });
}

trait DynRender {
    fn html(&self) -> String;
}

impl<T: Template> DynRender for T {
    fn html(&self) -> String {
        self.render().unwrap()
    }
}

fn client(name: &str) -> ClientView {
    ClientView {
        name: name.to_owned(),
        logo: None,
        policy: Some("https://printer.example/privacy".to_owned()),
        terms: Some("https://printer.example/terms".to_owned()),
        unvouched: name == "Photo Printer",
        host: None,
    }
}

/// A red square.
fn with_logo() -> ClientView {
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4wcAAAAMqAQ3lBPHwAAAAAElFTkSuQmCC";
    ClientView {
        logo: Some(format!("data:image/png;base64,{png}")),
        ..client("The Society for Rather Long Names of Applications")
    }
}

fn passkeys() -> Passkeys {
    let row = |name: &str, alone: bool| PasskeyRow {
        id: name.len().to_string(),
        name: name.to_owned(),
        added_at: Moment(Timestamp::from_seconds(1_795_000_000)),
        last_used_at: alone.then_some(Moment(Timestamp::from_seconds(1_795_317_500))),
        is_synchronised: alone,
        stands_alone: alone,
        must_stay: alone,
    };
    Passkeys { rows: vec![row("Telephone", true), row(HOSTILE, false)], may_add: true, password: Password::Removable }
}

fn passkey_form(action: String) -> PasskeyForm {
    let options = "{\"challenge\":\"AAAA\",\"allowCredentials\":[]}".to_owned();
    PasskeyForm { renew: Some(action.clone()), action, options, challenge: "x".to_owned() }
}
