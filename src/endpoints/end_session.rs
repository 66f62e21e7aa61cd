//! The logout endpoint (OpenID Connect RP-Initiated Logout 1.0 §2): an application sends its person to log out.
//!
//! Whoever is logged in is asked, unless the application shows an ID token that was made for it in this very session: nobody
//! else has that. What is wrong with a request is told by a page; then nobody is logged out, and nobody redirected.

use axum::extract::State;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;

use crate::audit::{self, Kind};
use crate::flow::admission::{Admitted, Logout};
use crate::flow::visitor::Visitor;
use crate::pages::logout::{ask, farewell, log_out};
use crate::protocol::client::Client;
use crate::protocol::end_session::{Destination, EndSessionRequest, HINT_INVALID, UNKNOWN_CLIENT};
use crate::protocol::id::{ClientId, SessionId};
use crate::protocol::jwe;
use crate::protocol::metadata::path;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::telemetry::findings::{self, note};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

/// The longest request target that this server reads itself.
const MAX_LOCATION: usize = 8 * 1_024;

/// What was asked for.
struct Asked {
    /// Of the ID token that came along.
    session: Option<SessionId>,
    destination: Option<Destination>,
}

/// `GET /end-session`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Logout>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let asked = match judge(&state, &params).await {
        Ok(asked) => asked,
        Err(problem) => {
            record(&state, &context, &params, problem.reason);
            return Err(problem.into());
        }
    };
    let Asked { session, destination } = asked;
    match &visitor.login {
        None => Ok(farewell(&state, &visitor, Vec::new(), destination.as_ref())?),
        Some(login) if session.as_ref() == Some(&login.session.id) => {
            let told = log_out(&state, &context, login).await?;
            Ok(farewell(&state, &visitor, told, destination.as_ref())?)
        }
        Some(login) => Ok(ask(&state, &visitor, login, destination.as_ref())?),
    }
}

/// `POST /end-session`, from another site's page: the session's cookie stays at home then, as for `POST /authorize`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Logout>,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let query = Serializer::new(String::new()).extend_pairs(params.iter()).finish();
    let location = format!("{}?{query}", state.path(path::END_SESSION));
    if location.len() > MAX_LOCATION {
        let description = "The logout request is too long";
        let problem = Problem::request(StatusCode::URI_TOO_LONG, "request_too_large", description);
        record(&state, &context, &params, problem.reason);
        return Err(problem.into());
    }
    Ok(see_other(&location)?)
}

async fn judge(state: &AppState, params: &Params) -> Result<Asked, Problem> {
    let request = EndSessionRequest::parse(params)?;
    let hint = match request.id_token_hint {
        Some(hint) if jwe::is_shaped(hint) => return Err(jwe::ENCRYPTED_HINT.into()),
        // It may have expired; it must be ours.
        Some(hint) => Some(state.keys.id_token_hint(hint, &state.config.server.issuer).map_err(|_| HINT_INVALID)?),
        None => None,
    };
    let client = match request.client_id(hint.as_ref().map(|hint| &hint.aud))? {
        Some(id) => Some(state.clients.load(&id).await?.filter(|client| client.is_active()).ok_or(UNKNOWN_CLIENT)?),
        None => None,
    };
    let destination = request.destination(client.as_deref()).inspect_err(|_| saw(params, client.as_deref()))?;
    // As this client knows sessions: the hint is its own, or there is none.
    let sid = hint.and_then(|hint| hint.sid);
    let session = sid.and_then(|sid| client.map(|client| state.subjects.session(&client, &sid)));
    Ok(Asked { session, destination })
}

fn saw(params: &Params, client: Option<&Client>) {
    let Some(client) = client else { return };
    findings::client(&client.id);
    note("post_logout_redirect_uri", "presented", params.get("post_logout_redirect_uri").unwrap_or_default());
    for registered in &client.metadata.post_logout_redirect_uris {
        note("post_logout_redirect_uri", "registered", registered);
    }
}

/// Names the client only if it is a registered one, like a refused authorization request.
fn record(state: &AppState, context: &RequestContext, params: &Params, reason: &'static str) {
    let client_id = params.get("client_id").and_then(|id| ClientId::parse(id).ok()).filter(|id| state.clients.is_cached(id));
    state.refusals.refused(Event { client_id, ..audit::refused(Kind::UserLogout, context, reason) });
}
