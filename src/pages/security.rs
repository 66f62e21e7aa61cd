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
use crate::account::Seat;
use crate::account::factors::{may_remove_totp, remove_totp, renew_recovery_codes};
use crate::account::passkeys::Removal;
use crate::authn::recovery_code::RecoveryCode;
use crate::flow::login::enrolled;
use crate::flow::visitor::Visitor;
use crate::protocol::params::Params;
use crate::state::AppState;
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
            removable: may_remove_totp(&state, &login.user, enrolled),
        }),
        passkeys: super::passkeys::of(&state, login, enrolled).await?,
        recovery_codes: (enrolled.totp || enrolled.passkeys || codes_left > 0).then_some(codes_left),
        csrf: form::token(&state, &visitor, PURPOSE),
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
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
    match remove_totp(&state, &context, &login.user).await? {
        Removal::Done | Removal::NotThere => Ok(see_other(&state.path("/account/security"))?),
        Removal::MustStay => {
            let description = "Your role requires this factor";
            Err(Problem::new(StatusCode::FORBIDDEN, "access_denied", "factor_required", description).into())
        }
    }
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
    match renew_recovery_codes(&state, &context, (&login.user, Seat::Browser(&login.session))).await? {
        Some(codes) => Ok(show_codes(&state, &visitor, &codes, state.path("/account/security"))?),
        None => Ok(see_other(&state.path("/account/security"))?),
    }
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
