//! A person's passkeys: setting one up, its name, removing one; and doing without a password.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use secrecy::ExposeSecret;

use super::flow::frame;
use super::form::{self, Purpose};
use super::passkey::answer;
use super::reauthenticate::{Freshness, Target, fresh};
use super::view::{self, Moment, NewPasskeyProblem, PasskeyForm, PasskeyRow, Passkeys, field};
use super::{security, site};
use crate::account::Seat;
use crate::account::passkeys::{Removal, may_do_without_password, must_stay, remove, remove_password, rename};
use crate::audit::{self, Kind};
use crate::authn::passkey::{Refusal, Traits};
use crate::flow::passkey::Counterpart;
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::authentication::Enrolled;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::passkeys::{self, Passkey};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("passkeys");
const PATH: &str = "/account/security/passkeys";
const NAME_PATH: &str = "/account/security/passkeys/name";
const SECURITY: &str = "/account/security";

/// What the security page shows; nothing where there can't be any.
pub async fn of(state: &AppState, login: &Login, enrolled: Enrolled) -> Result<Option<Passkeys>, Problem> {
    if state.passkeys.is_none() {
        return Ok(None);
    }
    let all = passkeys::list(&mut state.db.read().await?, &login.user.id).await?;
    let row = |passkey: &Passkey| {
        let rest: Vec<_> = all.iter().filter(|other| other.id != passkey.id).collect();
        let traits = Traits::of(passkey);
        PasskeyRow {
            id: passkey.id.clone(),
            name: passkey.name.clone(),
            added_at: Moment(passkey.created_at),
            last_used_at: passkey.last_used_at.map(Moment),
            is_synchronised: traits.is_synchronised,
            stands_alone: traits.verifies_user,
            must_stay: must_stay(state, &login.user, enrolled, &rest),
        }
    };
    let password = match &login.user.password_hash {
        None => view::Password::None,
        Some(_) if may_do_without_password(state, &all) => view::Password::Removable,
        Some(_) => view::Password::Needed,
    };
    let may_add = all.len() < state.config.passkeys.max_per_person as usize;
    Ok(Some(Passkeys { rows: all.iter().map(row).collect(), may_add, password }))
}

/// `GET /account/security/passkeys`: a new one.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    match fresh(&state, &context, &visitor, Target::Passkeys, &params).await? {
        Freshness::Fresh(login) => Ok(show(&state, &context, &visitor, login, &params, None).await?),
        Freshness::Elsewhere(response) => Ok(*response),
    }
}

/// `POST /account/security/passkeys`: the browser has made it.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let login = match checked(&state, &context, &visitor, &params, Target::Passkeys).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let counterpart = Counterpart { state: &state, context: &context, holder: login.secret.expose_secret() };
    let name = context.device_name();
    let name = if name.is_empty() { "Passkey" } else { &name };
    match counterpart.enrol(&login.user, answer(&params), name).await? {
        Ok(passkey) => {
            let location = format!("{}?{}={}&{}=1", state.path(NAME_PATH), field::PASSKEY, passkey.id, field::NEW);
            Ok(see_other(&form::with_flow(location, &params))?)
        }
        Err(refusal) => {
            refused(&state, &context, login, Kind::PasskeyAdded, refusal);
            let problem = match refusal {
                Refusal::TAKEN => NewPasskeyProblem::Taken,
                Refusal::UNTRUSTED => NewPasskeyProblem::Untrusted,
                Refusal::TOO_MANY => NewPasskeyProblem::TooMany,
                _ => NewPasskeyProblem::Refused,
            };
            let mut response = show(&state, &context, &visitor, login, &params, Some(problem)).await?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

async fn show(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    login: &Login,
    params: &Params,
    problem: Option<NewPasskeyProblem>,
) -> Result<Response, Problem> {
    let counterpart = Counterpart { state, context, holder: login.secret.expose_secret() };
    let question = counterpart.ask_for_new(&login.user).await?.ok_or(Problem::not_found())?;
    let nonce = Nonce::random();
    let view = view::NewPasskey {
        frame: frame(state, visitor, None, &nonce),
        passkey: PasskeyForm::new(question, state.path(PATH), None),
        problem,
        csrf: form::token(state, visitor, PURPOSE),
        flow: params.get(field::FLOW).map(str::to_owned),
    };
    site::answer(Csp::Page { nonce: Some(&nonce) }, &view)
}

/// `GET /account/security/passkeys/name`.
pub async fn get_name(
    State(state): State<AppState>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let id = params.get(field::PASSKEY).unwrap_or_default();
    let all = passkeys::list(&mut state.db.read().await?, &login.user.id).await?;
    let passkey = all.into_iter().find(|passkey| passkey.id == id).ok_or(Problem::not_found())?;
    let nonce = Nonce::random();
    let view = view::NamePasskey {
        frame: frame(&state, &visitor, None, &nonce),
        is_new: params.contains(field::NEW),
        second_only: !Traits::of(&passkey).verifies_user,
        id: passkey.id,
        name: passkey.name,
        action: state.path(NAME_PATH),
        csrf: form::token(&state, &visitor, PURPOSE),
        flow: params.get(field::FLOW).map(str::to_owned),
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// `POST /account/security/passkeys/name`.
pub async fn post_name(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let id = params.get(field::PASSKEY).unwrap_or_default();
    // An empty name changes nothing.
    if let Some(name) = crate::account::name(params.get(field::NAME).unwrap_or_default())
        && !rename(&state, &context, &login.user, (id, &name)).await?
    {
        return Err(Problem::not_found().into());
    }
    match form::sealed_flow(&params) {
        Some(flow) => Ok(see_other(&format!("{}?{}={flow}", state.path("/authorize/resume"), field::FLOW))?),
        None => Ok(see_other(&state.path(SECURITY))?),
    }
}

/// `POST /account/security/passkeys/remove`.
pub async fn post_remove(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let login = match checked(&state, &context, &visitor, &params, Target::Security).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let id = params.get(field::PASSKEY).unwrap_or_default();
    let removal = remove(&state, &context, &login.user, id).await?;
    settle(&state, &context, login, Kind::PasskeyRemoved, removal)
}

/// `POST /account/security/password/remove`.
pub async fn post_remove_password(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let login = match checked(&state, &context, &visitor, &params, Target::Security).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let removal = remove_password(&state, &context, &login.user, Seat::Browser(&login.session)).await?;
    settle(&state, &context, login, Kind::UserPasswordRemoved, removal)
}

fn settle(
    state: &AppState,
    context: &RequestContext,
    login: &Login,
    kind: Kind,
    removal: Removal,
) -> Result<Response, PageError> {
    match removal {
        Removal::Done => Ok(see_other(&state.path(SECURITY))?),
        Removal::NotThere => Err(Problem::not_found().into()),
        Removal::MustStay => {
            refused(state, context, login, kind, Refusal::LAST_FACTOR);
            let reason = Refusal::LAST_FACTOR.0;
            let description = "This is needed to log in";
            Err(Problem::new(StatusCode::FORBIDDEN, "access_denied", reason, description).into())
        }
    }
}

fn refused(state: &AppState, context: &RequestContext, login: &Login, kind: Kind, refusal: Refusal) {
    let user_id = Some(login.user.id.clone());
    state.refusals.refused(Event { user_id, ..audit::refused(kind, context, refusal.0) });
}

/// Who sent the form, if it is ours and they proved just now who they are.
async fn checked<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    params: &Params,
    target: Target,
) -> Result<Freshness<'a>, Problem> {
    if visitor.login.is_some() {
        // What stands on the security page carries that page's token.
        let purpose = if target == Target::Security { security::PURPOSE } else { PURPOSE };
        form::check(state, context, visitor, purpose, params)?;
    }
    fresh(state, context, visitor, target, params).await
}
