//! Where a person is logged in: each browser by its name, and logging it out.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::State;
use axum::response::Response;

use super::nav::{Nav, Place};
use super::{PURPOSE, by, checked, sessions_of};
use crate::account::{name, sessions as account};
use crate::audit::Kind;
use crate::authn::device::in_words;
use crate::flow::visitor::Visitor;
use crate::pages::flow::frame;
use crate::pages::reauthenticate::{Freshness, Target, fresh};
use crate::pages::text::Text;
use crate::pages::view::{self, Moment, SessionRow, field};
use crate::pages::{form, site};
use crate::protocol::id::SessionId;
use crate::state::AppState;
use crate::storage::sessions::{self, Session};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

/// `GET /account/sessions`.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let mut found = sessions_of(&state, &context, login).await?;
    // This browser first, then the others, the one seen last before all.
    found.sort_by_key(|session| (session.id != login.session.id, -session.last_seen_at.as_micros()));
    let view = view::Sessions {
        nav: Nav::of(&state, login, Place::Sessions),
        sessions: found.into_iter().map(|session| row(session, &login.session.id, frame.text)).collect(),
        csrf: form::token(&state, &visitor, PURPOSE),
        frame,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

fn row(session: Session, current: &SessionId, text: Text) -> SessionRow {
    SessionRow {
        current: session.id == *current,
        id: session.id.to_string(),
        device: in_words(&session.device, text),
        name: session.name,
        network: network(&session.address),
        methods: methods(&session.factors.amr(), text),
        remembered: session.remembered,
        logged_in_at: Moment(session.created_at),
        last_seen_at: Moment(session.last_seen_at),
    }
}

/// The part of an address that stays the same: all of an IPv4 address, the network of an IPv6 address, whose second half is
/// the device's own and changes every day.
pub fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        _ => address.to_owned(),
    }
}

/// What the login was made of, in words.
fn methods(amr: &[String], text: Text) -> String {
    let word = |method: &String| match method.as_str() {
        "pwd" => Some(text.of("method-password")),
        "otp" => Some(text.of("method-code")),
        "hwk" | "swk" => Some(text.of("method-passkey")),
        _ => None,
    };
    let mut words: Vec<String> = amr.iter().filter_map(word).collect();
    words.dedup();
    words.join(" + ")
}

/// `POST /account/sessions`: ends one of the person's sessions, or all but the one that asks. Whoever does it shows first that
/// it is still them (ASVS 7.5.2): it could be somebody who found the browser open.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    checked(&state, &context, &visitor, &params)?;
    let login = match fresh(&state, &context, &visitor, Target::Sessions, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let event = by(login, Kind::SessionEnded, &context);
    if params.contains(field::OTHERS) {
        account::end_others(&state, &login.user.id, Some(&login.session.id), &event).await?;
    } else {
        let id = own(&state, login, params.get(field::SESSION)).await?;
        if id == login.session.id {
            return Ok(see_other(&state.path("/logout"))?);
        }
        account::end(&state, &id, &event).await?;
    }
    Ok(see_other(&state.path(Place::Sessions.path()))?)
}

/// The session that is meant. Somebody else's is as if it were not there.
async fn own(state: &AppState, login: &crate::flow::visitor::Login, id: Option<&str>) -> Result<SessionId, Problem> {
    let id = id.and_then(|id| SessionId::parse(id).ok()).ok_or(Problem::not_found())?;
    let found = sessions::by_id(&mut state.db.read().await?, &id).await?;
    found.filter(|session| session.user_id == login.user.id).map(|session| session.id).ok_or(Problem::not_found())
}

/// `POST /account/sessions/name`: calls one of the person's browsers something else, or by its own name again.
pub async fn post_name(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = checked(&state, &context, &visitor, &params)? else { return Ok(see_other(&state.path("/login"))?) };
    let id = own(&state, login, params.get(field::SESSION)).await?;
    let name = name(params.get(field::NAME).unwrap_or_default());
    let event = by(login, Kind::SessionRenamed, &context);
    account::rename(&state, (&login.user.id, &id), name.as_deref(), &event).await?;
    Ok(see_other(&state.path(Place::Sessions.path()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_far_as_it_stays_the_same() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:85a3:12:8a2e:370:7334:1"), "2001:db8:85a3:12::/64");
        assert_eq!(network("::1"), "::/64");
        assert_eq!(network(""), "");
    }

    #[test]
    fn what_a_login_was_made_of_is_said_in_words() {
        let amr = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let text = Text::default();
        assert_eq!(methods(&amr(&["pwd"]), text), "Password");
        assert_eq!(methods(&amr(&["pwd", "otp", "mfa"]), text), "Password + Code");
        assert_eq!(methods(&amr(&["hwk", "swk", "user", "mfa"]), text), "Passkey");
    }
}
