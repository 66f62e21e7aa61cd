//! A person's second factors: what there is, removing the authenticator app, new recovery codes.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::account::nav::{Nav, Place};
use super::flow::frame;
use super::form::{self, Purpose};
use super::reauthenticate::{Freshness, Target, fresh};
use super::site;
use super::view::{self, Moment};
use crate::audit::{self, Kind};
use crate::authn::password::HashingError;
use crate::authn::recovery_code::{self, NewCodes, RecoveryCode};
use crate::flow::login::enrolled;
use crate::flow::visitor::{Login, Visitor};
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::Enrolled;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::{recovery_codes, totp_factors};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

pub(super) const PURPOSE: Purpose = Purpose::of_session("security");

/// `GET /account/security`.
pub async fn get(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let enrolled = enrolled(&state, &login.user.id).await?;
    let mut conn = state.db.read().await?;
    let totp = totp_factors::load(&mut conn, &login.user.id).await?;
    let codes_left = recovery_codes::left(&mut conn, &login.user.id).await?;
    drop(conn);
    let nonce = Nonce::random();
    let view = view::Security {
        frame: frame(&state, &visitor, None, &nonce),
        nav: Nav::of(&state, login, Place::Security),
        password_changed_at: login.user.password_hash.as_ref().and(login.user.password_changed_at).map(Moment),
        totp: totp.map(|totp| view::AuthenticatorRow {
            added_at: Moment(totp.created_at),
            last_used_at: totp.last_used_at.map(Moment),
            removable: may_remove_totp(&state, login, enrolled),
        }),
        passkeys: super::passkeys::of(&state, login, enrolled).await?,
        recovery_codes: (enrolled.totp || enrolled.passkeys || codes_left > 0).then_some(codes_left),
        csrf: form::token(&state, &visitor, PURPOSE),
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// Whether what the person's roles ask for can be reached without the app.
fn may_remove_totp(state: &AppState, login: &Login, enrolled: Enrolled) -> bool {
    let rest = Enrolled { totp: false, recovery_codes: false, ..enrolled };
    let mut required = state.config.authentication.required_of(&login.user.roles);
    required.all(|acr| acr == crate::protocol::authentication::Acr::Single || rest.offer(acr).is_some())
}

/// `POST /account/security/totp/remove`.
pub async fn post_remove_totp(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let login = match checked(&state, &context, &visitor, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let user_id = &login.user.id;
    let enrolled = enrolled(&state, user_id).await?;
    if !may_remove_totp(&state, login, enrolled) {
        let reason = "factor_required";
        let refusal = Event { user_id: Some(user_id.clone()), ..audit::refused(Kind::FactorRemoved, &context, reason) };
        state.refusals.refused(refusal);
        let description = "Your role requires this factor";
        return Err(Problem::new(StatusCode::FORBIDDEN, "access_denied", reason, description).into());
    }
    let event = by(login, Kind::FactorRemoved, &context, "totp");
    state
        .db
        .write(async |tx| {
            if !totp_factors::delete(tx, user_id).await? {
                return Ok(());
            }
            // They stand in for the app; a passkey that is left may need them too.
            if !enrolled.passkeys {
                recovery_codes::delete(tx, user_id).await?;
            }
            crate::storage::audit::insert(tx, &event).await?;
            mail::notify(tx, &state.outbox, user_id, Message::FactorRemoved { what: Factor::Totp }, context.now).await
        })
        .await?;
    Ok(see_other(&state.path("/account/security"))?)
}

/// `POST /account/security/recovery-codes`: new ones, shown this once.
pub async fn post_recovery_codes(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let login = match checked(&state, &context, &visitor, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let user_id = &login.user.id;
    // Ten hashes and a mail each time.
    let subject = Subject::new(context.address).account(user_id.as_str());
    if let Verdict::Refused { retry_after } = state.guard.admit(Action::RecoveryCode, &subject, context.now).await {
        return Err(Problem::too_many(retry_after).into());
    }
    let new = new_codes(&state).await?;
    let event = by(login, Kind::RecoveryCodesCreated, &context, "recovery_codes");
    let stored = state.db.write(async |tx| {
        recovery_codes::replace(tx, user_id, &new.stored, context.now).await?;
        crate::storage::audit::insert(tx, &event).await?;
        mail::notify(tx, &state.outbox, user_id, Message::FactorAdded { what: Factor::RecoveryCodes }, context.now).await
    });
    stored.await?;
    Ok(show_codes(&state, &visitor, &new.codes, state.path("/account/security"))?)
}

/// Ten codes for somebody.
pub async fn new_codes(state: &AppState) -> Result<NewCodes, Problem> {
    recovery_code::generate(&state.passwords).await.map_err(|error| match error {
        HashingError::Overloaded => Problem::overloaded(),
        error @ HashingError::Failed(_) => Problem::internal(error),
    })
}

/// The only time that they are shown.
pub fn show_codes(state: &AppState, visitor: &Visitor, codes: &[RecoveryCode], continue_to: String) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let codes: Vec<String> = codes.iter().map(RecoveryCode::grouped).collect();
    let view = view::RecoveryCodes { frame: frame(state, visitor, None, &nonce), codes, continue_to };
    site::answer(Csp::Page { nonce: Some(&nonce) }, &view)
}

/// Who sent the form, if it is ours and they proved just now who they are.
async fn checked<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    params: &Params,
) -> Result<Freshness<'a>, Problem> {
    if visitor.login.is_some() {
        form::check(state, context, visitor, PURPOSE, params)?;
    }
    fresh(state, context, visitor, Target::Security, params).await
}

/// Something that the person did to a factor of theirs.
pub fn by(login: &Login, kind: Kind, context: &RequestContext, factor: &'static str) -> Event {
    let user_id = &login.user.id;
    Event {
        actor: Actor::User(user_id.clone()),
        user_id: Some(user_id.clone()),
        details: serde_json::Map::from_iter([("factor".to_owned(), factor.into())]),
        ..audit::event(kind, context)
    }
}
