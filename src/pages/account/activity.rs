//! What happened to a person's account, in plain words: their own part of the audit log.

use axum::extract::State;
use axum::response::Response;

use super::nav::{Nav, Place};
use super::sessions::network;
use crate::audit::Kind;
use crate::flow::visitor::{Login, Visitor};
use crate::pages::flow::frame;
use crate::pages::site;
use crate::pages::text::Text;
use crate::pages::view::{self, ActivityRow, ClientView, Moment, field};
use crate::state::AppState;
use crate::storage::audit::{self, Actor, Entry, Outcome};
use crate::storage::page::Page;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageQuery;
use crate::web::redirect::see_other;

/// Entries on one page.
const LIMIT: i64 = 30;

/// `GET /account/activity`.
pub async fn get(State(state): State<AppState>, visitor: Visitor, PageQuery(params): PageQuery) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    // Nobody but this page makes them; another one lists from where it would stand.
    let after = params.get(field::AFTER).filter(|id| id.len() == 36 && id.is_ascii()).map(str::to_owned);
    let is_first = after.is_none();
    let (rows, next) = rows(&state, frame.text, login, &Page { after, limit: LIMIT }).await?;
    let view = view::Activity { nav: Nav::of(&state, login, Place::Activity), rows, is_first, next, frame };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// A page of it, and where the next one begins.
pub(super) async fn rows(
    state: &AppState,
    text: Text,
    login: &Login,
    page: &Page,
) -> Result<(Vec<ActivityRow>, Option<String>), Problem> {
    let listed = audit::activity(&mut state.db.read().await?, &login.user.id, page).await?;
    let mut rows = Vec::with_capacity(listed.items.len());
    for entry in listed.items {
        let client = match &entry.client_id {
            Some(id) => state.clients.load(id).await?.map_or_else(|| id.to_string(), |client| ClientView::new(&client).name),
            None => String::new(),
        };
        rows.push(row(&entry, login, client, text));
    }
    Ok((rows, listed.next))
}

fn row(entry: &Entry, login: &Login, client: String, text: Text) -> ActivityRow {
    let succeeded = entry.outcome == Outcome::Success;
    let by = match &entry.actor {
        Actor::User(id) if *id == login.user.id => None,
        Actor::User(_) | Actor::CommandLine => Some(text.of("activity-by-administrator")),
        Actor::System => Some(text.of("activity-by-server")),
        Actor::Client(_) | Actor::Anonymous => None,
    };
    ActivityRow {
        sentence: sentence(text, &entry.kind, succeeded),
        succeeded,
        takes_back_deletion: entry.kind == Kind::UserDeletionTakenBack.as_str(),
        at: Moment(entry.at),
        client: Some(client).filter(|name| !name.is_empty()),
        by,
        network: entry.address.as_deref().map(network),
        count: entry.count,
    }
}

/// The words for a kind of event. What was refused has words of its own, or else those of what was tried.
pub fn sentence(text: Text, kind: &str, succeeded: bool) -> String {
    let id = format!("activity-{}", kind.replace(['.', '_'], "-"));
    let refused = if succeeded { None } else { text.find(&format!("{id}-refused")) };
    refused.or_else(|| text.find(&id)).unwrap_or_else(|| text.of("activity-other"))
}
