//! Tokens for an application of the operator's own that logged its person in without a browser: no grant type of the token
//! endpoint, but the same tokens.

use std::collections::BTreeSet;

use super::login::{Standing, proved, tell_of};
use crate::audit::{self, Kind};
use crate::authn::second_factor::Proof;
use crate::grants::TokenResponse;
use crate::grants::access_token::{self, Terms};
use crate::grants::family::{self, Family};
use crate::grants::id_token::{self, Contents};
use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::id::GrantId;
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::random;
use crate::state::AppState;
use crate::storage;
use crate::storage::audit::Event;
use crate::storage::grants::Grant;
use crate::storage::sessions::{self, Session};
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Gives the first tokens out for a login that is complete, and makes its session the grant's own: nobody has its secret, and it
/// is there so that its person sees it and can end it. `None`: it was ended already.
pub async fn begin(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    session: &Session,
    (scope, confirmation): (Scope, Option<Confirmation>),
) -> Result<Option<TokenResponse>, Problem> {
    let target = access_token::target(state, client, &BTreeSet::new(), &scope).await?;
    let grant = Grant {
        id: GrantId::parse(random::neighbouring_uuid()).map_err(Problem::internal)?,
        client_id: client.id.clone(),
        user_id: session.user_id.clone(),
        session_id: session.id.clone(),
        own_session: true,
        claims: None,
        reach: Reach::default(),
        auth_time: session.auth_time,
        amr: session.factors.amr(),
        acr: session.factors.acr().to_string(),
        created_at: context.now,
        expires_at: context.now + family::lifetime(state, client, &scope, &target),
        revoked_at: None,
        confirmation: None,
        scope,
    };
    let family = Family::prepare(state, client, grant, (target, confirmation), context.now).await?;
    let event = audit::token_issued(context, client, Some(&family.grant), family.claims(), "first_party");
    let given = state.db.write(async |tx| {
        if !sessions::hand_over(tx, &session.id, family.grant.expires_at).await? {
            return Ok(false);
        }
        family.store(tx).await?;
        storage::audit::insert(tx, &event).await?;
        Ok(true)
    });
    if !given.await? {
        return Ok(None);
    }
    family.finish(state, client, None, context.now).map(Some)
}

/// A login that goes on: its person proves a factor once more, or another one.
#[derive(Clone, Copy, Debug)]
pub struct Ongoing<'a> {
    pub client: &'a Client,
    pub user: &'a User,
    pub grant: &'a Grant,
    /// The grant's own.
    pub session: &'a Session,
    /// Of the access token that asks.
    pub scope: &'a Scope,
    /// What that one is bound to.
    pub confirmation: Option<Confirmation>,
}

/// What became of it.
#[derive(Debug)]
pub enum Again {
    /// A new access token, and an ID token where one is due. The refresh token stays as it is.
    Given(Box<TokenResponse>),
    /// The code was used before.
    Spent,
    /// The login has ended, or the person's password was changed, meanwhile.
    Ended,
}

/// Gives an access token out that says what was proved now. Those that were given out before gain nothing by it: they go on saying
/// what they say.
pub async fn prove(state: &AppState, context: &RequestContext, login: Ongoing<'_>, proof: &Proof) -> Result<Again, Problem> {
    let mut session = login.session.clone();
    loop {
        match prove_in(state, context, Ongoing { session: &session, ..login }, proof).await? {
            Attempt::Came(to) => return Ok(to),
            Attempt::Meanwhile(newer) => session = *newer,
        }
    }
}

enum Attempt {
    Came(Again),
    /// Something else was proved in the login at the same moment, and nothing happened: both are to stand in it.
    Meanwhile(Box<Session>),
}

async fn prove_in(state: &AppState, context: &RequestContext, login: Ongoing<'_>, proof: &Proof) -> Result<Attempt, Problem> {
    let Ongoing { client, user, grant, session: known, scope, confirmation } = login;
    let now = context.now;
    let factors = known.factors.clone().and(proof.method, now);
    let mut session = Session { factors, last_seen_at: now, ..known.clone() };
    session.auth_time = Standing::of(state, user).await?.auth_time(&session, now);
    let grant = Grant {
        auth_time: session.auth_time,
        amr: session.factors.amr(),
        acr: session.factors.acr().to_string(),
        ..grant.clone()
    };
    let target = access_token::target(state, client, &grant.reach.resources, scope).await?;
    let token = access_token::prepare_for_proof(state, Terms { client, grant: None, target, confirmation }, &grant, now);
    let event = Event { client_id: Some(client.id.clone()), ..proved(user, Kind::UserReauthenticated, &session, context) };
    let issued = audit::token_issued(context, client, Some(&grant), &token.claims, "first_party");
    let is_due = id_token::is_due(&grant) && scope.contains("openid");
    let id_token = if is_due { Some(id_token::prepare(state, client, &grant, now).await?) } else { None };
    let done = state.db.write(async |tx| {
        // Holds up whoever proves something else of the same person.
        if !users::stands(tx, user).await? {
            return Ok(Some(Attempt::Came(Again::Ended)));
        }
        match sessions::by_id(tx, &session.id).await? {
            Some(current) if current.factors == known.factors => {}
            Some(newer) => return Ok(Some(Attempt::Meanwhile(Box::new(newer)))),
            None => return Ok(Some(Attempt::Came(Again::Ended))),
        }
        if !proof.spend(tx, &user.id, now).await? {
            return Ok(Some(Attempt::Came(Again::Spent)));
        }
        if !sessions::prove(tx, &session).await? || !storage::grants::prove(tx, &grant).await? {
            return Ok(Some(Attempt::Came(Again::Ended)));
        }
        token.store(tx).await?;
        tell_of(tx, state, &user.id, proof, context).await?;
        storage::audit::insert(tx, &event).await?;
        storage::audit::insert(tx, &issued).await?;
        Ok(None)
    });
    if let Some(came_to_nothing) = done.await? {
        return Ok(came_to_nothing);
    }
    let (expires_in, token_type) = (token.lifetime(), token.token_type());
    let access_token = token.finish(state).map_err(Problem::internal)?;
    let id_token = match id_token {
        Some(prepared) => {
            let contents = Contents { access_token: Some(&access_token), code: None, nonce: None, prepared, now };
            Some(id_token::sign(state, client, &grant, contents)?)
        }
        None => None,
    };
    let scope = scope.clone();
    let tokens = TokenResponse {
        access_token,
        issued_token_type: None,
        token_type,
        expires_in,
        refresh_token: None,
        id_token,
        scope,
        authorization_details: Vec::new(),
    };
    Ok(Attempt::Came(Again::Given(Box::new(tokens))))
}
