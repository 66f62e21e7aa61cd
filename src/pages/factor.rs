//! The second factor: between the two steps of a login, or when a request asks for more than the session shows.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use secrecy::ExposeSecret;

use super::challenge;
use super::flow::{Place, flow_page, frame, lead, to_page};
use super::form::{self, Purpose};
use super::login::{begin_again, enter, flow_of};
use super::passkey;
use super::site;
use super::view::{self, ClientView, FactorProblem, PasskeyForm, field};
use crate::authn::pending::Pending;
use crate::flow::login::{Checked, Entrance, PartOf, Standing, Step};
use crate::flow::passkey::Counterpart;
use crate::flow::visitor::{Login, Visitor};
use crate::flow::{self, Flow, Next};
use crate::protocol::authentication::{Missing, Offer};
use crate::protocol::client::Client;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_browser("factor");

/// Who is asked, and for what.
struct Question<'a> {
    who: Who<'a>,
    offer: Offer,
}

enum Who<'a> {
    /// Somebody whose login waits for this.
    Pending(Box<Pending>, Box<User>),
    /// Somebody who is logged in, and not strongly enough for the flow.
    Session(&'a Login),
}

impl Who<'_> {
    /// Who it is whose login has not come far enough to be kept.
    fn name_of_pending(&self) -> Option<String> {
        match self {
            Self::Pending(_, user) => Some(user.sign_in_name.as_str().to_owned()),
            Self::Session(_) => None,
        }
    }
}

/// There may be nothing to ask.
enum Asked<'a> {
    Question(Question<'a>),
    Elsewhere(Box<Response>),
}

/// `GET /login/factor`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let flow = flow_of(&state, &context, &visitor, &params).await?;
    match asked(&state, &context, &visitor, &params, flow.as_ref()).await? {
        Asked::Question(question) => {
            Ok(page(&state, &visitor, &params, flow.as_ref(), offered(&state, &context, &visitor, &question).await?, None)?)
        }
        Asked::Elsewhere(response) => Ok(*response),
    }
}

/// `POST /login/factor`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let flow = flow_of(&state, &context, &visitor, &params).await?;
    let question = match asked(&state, &context, &visitor, &params, flow.as_ref()).await? {
        Asked::Question(question) => question,
        Asked::Elsewhere(response) => return Ok(*response),
    };
    let device = challenge::device_of(&state, &visitor.headers);
    let entrance = Entrance {
        state: &state,
        context: &context,
        device: device.as_ref(),
        former: visitor.session(),
        client_id: flow.as_ref().map(|(flow, _)| &flow.request.client_id),
    };
    let (user, of) = match &question.who {
        Who::Pending(pending, user) => (&**user, PartOf::Login(&pending.id)),
        Who::Session(login) => (&login.user, PartOf::Session(login.session.id.as_str())),
    };
    let checked = match visitor.browser.as_ref().filter(|_| params.contains(field::CREDENTIAL) && question.offer.passkey) {
        Some(browser) => entrance.check_passkey(&user.id, browser.expose_secret(), passkey::answer(&params)).await?,
        None => entrance.check(user, of, params.get(field::CODE).unwrap_or_default(), question.offer).await?,
    };
    let wrong = if params.contains(field::CREDENTIAL) { FactorProblem::Passkey } else { FactorProblem::Wrong };
    let step = match checked {
        Checked::Right(proof) => match &question.who {
            Who::Pending(pending, user) => entrance.second(user, pending, &proof).await?,
            Who::Session(login) => entrance.prove(login, &proof).await?,
        },
        Checked::Wrong => Step::Spent,
        Checked::TooMany => {
            let offered = offered(&state, &context, &visitor, &question).await?;
            let mut response = match question.who.name_of_pending() {
                // A login that took too many codes is over: it begins again with the password.
                Some(name) => begin_again(&state, &context, visitor, &params, flow.as_ref(), name)?,
                // Who is logged in stays so, and waits.
                None => page(&state, &visitor, &params, flow.as_ref(), offered, Some(FactorProblem::TooMany))?,
            };
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            return Ok(response);
        }
    };
    match step {
        Step::Done(begun) => Ok(enter(&state, &visitor, flow.as_ref().map(|(flow, _)| flow), &begun)?),
        Step::Spent => {
            let offered = offered(&state, &context, &visitor, &question).await?;
            Ok(page(&state, &visitor, &params, flow.as_ref(), offered, Some(wrong))?)
        }
        Step::Next { .. } | Step::Ended => Ok(start_again(&state, &visitor, flow.as_ref())?),
    }
}

async fn asked<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    params: &Params,
    flow: Option<&(Flow, Arc<Client>)>,
) -> Result<Asked<'a>, Problem> {
    let elsewhere = |response| Ok(Asked::Elsewhere(Box::new(response)));
    if let Some(sealed) = params.get(field::LOGIN) {
        let browser = visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        // Too old, or another browser's: the person begins again and gains or loses nothing.
        let Ok(pending) = Pending::open(&state.flows, sealed, browser, context.now) else {
            return elsewhere(start_again(state, visitor, flow)?);
        };
        let user = users::by_id(&mut state.db.read().await?, &pending.user_id).await?;
        let Some(user) = user.filter(|user| pending.still_holds_for(user)) else {
            return elsewhere(start_again(state, visitor, flow)?);
        };
        return match Standing::of(state, &user).await?.missing(&pending.factors) {
            Missing::Proof(offer) => {
                Ok(Asked::Question(Question { who: Who::Pending(Box::new(pending), Box::new(user)), offer }))
            }
            // The factors were changed meanwhile.
            Missing::Enrolment(_) | Missing::Nothing => elsewhere(start_again(state, visitor, flow)?),
        };
    }
    let (Some((flow, client)), Some(login)) = (flow, &visitor.login) else {
        return elsewhere(start_again(state, visitor, flow)?);
    };
    match flow::next(state, context, flow, client, Some(login), None).await? {
        Next::ProveFactor(offer) => Ok(Asked::Question(Question { who: Who::Session(login), offer })),
        other => elsewhere(lead(state, context, visitor, flow, other).await?),
    }
}

/// Back to the first factor.
fn start_again(state: &AppState, visitor: &Visitor, flow: Option<&(Flow, Arc<Client>)>) -> Result<Response, Problem> {
    match flow {
        Some((flow, _)) => to_page(state, visitor, flow, Place::Login),
        None => see_other(&state.path("/login")),
    }
}

/// What the page offers.
struct Offered {
    offer: Offer,
    passkey: Option<PasskeyForm>,
}

async fn offered(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    question: &Question<'_>,
) -> Result<Offered, Problem> {
    let offer = question.offer;
    let user = match &question.who {
        Who::Pending(_, user) => user,
        Who::Session(login) => &login.user,
    };
    let holder = visitor.browser.as_ref().filter(|_| offer.passkey);
    let Some(holder) = holder.map(ExposeSecret::expose_secret) else { return Ok(Offered { offer, passkey: None }) };
    let asked = Counterpart { state, context, holder }.ask(&user.id).await?;
    let action = state.path(Place::Factor.path());
    Ok(Offered { offer, passkey: asked.map(|question| PasskeyForm::new(question, action, None)) })
}

fn page(
    state: &AppState,
    visitor: &Visitor,
    params: &Params,
    flow: Option<&(Flow, Arc<Client>)>,
    Offered { offer, passkey }: Offered,
    problem: Option<FactorProblem>,
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let ui_locales = flow.map(|(flow, _)| flow.request.ui_locales.join(" "));
    let sealed = |name| params.get(name).map(str::to_owned);
    let view = view::Factor {
        frame: frame(state, visitor, ui_locales.as_deref(), &nonce),
        client: flow.map(|(_, client)| ClientView::with_logo(client, &state.logos)),
        offer,
        passkey,
        problem,
        action: state.path(Place::Factor.path()),
        csrf: form::token(state, visitor, PURPOSE),
        flow: sealed(field::FLOW),
        login: sealed(field::LOGIN),
    };
    let mut response = match flow {
        Some((flow, _)) => flow_page(&view, flow, &nonce)?,
        None => site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?,
    };
    *response.status_mut() = problem.map_or(StatusCode::OK, FactorProblem::status);
    Ok(response)
}
