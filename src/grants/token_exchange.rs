//! Token exchange (RFC 8693): a client that was called with a token gets another one to call somebody else with.
//!
//! The new token hangs on the old one: its `jti` leads back to it, and it counts for as long as that was not revoked, its grant
//! stands, and its person and every client on the way are enabled.

use serde_json::Value;

use super::access_token::{self, ActiveToken};
use super::{Failure, TokenRequest, TokenResponse};
use crate::audit;
use crate::protocol::access_token::{AccessTokenClaims, TokenId};
use crate::protocol::audience::Audience;
use crate::protocol::authorization_details;
use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::OAuthError;
use crate::protocol::id::{ClientId, GrantId, UserId};
use crate::protocol::id_token::IdTokenClaims;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::token_exchange::{
    self, ACCESS_TOKEN, ACTOR_INCOMPLETE, ACTOR_INVALID, ACTOR_KEY, ACTOR_TYPE, Actor, MayAct, NO_POLICY, OF_AN_ADMINISTRATOR,
    PUBLIC_CLIENT, REQUESTED_TYPE, SUBJECT_INVALID, SUBJECT_KEY, SUBJECT_TOO_WEAK, SUBJECT_TYPE, TOO_LONG, TokenKind,
};
use crate::random;
use crate::storage::administrators::scopes_of;
use crate::storage::audit::Event;
use crate::storage::{self, grants, users};
use crate::telemetry::findings::note;
use crate::web::error::Problem;

/// The token that is exchanged, whatever its kind.
struct Subject {
    sub: String,
    client_id: ClientId,
    audiences: Vec<String>,
    scope: Scope,
    authorization_details: Vec<Value>,
    act: Option<Actor>,
    may_act: Option<MayAct>,
    cnf: Option<Confirmation>,
    jti: TokenId,
    grant_id: Option<GrantId>,
    user_id: Option<UserId>,
    expires_at: Timestamp,
    auth_time: Option<Timestamp>,
    acr: Option<String>,
    amr: Vec<String>,
}

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, params, confirmation } = request;
    if client.is_public() {
        return Err(PUBLIC_CLIENT.into());
    }
    let policy = client.metadata.token_exchange.as_ref().ok_or(NO_POLICY)?;
    if params.get("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err(REQUESTED_TYPE.into());
    }
    let subject = subject(&request).await?;
    let facts = subject.facts();
    token_exchange::accepts(client, policy, &facts).inspect_err(|_| {
        note("subject_token_owner", "given_to", &subject.client_id);
        note("subject_token_owner", "audiences", subject.audiences.join(" "));
    })?;
    strong_enough(&request, &subject).await?;
    // Nobody acts for themselves: that would hide who does.
    let named = actor(&request).await?;
    // As this client knows people.
    let sub = subject.user_id.as_ref().map_or_else(|| subject.sub.clone(), |user| state.subjects.of(client, user));
    if named.as_ref() == Some(&sub) {
        return Err(ACTOR_INVALID.into());
    }
    let act = token_exchange::actor(client, policy, &facts, named.as_deref())?;
    if named.is_none() && policy.impersonation {
        no_administrator(&request, &subject).await?;
    }
    let aud = token_exchange::audiences(policy, params.values("audience").chain(params.values("resource")))
        .inspect_err(|_| note("target", "allowed", policy.audiences.join(" ")))?;
    let resources = state.resources.current().await?;
    let asked = request.scope()?.map(|asked| asked.filter(|value| state.knows_scope(value, client, &resources)));
    let scope = token_exchange::scope(client, &facts, asked).inspect_err(|_| saw_scope(&request, &subject))?;

    let jti = TokenId::exchanged(&subject.jti, &client.id, &random::identifier()).map_err(|_| TOO_LONG)?;
    let target = resources.target(client, &aud.into_iter().collect(), &scope, &state.config.server.issuer);
    let details = authorization_details::within(&subject.authorization_details, (params, client), &resources)?;
    let authorization_details = resources.details_for(&target.audience, details);
    let lifetime = access_token::lifetime(state, &target);
    let claims = AccessTokenClaims {
        iss: state.config.server.issuer.clone(),
        sub,
        aud: Audience(target.audience),
        exp: (context.now + lifetime).min(subject.expires_at),
        iat: context.now,
        nbf: None,
        jti,
        client_id: client.id.clone(),
        scope: target.scope.clone(),
        auth_time: subject.auth_time,
        acr: subject.acr.clone(),
        amr: subject.amr.clone(),
        sid: None,
        authorization_details,
        cnf: confirmation,
        act,
        may_act: subject.next_actor(client),
    };
    let event = exchanged(&request, &subject, &claims);
    let token =
        access_token::prepare_claims(state, (target.format, target.algorithm), claims, (subject.grant_id, subject.user_id));
    let written = state.db.write(async |tx| {
        token.store(tx).await?;
        storage::audit::insert(tx, &event).await
    });
    written.await?;
    let (expires_in, token_type) = (token.lifetime(), token.token_type());
    let authorization_details = token.claims.authorization_details.clone();
    Ok(TokenResponse {
        access_token: token.finish(state).map_err(Problem::internal)?,
        issued_token_type: Some(ACCESS_TOKEN),
        token_type,
        expires_in,
        refresh_token: None,
        id_token: None,
        scope: target.scope,
        authorization_details,
    })
}

impl Subject {
    fn facts(&self) -> token_exchange::Subject<'_> {
        token_exchange::Subject {
            client_id: self.client_id.as_str(),
            audiences: &self.audiences,
            scope: &self.scope,
            act: self.act.as_ref(),
            may_act: self.may_act.as_ref(),
        }
    }

    /// Who alone may act after this client: whom it was registered to let act; else it is still the one whom the token before named.
    fn next_actor(&self, client: &Client) -> Option<MayAct> {
        let of_client = self.user_id.as_ref().and_then(|_| access_token::may_act(client));
        of_client.or_else(|| self.may_act.clone())
    }
}

async fn subject(request: &TokenRequest<'_>) -> Result<Subject, Failure> {
    let (text, kind) = (request.required("subject_token")?, request.required("subject_token_type")?);
    let subject = match TokenKind::parse(kind).ok_or(SUBJECT_TYPE)? {
        TokenKind::AccessToken => {
            of_access_token(access_token::active(request.state, text, request.context.now).await?.ok_or(SUBJECT_INVALID)?)
        }
        TokenKind::IdToken => of_id_token(request, text).await?,
    };
    proved(request, subject.cnf, SUBJECT_KEY)?;
    Ok(subject)
}

fn of_access_token(active: ActiveToken) -> Subject {
    let ActiveToken { claims, user_id, grant_id, .. } = active;
    Subject {
        sub: claims.sub,
        client_id: claims.client_id,
        audiences: claims.aud.0,
        scope: claims.scope,
        authorization_details: claims.authorization_details,
        act: claims.act,
        may_act: claims.may_act,
        cnf: claims.cnf,
        jti: claims.jti,
        grant_id,
        user_id,
        expires_at: claims.exp,
        auth_time: claims.auth_time,
        acr: claims.acr,
        amr: claims.amr,
    }
}

/// An ID token stands for the login that it tells of: for its grant, which must still stand. Only the client that it was made for
/// may show it.
async fn of_id_token(request: &TokenRequest<'_>, text: &str) -> Result<Subject, Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    let claims: IdTokenClaims = state.keys.id_token_hint(text, &state.config.server.issuer).map_err(|_| SUBJECT_INVALID)?;
    let (true, Some(sid)) = (context.now < claims.exp && claims.aud == client.id, &claims.sid) else {
        return Err(SUBJECT_INVALID.into());
    };
    let session = state.subjects.session(client, sid);
    let found = grants::live_of_session(&mut state.db.read().await?, (&client.id, &session), context.now).await?;
    let grant = found.filter(|grant| state.subjects.of(client, &grant.user_id) == claims.sub).ok_or(SUBJECT_INVALID)?;
    Ok(Subject {
        sub: claims.sub,
        client_id: claims.aud,
        audiences: Vec::new(),
        scope: grant.scope,
        authorization_details: grant.reach.authorization_details,
        act: None,
        may_act: access_token::may_act(client),
        cnf: grant.confirmation,
        jti: TokenId::of_grant(&grant.id, ""),
        expires_at: claims.exp.min(grant.expires_at),
        grant_id: Some(grant.id),
        user_id: Some(grant.user_id),
        auth_time: Some(claims.auth_time),
        acr: claims.acr,
        amr: claims.amr,
    })
}

/// The subject of the actor token, if there is one: somebody whom the client can show to be its caller, or itself.
async fn actor(request: &TokenRequest<'_>) -> Result<Option<String>, Failure> {
    let (text, kind) = match (request.params.get("actor_token"), request.params.get("actor_token_type")) {
        (None, None) => return Ok(None),
        (Some(text), Some(kind)) => (text, kind),
        _ => return Err(ACTOR_INCOMPLETE.into()),
    };
    if kind != ACCESS_TOKEN {
        return Err(ACTOR_TYPE.into());
    }
    let active = access_token::active(request.state, text, request.context.now).await?;
    let claims = active.filter(|active| active.client.id == request.client.id).ok_or(ACTOR_INVALID)?.claims;
    proved(request, claims.cnf, ACTOR_KEY)?;
    Ok(Some(claims.sub))
}

/// Whoever has a token that is bound to a key shows that key (RFC 9449 §7; behaviours: X8).
fn proved(request: &TokenRequest<'_>, cnf: Option<Confirmation>, error: OAuthError) -> Result<(), OAuthError> {
    if cnf.is_none() || cnf == request.confirmation { Ok(()) } else { Err(error) }
}

/// A login of which the client would not be told, or that would not be refreshed any more, is not handed on either.
async fn strong_enough(request: &TokenRequest<'_>, subject: &Subject) -> Result<(), Failure> {
    let (Some(user_id), state) = (&subject.user_id, request.state) else { return Ok(()) };
    let user = users::by_id(&mut state.db.read().await?, user_id).await?.ok_or(SUBJECT_INVALID)?;
    let of_roles = state.config.authentication.required_of(&user.roles);
    let asked_for = request.client.metadata.required_acr.into_iter().chain(of_roles).max();
    if asked_for.is_none_or(|acr| acr.is_met_by(&subject.amr)) {
        return Ok(());
    }
    note("subject_token_factors", "proved", subject.amr.join(" "));
    Err(SUBJECT_TOO_WEAK.into())
}

/// Nobody looks like an administrator who is none.
async fn no_administrator(request: &TokenRequest<'_>, subject: &Subject) -> Result<(), Failure> {
    let Some(user_id) = &subject.user_id else { return Ok(()) };
    let user = users::by_id(&mut request.state.db.read().await?, user_id).await?.ok_or(SUBJECT_INVALID)?;
    if scopes_of(&user.roles, &request.state.config.admin).is_empty() { Ok(()) } else { Err(OF_AN_ADMINISTRATOR.into()) }
}

fn saw_scope(request: &TokenRequest<'_>, subject: &Subject) {
    note("scope", "of_the_subject", &subject.scope);
    note("scope", "of_the_client", &request.client.metadata.scope);
}

fn exchanged(request: &TokenRequest<'_>, subject: &Subject, claims: &AccessTokenClaims) -> Event {
    let issued = audit::token_issued(request.context, request.client, None, claims, "token_exchange");
    let mut details = issued.details;
    details.insert("subject_client".to_owned(), subject.client_id.as_str().into());
    if let Some(act) = &claims.act {
        details.insert("actor".to_owned(), act.sub.as_str().into());
    }
    if let Some(grant_id) = &subject.grant_id {
        details.insert("grant_id".to_owned(), grant_id.as_str().into());
    }
    Event { user_id: subject.user_id.clone(), details, ..issued }
}
