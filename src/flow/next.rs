//! Where a login under way goes next: asks `protocol::authorize`, and carries out what it says.

use std::sync::Arc;

use super::Flow;
use super::browser_state;
use super::device::{self, Ended, Given};
use super::issue::{Basis, Issued, issue};
use super::login::Standing;
use super::visitor::Login;
use crate::audit::{self, Kind};
use crate::protocol::authentication::{Acr, Offer};
use crate::protocol::authorization_request::AuthorizationRequest;
use crate::protocol::authorize::{self, ConsentedScope, Decision, LoginReason, SessionFacts, Situation};
use crate::protocol::client::Client;
use crate::protocol::error::OAuthError;
use crate::protocol::pushed_request::USED;
use crate::protocol::response_mode::AuthorizationResponse;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::consents::Consent;
use crate::storage::sessions::Session;
use crate::telemetry::findings::note;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What the browser gets next.
#[derive(Debug)]
pub enum Next {
    LogIn(LoginReason),
    /// One of these second factors is missing.
    ProveFactor(Offer),
    /// A factor that reaches this has to be set up.
    EnrolFactor(Acr),
    SelectAccount,
    AskConsent(ConsentedScope),
    /// The flow is over: a code or an error for the client.
    Answer(AuthorizationResponse),
    /// The flow is over, and somebody elsewhere waited for its end.
    Decided(Ended),
}

/// Decides, and issues the code if that is the decision. `consented_now` is what the person has just agreed to on the
/// consent page; it is remembered together with the code.
pub async fn next(
    state: &AppState,
    context: &RequestContext,
    flow: &Flow,
    client: &Arc<Client>,
    login: Option<&Login>,
    consented_now: Option<ConsentedScope>,
) -> Result<Next, Problem> {
    let session = login.map(|login| &login.session);
    let (standing, consent) = match login {
        Some(login) if !client.metadata.first_party && consented_now.is_none() => {
            Standing::with_consent(state, &login.user, &client.id).await?
        }
        Some(login) => (Standing::of(state, &login.user).await?, None),
        None => (Standing::default(), None),
    };
    let subject = session.map(|session| state.subjects.of(client, &session.user_id));
    let situation = Situation {
        now: context.now,
        started_at: flow.started_at,
        session: session.map(|session| SessionFacts {
            user_id: &session.user_id,
            subject: subject.as_deref().unwrap_or_default(),
            auth_time: session.auth_time,
            factors: &session.factors,
            enrolled: standing.enrolled,
            required: &standing.required,
        }),
        account_selected: session.is_some() && session.map(|session| &session.id) == flow.selected_session.as_ref(),
        remembered: consent.as_ref().and_then(|consent| remembered(consent, &flow.request)),
        consented_now: consented_now.as_ref(),
        client,
    };
    match (authorize::decide(&flow.request, &situation), session) {
        (Decision::Issue { scope, acr, .. }, Some(session)) if let Some(waiting) = &flow.waiting => {
            match device::allow(state, context, (flow, waiting), session, (scope, acr)).await? {
                Given::Allowed => Ok(Next::Decided(Ended::Allowed)),
                Given::Late => {
                    let error = device::late(waiting);
                    record(state, context, flow, Some(session), &error);
                    Err(error.into())
                }
                Given::SessionEnded => Box::pin(next(state, context, flow, client, None, None)).await,
            }
        }
        (Decision::Issue { scope, claims, acr }, Some(session)) => {
            let basis = match (consented_now, consent) {
                (Some(given), _) => Basis::Given(given),
                (None, Some(consent)) => Basis::Remembered(consent.agreements),
                (None, None) => Basis::FirstParty,
            };
            match issue(state, context, (flow, client), session, (scope, claims, acr), basis).await? {
                Issued::Given(given) => {
                    let issuer = &state.config.server.issuer;
                    let response = AuthorizationResponse::success(flow.request.target(), given, issuer);
                    Ok(Next::Answer(response.with_session_state(session_state(state, flow, session))))
                }
                Issued::RequestUsed => {
                    note("pushed_request_end", "used", "by another login");
                    record(state, context, flow, Some(session), &USED);
                    Err(USED.into())
                }
                // It was taken away while this was being decided: decide again without it.
                Issued::SessionEnded => Box::pin(next(state, context, flow, client, None, None)).await,
                Issued::ConsentGone => Box::pin(next(state, context, flow, client, login, None)).await,
            }
        }
        (Decision::Refuse(error), _) => {
            saw(flow, &situation);
            Ok(Next::Answer(refuse(state, context, flow, session, &error)))
        }
        (Decision::AskConsent(asked), Some(_)) => Ok(Next::AskConsent(asked)),
        (Decision::SelectAccount, Some(_)) => Ok(Next::SelectAccount),
        (Decision::ProveFactor(offer), Some(_)) => Ok(Next::ProveFactor(offer)),
        (Decision::EnrolFactor(acr), Some(_)) => Ok(Next::EnrolFactor(acr)),
        (Decision::LogIn { reason }, _) => Ok(Next::LogIn(reason)),
        (_, None) => Ok(Next::LogIn(LoginReason::NoSession)),
    }
}

/// What the decision rests on, for whoever explains it.
fn saw(flow: &Flow, situation: &Situation<'_>) {
    let request = &flow.request;
    if let Some(hinted) = &request.id_token_hint_sub {
        note("subject", "hinted", hinted);
    }
    let Some(session) = situation.session else {
        note("session", "seen", "none that counts");
        return;
    };
    note("session", "account", session.user_id);
    note("subject", "logged_in", session.user_id);
    note("age", "seconds", situation.now.as_seconds() - session.auth_time.as_seconds());
    if let Some(max_age) = request.max_age {
        note("age", "max_age", max_age.0);
    }
    note("factors", "proved", session.factors.amr().join(" "));
    let asked = request
        .acr_values
        .iter()
        .cloned()
        .chain(session.required.iter().chain(&situation.client.metadata.required_acr).map(ToString::to_string));
    note("factors", "acr_asked_for", asked.collect::<Vec<_>>().join(" "));
    note("remembered_consent", "asked_for", &request.scope);
    if let Some(remembered) = situation.remembered {
        note("remembered_consent", "agreed_to", &remembered.scope);
    }
}

/// The error response for the client, recorded.
pub fn refuse(
    state: &AppState,
    context: &RequestContext,
    flow: &Flow,
    session: Option<&Session>,
    error: &OAuthError,
) -> AuthorizationResponse {
    record(state, context, flow, session, error);
    AuthorizationResponse::error(flow.request.target(), error, &state.config.server.issuer)
}

pub(super) fn record(state: &AppState, context: &RequestContext, flow: &Flow, session: Option<&Session>, error: &OAuthError) {
    state.refusals.refused(Event {
        client_id: Some(flow.request.client_id.clone()),
        user_id: session.map(|session| session.user_id.clone()),
        ..audit::refused(Kind::AuthorizationRefused, context, error.reason)
    });
}

/// What speaks for this request, or else the last that was agreed to.
fn remembered<'a>(consent: &'a Consent, request: &AuthorizationRequest) -> Option<&'a ConsentedScope> {
    consent.agreements.iter().find(|given| given.covers(request)).or(consent.agreements.last())
}

/// What an application that logs people in may watch the session by.
fn session_state(state: &AppState, flow: &Flow, session: &Session) -> Option<String> {
    let request = &flow.request;
    request.is_openid().then(|| browser_state::session_state(state, &request.client_id, &request.redirect_uri, &session.id))?
}
