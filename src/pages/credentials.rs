//! Changing one's own password and e-mail address.

use axum::extract::State;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};

use super::challenge;
use super::flow::frame;
use super::form::{self, Purpose};
use super::reauthenticate::{Freshness, Target, fresh};
use super::register::{answer, to_code};
use super::view::{self, CodeKind, field};
use crate::account::password::{self, Outcome, Owner};
use crate::account::{Complaint, Holder, Seat, email};
use crate::authn::password::Strength;
use crate::authn::session::is_fresh;
use crate::flow::visitor::{Login, Visitor};
use crate::guard::Subject;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::email_addresses;
use crate::storage::email_codes::Purpose as CodePurpose;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::Nonce;
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PASSWORD_PURPOSE: Purpose = Purpose::of_session("change_password");
const EMAIL_PURPOSE: Purpose = Purpose::of_session("change_email");
const CODE_PURPOSE: Purpose = Purpose::of_session("email_code");

/// `GET /account/password`.
pub async fn get_password(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    Ok(show_password(&state, &visitor, login, (Vec::new(), None))?)
}

/// `POST /account/password`.
pub async fn post_password(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    form::check(&state, &context, &visitor, PASSWORD_PURPOSE, &params)?;
    let typed = |name| params.get(name).unwrap_or_default();
    if typed(field::PASSWORD) != typed(field::PASSWORD_AGAIN) {
        return Ok(show_password(&state, &visitor, login, (vec![Complaint::Repetition], None))?);
    }
    let passwords = [field::CURRENT_PASSWORD, field::PASSWORD].map(|name| SecretString::from(typed(name)));
    let device = challenge::device_of(&state, &visitor.headers);
    match password::change(&state, &context, owner(login, device.as_ref(), &context), (&passwords[0], &passwords[1])).await? {
        Outcome::Done(begun) => {
            let mut response = see_other(&state.path("/account"))?;
            if let Some(begun) = begun {
                form::hand_over(&state, &mut response, &begun);
            }
            Ok(response)
        }
        Outcome::Refused { complaints, strength } => Ok(show_password(&state, &visitor, login, (complaints, strength))?),
        Outcome::Ended => Ok(see_other(&state.path("/login"))?),
    }
}

/// `GET /account/email`.
pub async fn get_email(
    State(state): State<AppState>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    Ok(show_email(&state, &visitor, login, (&params, Vec::new())).await?)
}

/// `POST /account/email`: a code goes to the new address.
pub async fn post_email(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    form::check(&state, &context, &visitor, EMAIL_PURPOSE, &params)?;
    let typed = |name| params.get(name).unwrap_or_default();
    let device = challenge::device_of(&state, &visitor.headers);
    let who = (owner(login, device.as_ref(), &context), holder(&state, login));
    let wanted = (typed(field::CURRENT_PASSWORD), typed(field::EMAIL));
    match email::begin_change(&state, &context, who, wanted).await? {
        Ok(id) => Ok(to_code(&state, "/account/email/code", &id, &params)?),
        Err(complaints) => Ok(show_email(&state, &visitor, login, (&params, complaints)).await?),
    }
}

/// `POST /account/email/verify`: a code goes to the address that stands in the account. The form is on the account page. Whoever
/// reads that mailbox gets into the account, so it needs a fresh login.
pub async fn post_verify(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    if visitor.login.is_none() {
        return Ok(see_other(&state.path("/login"))?);
    }
    form::check(&state, &context, &visitor, super::account::PURPOSE, &params)?;
    let login = match fresh(&state, &context, &visitor, Target::Account, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    match email::begin_verification(&state, &context, (&login.user, holder(&state, login))).await? {
        Some(Ok(id)) => Ok(to_code(&state, "/account/email/verify", &id, &params)?),
        // There is no form to say it on.
        Some(Err(_)) => {
            let who = Subject::new(context.address).account(login.user.id.as_str());
            let wait = |action| state.guard.wait(action, &who, context.now);
            Err(Problem::too_many(wait(Action::RequestMail).max(wait(Action::ChangeAddress))).into())
        }
        None => Ok(see_other(&state.path("/account"))?),
    }
}

/// `GET /account/email/code`, of a new address.
pub async fn get_change_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    Ok(show_code(&state, &context, (&visitor, login), &params, (CodeKind::ChangeEmail, Vec::new())).await?)
}

/// `GET /account/email/verify`.
pub async fn get_verify_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    Ok(show_code(&state, &context, (&visitor, login), &params, (CodeKind::VerifyEmail, Vec::new())).await?)
}

/// `POST /account/email/code`. The code was asked for by who had just shown that it is them, counts in that session alone, and comes
/// out of the mailbox: whoever shows it need not do more. (Proving it again would end the session's secret, and the code with it.)
pub async fn post_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    form::check(&state, &context, &visitor, CODE_PURPOSE, &params)?;
    let kind = if params.get(field::DECISION) == Some(VERIFY) { CodeKind::VerifyEmail } else { CodeKind::ChangeEmail };
    let shown = (params.get(field::ID).unwrap_or_default(), params.get(field::CODE).unwrap_or_default(), purpose(kind));
    match email::finish(&state, &context, (&login.user, holder(&state, login)), shown).await? {
        Ok(()) => Ok(see_other(&state.path("/account"))?),
        Err(complaint) => Ok(show_code(&state, &context, (&visitor, login), &params, (kind, vec![complaint])).await?),
    }
}

/// What the form says when the code is for the address that stands in the account.
const VERIFY: &str = "verify";

const fn purpose(kind: CodeKind) -> CodePurpose {
    match kind {
        CodeKind::VerifyEmail => CodePurpose::VerifyEmail,
        _ => CodePurpose::ChangeEmail,
    }
}

fn owner<'a>(login: &'a Login, device: Option<&'a Device>, context: &RequestContext) -> Owner<'a> {
    let is_fresh = is_fresh(login.session.factors.latest(), context.now);
    Owner { user: &login.user, seat: Seat::Browser(&login.session), is_fresh, device }
}

/// Codes belong to the session that asked for them.
fn holder(state: &AppState, login: &Login) -> Holder {
    Holder::new(state, login.secret.expose_secret())
}

fn show_password(
    state: &AppState,
    visitor: &Visitor,
    login: &Login,
    (complaints, strength): (Vec<Complaint>, Option<Strength>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, None, &nonce);
    let form = form::of(state, visitor, &frame, ("/account/password", PASSWORD_PURPOSE));
    let view = view::ChangePassword {
        form: form.with(None, complaints.clone(), strength),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        asks_current: login.user.password_hash.is_some(),
        frame,
    };
    answer(&view, &None, &nonce, &complaints)
}

async fn show_email(
    state: &AppState,
    visitor: &Visitor,
    login: &Login,
    (params, complaints): (&Params, Vec<Complaint>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, None, &nonce);
    let present = email_addresses::load(&mut state.db.read().await?, &login.user.id).await?;
    let form = form::of(state, visitor, &frame, ("/account/email", EMAIL_PURPOSE));
    let view = view::ChangeEmail {
        form: form.with(None, complaints.clone(), None),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        present: present.map(|present| present.address.as_str().to_owned()),
        address: params.get(field::EMAIL).unwrap_or_default().to_owned(),
        asks_current: login.user.password_hash.is_some(),
        frame,
    };
    answer(&view, &None, &nonce, &complaints)
}

async fn show_code(
    state: &AppState,
    context: &RequestContext,
    (visitor, login): (&Visitor, &Login),
    params: &Params,
    (kind, complaints): (CodeKind, Vec<Complaint>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, None, &nonce);
    let id = params.get(field::ID).unwrap_or_default();
    let form = form::of(state, visitor, &frame, ("/account/email/code", CODE_PURPOSE));
    let view = view::Code {
        form: form.with(None, complaints.clone(), None),
        address: email::address_of(state, context, holder(state, login), (id, purpose(kind))).await?,
        kind,
        id: id.to_owned(),
        frame,
    };
    answer(&view, &None, &nonce, &complaints)
}
