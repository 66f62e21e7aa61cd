//! Setting up an authenticator app: the secret as a QR code, as text and as a link, and the code that shows that the app has it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::flow::frame;
use super::form::{self, Purpose};
use super::reauthenticate::{Freshness, Target, fresh};
use super::security::show_codes;
use super::site;
use super::view::{self, EnrolmentProblem, field};
use crate::account::Seat;
use crate::account::totp::{Outcome, confirm, offer};
use crate::authn::qr::QrCode;
use crate::authn::totp::Secret;
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::params::Params;
use crate::state::AppState;
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
    let seat = Seat::Browser(&login.session);
    let answer = (params.get(field::ENROLMENT).unwrap_or_default(), params.get(field::CODE).unwrap_or_default());
    let (secret, problem) = match confirm(&state, &context, (&login.user, seat), answer).await? {
        Outcome::Done { codes, begun } => {
            let continue_to = match params.get(field::FLOW) {
                Some(flow) => format!("{}?{}={flow}", state.path("/authorize/resume"), field::FLOW),
                None => state.path("/account/security"),
            };
            let mut response = show_codes(&state, &visitor, &codes, continue_to)?;
            if let Some(begun) = begun {
                form::hand_over(&state, &mut response, &begun);
            }
            return Ok(response);
        }
        Outcome::Ended => return Ok(see_other(&state.path("/login"))?),
        Outcome::Wrong(secret) => (secret, EnrolmentProblem::Wrong),
        Outcome::TooMany(secret) => (secret, EnrolmentProblem::TooMany),
        // Another secret, and a word about it.
        Outcome::Stale => (Secret::random(), EnrolmentProblem::Stale),
    };
    Ok(show(&state, &context, &visitor, login, &params, (&secret, Some(problem)))?)
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
        enrolment: offer(state, context, Seat::Browser(&login.session), secret)?,
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
