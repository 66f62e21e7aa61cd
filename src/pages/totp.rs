//! Setting up an authenticator app: the secret as a QR code, as text and as a link, and the code that shows that the app has it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::flow::frame;
use super::form::{self, Purpose};
use super::reauthenticate::{Freshness, Target, fresh};
use super::security::{by, new_codes, show_codes};
use super::site;
use super::view::{self, EnrolmentProblem, QrCode, field};
use crate::audit::{self, Kind};
use crate::authn::enrolment;
use crate::authn::recovery_code::NewCodes;
use crate::authn::session::{self, Begun};
use crate::authn::totp::{Secret, typed_code};
use crate::flow::visitor::{Login, Visitor};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::Method;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::totp_factors::{self, TotpFactor};
use crate::storage::{recovery_codes, sessions, users};
use crate::telemetry::findings;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("totp");

/// `GET /account/security/totp`: a new secret each time, stored nowhere.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    match fresh(&state, &context, &visitor, Target::Totp, &params).await? {
        Freshness::Fresh(login) => Ok(show(&state, &context, &visitor, login, &params, (&Secret::random(), None))?),
        Freshness::Elsewhere(response) => Ok(*response),
    }
}

/// `POST /account/security/totp`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    if visitor.login.is_some() {
        form::check(&state, &context, &visitor, PURPOSE, &params)?;
    }
    let login = match fresh(&state, &context, &visitor, Target::Totp, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let sealed = params.get(field::ENROLMENT).unwrap_or_default();
    let Some(secret) = enrolment::open(&state.flows, sealed, &login.session, context.now) else {
        // Open for too long: another secret, and a word about it.
        findings::answered("enrolment_stale", false);
        let again = (&Secret::random(), Some(EnrolmentProblem::Stale));
        return Ok(show(&state, &context, &visitor, login, &params, again)?);
    };
    let subject = Subject::new(context.address).account(login.user.id.as_str()).session(login.session.id.as_str());
    let admitted = state.guard.admit(Action::Code, &subject, context.now).await.is_allowed();
    let typed = typed_code(params.get(field::CODE).unwrap_or_default()).filter(|_| admitted);
    let Some(step) = typed.and_then(|code| secret.step_of(&code, context.now)) else {
        let reason = if admitted { "wrong_code" } else { "too_many_codes" };
        let user_id = Some(login.user.id.clone());
        state.refusals.refused(Event { user_id, ..audit::refused(Kind::FactorAdded, &context, reason) });
        let problem = if admitted { EnrolmentProblem::Wrong } else { EnrolmentProblem::TooMany };
        return Ok(show(&state, &context, &visitor, login, &params, (&secret, Some(problem)))?);
    };
    let codes = new_codes(&state).await?;
    let Some(begun) = enrol(&state, &context, login, (&secret, step), &codes).await? else {
        return Ok(see_other(&state.path("/login"))?);
    };
    let continue_to = match params.get(field::FLOW) {
        Some(flow) => format!("{}?{}={flow}", state.path("/authorize/resume"), field::FLOW),
        None => state.path("/account/security"),
    };
    let mut response = show_codes(&state, &visitor, &codes.codes, continue_to)?;
    form::hand_over(&state, &mut response, &begun);
    Ok(response)
}

/// Stores the app and the codes, renews this session, and ends the person's others: they were opened with less. `None`: this one
/// has ended meanwhile, or the person changed.
async fn enrol(
    state: &AppState,
    context: &RequestContext,
    login: &Login,
    (secret, step): (&Secret, i64),
    codes: &NewCodes,
) -> Result<Option<Begun>, Problem> {
    let user_id = &login.user.id;
    let factor = TotpFactor {
        user_id: user_id.clone(),
        sealed: secret.seal(&state.totp_secrets, user_id),
        // The code that was just shown is not a login too.
        last_step: step,
        created_at: context.now,
        last_used_at: None,
    };
    let begun = session::renew(&state.tokens, &login.session, Method::Totp, context.now);
    let event = by(login, Kind::FactorAdded, context, "totp");
    let enrolled = state
        .db
        .write(async |tx| {
            if !users::stands(tx, &login.user).await? || !session::take_over(tx, &login.session.id, &begun.session).await? {
                return Ok(false);
            }
            sessions::end_all(tx, user_id, Some(&begun.session.id)).await?;
            totp_factors::save(tx, &factor).await?;
            recovery_codes::replace(tx, user_id, &codes.stored, context.now).await?;
            crate::storage::audit::insert(tx, &event).await?;
            mail::notify(tx, &state.outbox, user_id, Message::FactorAdded { what: Factor::Totp }, context.now).await?;
            Ok(true)
        })
        .await?;
    Ok(enrolled.then_some(begun))
}

fn show(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    login: &Login,
    params: &Params,
    (secret, problem): (&Secret, Option<EnrolmentProblem>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, None, &nonce);
    let uri = secret.uri(&frame.host, login.user.sign_in_name.as_str());
    let view = view::Enrolment {
        qr: QrCode::of(&uri).map_err(Problem::internal)?,
        secret: grouped(&secret.base32()),
        uri: uri.to_string(),
        problem,
        action: state.path("/account/security/totp"),
        csrf: form::token(state, visitor, PURPOSE),
        enrolment: enrolment::seal(&state.flows, secret, &login.session, context.now).map_err(Problem::internal)?,
        flow: params.get(field::FLOW).map(str::to_owned),
        frame,
    };
    let mut response = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
    *response.status_mut() = match problem {
        None => StatusCode::OK,
        Some(EnrolmentProblem::TooMany) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(response)
}

/// `ABCD EFGH …`
fn grouped(base32: &str) -> String {
    let letters: Vec<char> = base32.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
