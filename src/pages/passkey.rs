//! Logging in with a passkey: by the button, or by choosing one among the suggestions of the name field.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::ExposeSecret;

use super::form;
use super::login::{PURPOSE, Shown, carried, flow_of, proved, record_refusal, show};
use super::view::{LoginProblem, PasskeyForm, field};
use crate::audit::Kind;
use crate::flow::admission::{Admitted, Passkey};
use crate::flow::login::FirstFactor;
use crate::flow::passkey::{Answer, Counterpart};
use crate::flow::visitor::Visitor;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::telemetry::metrics::LOGINS;
use crate::web::context::RequestContext;
use crate::web::error::{Error, PageError, Problem};
use crate::web::params::PageForm;

/// Where the answer goes, and where another challenge is had.
const PATH: &str = "/login/passkey";

/// What the login page asks; nothing where there are no passkeys.
pub fn form(state: &AppState, context: &RequestContext, visitor: &Visitor) -> Result<Option<PasskeyForm>, Problem> {
    let holder = visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let question = Counterpart { state, context, holder }.ask_anybody()?;
    Ok(question.map(|question| PasskeyForm::new(question, state.path(PATH), Some(state.path(PATH)))))
}

/// The answer of the browser in a form.
pub fn answer(params: &Params) -> Answer<'_> {
    let read = |name| params.get(name).unwrap_or_default();
    Answer { challenge: read(field::PASSKEY_CHALLENGE), credential: read(field::CREDENTIAL) }
}

/// `GET /login/passkey`: another question, as JSON, for a login page that has been open for long.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, Error> {
    // The browser got its cookie with the page.
    let Some(browser) = &visitor.browser else {
        return Err(Problem::request(StatusCode::BAD_REQUEST, "browser_unknown", "The browser sent no cookie").into());
    };
    let question = Counterpart { state: &state, context: &context, holder: browser.expose_secret() }.ask_anybody()?;
    Ok(Json(question.ok_or(Problem::not_found())?).into_response())
}

/// `POST /login/passkey`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Passkey>,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let flow = flow_of(&state, &context, &visitor, &params).await?;
    let holder = visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let identified = Counterpart { state: &state, context: &context, holder }.identify(answer(&params)).await?;
    match identified {
        Ok(accepted) => {
            let flow = flow.as_ref().map(|(flow, _)| flow);
            let carried = carried(&context, &visitor, flow, &accepted.owner);
            let first = FirstFactor {
                user: accepted.owner,
                method: accepted.method,
                rehashed: None,
                carried,
                remember: params.contains(field::REMEMBER),
            };
            proved(&state, &context, &visitor, &params, flow, first).await
        }
        Err(refused) => {
            let client = flow.as_ref().map(|(flow, _)| &flow.request.client_id);
            LOGINS.count("passkey", refused.refusal.0);
            record_refusal(&state, &context, Kind::UserLogin, client, refused.user_id.as_ref(), refused.refusal.0);
            let shown = Shown { problem: Some(LoginProblem::Passkey), ..Shown::default() };
            let shown = show(&state, &context, visitor, &params, flow.as_ref(), shown);
            let mut response = shown?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}
