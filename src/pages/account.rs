//! A person's start page: where they are logged in, and which applications they let in.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::device::device;
use super::flow::frame;
use super::form::{self, Purpose};
use super::site;
use super::view::{self, ConnectedApp, Moment, SessionRow, field, in_order, scope_sentence};
use crate::audit::{self, Kind};
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::id::{ClientId, SessionId};
use crate::protocol::params::Params;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::page::{MAX_LIMIT, Page};
use crate::storage::sessions::{Session, SessionFilter};
use crate::storage::{consents, email_addresses, grants, sessions};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

pub(super) const PURPOSE: Purpose = Purpose::of_session("account");

/// `GET /`: the server's front door leads to the account.
pub async fn home(State(state): State<AppState>) -> Result<Response, PageError> {
    Ok(see_other(&state.path("/account"))?)
}

/// `GET /account`.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let view = view::Account {
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        roles: login.user.roles.clone(),
        is_administrator: super::admin::scope_of(&state, &login.user).is_some(),
        email: email_addresses::load(&mut state.db.read().await?, &login.user.id)
            .await?
            .map(|email| view::OwnAddress { address: email.address.as_str().to_owned(), verified: email.verified_at.is_some() }),
        mail: state.outbox.is_on(),
        sessions: session_rows(&state, &context, login).await?,
        apps: connected_apps(&state, &frame, login).await?,
        csrf: form::token(&state, &visitor, PURPOSE),
        frame,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// This browser first, then the others, the one seen last before all.
async fn session_rows(state: &AppState, context: &RequestContext, login: &Login) -> Result<Vec<SessionRow>, Problem> {
    let mut found = sessions_of(state, context, login).await?;
    found.sort_by_key(|session| (session.id != login.session.id, -session.last_seen_at.as_micros()));
    let row = |session: Session| SessionRow {
        current: session.id == login.session.id,
        id: session.id.to_string(),
        device: device(&session.user_agent),
        address: session.address,
        last_seen_at: Moment(session.last_seen_at),
    };
    Ok(found.into_iter().map(row).collect())
}

async fn sessions_of(state: &AppState, context: &RequestContext, login: &Login) -> Result<Vec<Session>, Problem> {
    let idle = Seconds(state.config.session.idle);
    let filter = SessionFilter { user_id: Some(login.user.id.clone()), now: context.now, idle };
    Ok(sessions::list(&mut state.db.read().await?, &filter, &Page::first(MAX_LIMIT)).await?.items)
}

async fn connected_apps(state: &AppState, frame: &view::Frame, login: &Login) -> Result<Vec<ConnectedApp>, Problem> {
    let consents = consents::list_for_user(&mut state.db.read().await?, &login.user.id).await?;
    let mut apps = Vec::with_capacity(consents.len());
    for consent in consents {
        let Some(client) = state.clients.load(&consent.client_id).await? else { continue };
        let sentence = |value| scope_sentence(frame.text, value, &state.config.tokens.scopes);
        apps.push(ConnectedApp {
            name: view::ClientView::new(&client).name,
            client_id: consent.client_id.to_string(),
            may: in_order(&consent.scope).into_iter().map(sentence).collect(),
            since: Moment(consent.created_at),
        });
    }
    Ok(apps)
}

/// `POST /account/sessions`: ends one of the person's sessions, or all but the one that asks.
pub async fn post_sessions(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = checked(&state, &context, &visitor, &params)? else { return Ok(see_other(&state.path("/login"))?) };
    let mut event = by(login, Kind::SessionEnded, &context);
    if params.contains(field::OTHERS) {
        end_others(&state, login, event).await?;
    } else if let Some(id) = params.get(field::SESSION).and_then(|id| SessionId::parse(id).ok()) {
        let found = sessions::by_id(&mut state.db.read().await?, &id).await?;
        // Somebody else's is as if it were not there, and one's own ends by logging out.
        if id != login.session.id && found.is_some_and(|session| session.user_id == login.user.id) {
            event.details.insert("session_id".to_owned(), id.as_str().into());
            end_one(&state, &id, event).await?;
        }
    }
    Ok(see_other(&state.path("/account"))?)
}

async fn end_one(state: &AppState, id: &SessionId, event: Event) -> Result<(), Problem> {
    let ended = state.db.write(async |tx| {
        if sessions::end(tx, id).await? {
            crate::storage::audit::insert(tx, &event).await?;
        }
        Ok(())
    });
    Ok(ended.await?)
}

async fn end_others(state: &AppState, login: &Login, event: Event) -> Result<(), Problem> {
    let ended = state.db.write(async |tx| {
        let ended = sessions::end_all(tx, &login.user.id, Some(&login.session.id)).await?;
        let mut event = event.clone();
        event.details.insert("sessions".to_owned(), ended.into());
        crate::storage::audit::insert(tx, &event).await
    });
    Ok(ended.await?)
}

/// `POST /account/apps`: takes the consent back, and every token that the client holds of it.
pub async fn post_apps(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = checked(&state, &context, &visitor, &params)? else { return Ok(see_other(&state.path("/login"))?) };
    let client_id = ClientId::parse(params.get(field::CLIENT).unwrap_or_default())
        .map_err(|_| Problem::request(StatusCode::BAD_REQUEST, "client_id_malformed", "The form is malformed"))?;
    let event = Event { client_id: Some(client_id.clone()), ..by(login, Kind::ConsentRevoked, &context) };
    let user_id = &login.user.id;
    state
        .db
        .write(async |tx| {
            let consented = consents::delete(tx, user_id, &client_id).await?;
            let revoked = grants::revoke_for_client_and_user(tx, &client_id, user_id, context.now).await?;
            if consented || revoked > 0 {
                crate::storage::audit::insert(tx, &event).await?;
            }
            Ok(())
        })
        .await?;
    Ok(see_other(&state.path("/account"))?)
}

/// Who sent the form, if it is ours.
fn checked<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    params: &Params,
) -> Result<Option<&'a Login>, Problem> {
    let Some(login) = &visitor.login else { return Ok(None) };
    form::check(state, context, visitor, PURPOSE, params)?;
    Ok(Some(login))
}

/// Something that the person did to what is theirs.
fn by(login: &Login, kind: Kind, context: &RequestContext) -> Event {
    let user_id = &login.user.id;
    Event { actor: Actor::User(user_id.clone()), user_id: Some(user_id.clone()), ..audit::event(kind, context) }
}
