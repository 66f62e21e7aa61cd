//! What clients ask a person for who is elsewhere (OpenID Connect CIBA Core 1.0 §8), and where the answer is given: from here it goes on
//! as a login, to the consent page.

use axum::extract::State;
use axum::response::Response;

use super::nav::{Nav, Place};
use crate::flow::device;
use crate::flow::visitor::{Login, Visitor};
use crate::pages::flow::{Place as FlowPlace, frame, to_page};
use crate::pages::site;
use crate::pages::view::{self, Moment, RequestRow, field};
use crate::protocol::backchannel::Handle;
use crate::state::AppState;
use crate::storage::device_codes;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageQuery;
use crate::web::redirect::see_other;

pub const ALLOWED: &str = "/account/requests/allowed";
pub const DENIED: &str = "/account/requests/denied";

/// `GET /account/requests`; with `request`, the way to deciding about that one. Nothing is decided here, and nobody can decide but the
/// person who is asked: the link may go through anybody's hands.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    if let Some(handle) = params.get(field::REQUEST).and_then(|text| Handle::parse(text).ok())
        && let Some(flow) = device::begin_asked(&state, &context, handle).await?
    {
        return Ok(to_page(&state, &visitor, &flow, FlowPlace::Resume)?);
    }
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let view = view::Requests {
        frame: frame(&state, &visitor, None, &nonce),
        nav: Nav::of(&state, login, Place::Requests),
        requests: rows(&state, &context, login).await?,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// What waits for the person.
pub(super) async fn rows(state: &AppState, context: &RequestContext, login: &Login) -> Result<Vec<RequestRow>, Problem> {
    let waiting = device_codes::undecided_of(&mut state.db.read().await?, &login.user.id, context.now).await?;
    let mut rows = Vec::with_capacity(waiting.len());
    for row in waiting {
        let Some(client) = state.clients.load(&row.client_id).await?.filter(|client| client.is_active()) else { continue };
        rows.push(RequestRow {
            client: view::ClientView::new(&client).name,
            binding_message: row.asked.and_then(|asked| asked.binding_message),
            asked_at: Moment(row.created_at),
            request: Handle::new(row.user_code).to_string(),
        });
    }
    Ok(rows)
}

/// `GET /account/requests/allowed`.
pub async fn get_allowed(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(ended(&state, &visitor, true)?)
}

/// `GET /account/requests/denied`.
pub async fn get_denied(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(ended(&state, &visitor, false)?)
}

fn ended(state: &AppState, visitor: &Visitor, allowed: bool) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let view = view::RequestEnded { frame: frame(state, visitor, None, &nonce), allowed };
    site::answer(Csp::Page { nonce: Some(&nonce) }, &view)
}
