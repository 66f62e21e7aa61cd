//! The end of a login: what the client is given, written down with all that it rests on.

use super::Flow;
use crate::audit::{self, Kind};
use crate::grants::front_channel::FrontChannel;
use crate::keys::hash::TokenKind;
use crate::protocol::authentication::Acr;
use crate::protocol::authorization_request::AuthorizationRequest;
use crate::protocol::authorize::ConsentedScope;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::client::Client;
use crate::protocol::id::GrantId;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::authorization_codes::{self, AuthorizationCode};
use crate::storage::consents::{self, Consent};
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::grants::Grant;
use crate::storage::sessions::{self, Session};
use crate::storage::{client_documents, pushed_requests, session_clients};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Why the client may have what it asks for.
pub(super) enum Basis {
    FirstParty,
    /// The person agreed before, to these.
    Remembered(Vec<ConsentedScope>),
    /// The person agrees now.
    Given(ConsentedScope),
}

pub(super) enum Issued {
    /// The parameters of the response.
    Given(Vec<(&'static str, String)>),
    /// Another login with the same pushed request ended first.
    RequestUsed,
    SessionEnded,
    ConsentGone,
}

/// What is decided within the transaction.
enum Written {
    All,
    Nothing(Issued),
}

/// How what the decision rested on is looked at once more.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// All of it is there as it was, or else nothing is written: no answer of the database is waited for.
    Once,
    /// Something is not, and it is asked what.
    Closely,
}

impl Look {
    async fn at(
        self,
        tx: &mut Tx,
        session: &Session,
        request: &AuthorizationRequest,
        basis: &Basis,
    ) -> Result<Option<Issued>, StorageError> {
        let (user, client) = (&session.user_id, &request.client_id);
        match self {
            Self::Once => {
                sessions::must_stand(tx, &session.id).await?;
                if let Basis::Remembered(agreements) = basis {
                    consents::must_stand(tx, user, client, agreements).await?;
                }
            }
            Self::Closely => {
                if !sessions::stands(tx, &session.id).await? {
                    return Ok(Some(Issued::SessionEnded));
                }
                if matches!(basis, Basis::Remembered(_)) {
                    let consent = consents::load_for_use(tx, user, client).await?;
                    let stands = |consent: &Consent| consent.agreements.iter().any(|given| given.covers(request));
                    let Some(consent) = consent.filter(stands) else {
                        return Ok(Some(Issued::ConsentGone));
                    };
                    consents::write_anew(tx, &consent).await?;
                }
            }
        }
        Ok(None)
    }
}

/// Writes the code and the tokens that come with it or in its place, what was consented to, and their audit events, in one
/// transaction. Only the hash of the code is kept. What the decision rested on is looked at once more, and locked, before anything
/// is written.
pub(super) async fn issue(
    state: &AppState,
    context: &RequestContext,
    (flow, client): (&Flow, &Client),
    session: &Session,
    (scope, claims, acr): (Scope, ClaimsRequest, Acr),
    basis: Basis,
) -> Result<Issued, Problem> {
    let request = &flow.request;
    let grant = Grant {
        id: GrantId::parse(random::neighbouring_uuid()).map_err(Problem::internal)?,
        client_id: request.client_id.clone(),
        user_id: session.user_id.clone(),
        session_id: session.id.clone(),
        own_session: false,
        scope,
        claims: Some(claims).filter(|claims| !claims.is_empty()),
        reach: request.reach.clone(),
        auth_time: session.auth_time,
        amr: session.factors.amr(),
        acr: acr.to_string(),
        created_at: context.now,
        expires_at: context.now,
        revoked_at: None,
        confirmation: None,
    };
    let code = request.response_type.has_code().then(|| TokenKind::Code.draw());
    let row = code.as_deref().map(|code| row(state, (request, client), &grant, code));
    let described = |kind| Event {
        actor: Actor::User(session.user_id.clone()),
        user_id: Some(session.user_id.clone()),
        client_id: Some(request.client_id.clone()),
        ..audit::event(kind, context)
    };
    let agreed = Event { details: audit::reached(&grant.scope, &grant.reach), ..described(Kind::ConsentGiven) };
    let mut granted = Event { details: agreed.details.clone(), ..described(Kind::AuthorizationGranted) };
    granted.details.insert("grant_id".to_owned(), grant.id.as_str().into());
    let adopted = audit::adopted(context, client);
    let pushed = flow.pushed.as_deref().map(|reference| state.tokens.hash(TokenKind::PushedRequest, reference));
    let front_channel = FrontChannel::prepare(state, client, request.response_type, grant.clone()).await;
    let front_channel = front_channel.inspect_err(|problem| {
        if !problem.status.is_server_error() {
            let refused = audit::refused(Kind::AuthorizationRefused, context, problem.reason);
            state.refusals.refused(Event {
                reason: refused.reason,
                outcome: refused.outcome,
                ..described(Kind::AuthorizationRefused)
            });
        }
    })?;
    let token_issued = front_channel.as_ref().and_then(|given| given.event(context, client));
    let write = async |look: Look| {
        let written = state.db.write(async |tx| {
            if let Some(gone) = look.at(tx, session, request, &basis).await? {
                return Ok(Written::Nothing(gone));
            }
            if let Some(pushed) = &pushed
                && !pushed_requests::consume(tx, pushed, context.now).await?
            {
                return Ok(Written::Nothing(Issued::RequestUsed));
            }
            if let Some(adopted) = &adopted {
                client_documents::adopt(tx, client, adopted).await?;
            }
            if let Basis::Given(given) = &basis {
                consents::save(tx, &consent(session, request, given, context.now)).await?;
                crate::storage::audit::insert(tx, &agreed).await?;
            }
            if request.is_openid() {
                session_clients::add(tx, &session.id, client).await?;
            }
            if let Some(row) = &row {
                authorization_codes::insert(tx, row).await?;
            }
            crate::storage::audit::insert(tx, &granted).await?;
            if let Some(front_channel) = &front_channel {
                front_channel.store(tx).await?;
            }
            if let Some(event) = &token_issued {
                crate::storage::audit::insert(tx, event).await?;
            }
            Ok(Written::All)
        });
        written.await
    };
    let written = match write(Look::Once).await {
        Err(StorageError::Unmet) => write(Look::Closely).await?,
        written => written?,
    };
    if let Written::Nothing(why) = written {
        return Ok(why);
    }
    // What is signed is signed here: after the commit.
    let tokens = match front_channel {
        Some(front_channel) => front_channel.finish(state, client, code.as_deref(), request.nonce.clone())?,
        None => Vec::new(),
    };
    Ok(Issued::Given(code.map(|code| ("code", code)).into_iter().chain(tokens).collect()))
}

/// What the code stands for: redeeming it creates the grant, or goes on with it if a token came with the code.
fn row(state: &AppState, (request, client): (&AuthorizationRequest, &Client), grant: &Grant, code: &str) -> AuthorizationCode {
    let grant = grant.clone();
    let lifetime = Seconds(state.config.tokens.authorization_code);
    let longest = client.metadata.demands().code_lifetime;
    AuthorizationCode {
        hash: state.tokens.hash(TokenKind::Code, code),
        grant_id: grant.id,
        client_id: grant.client_id,
        user_id: grant.user_id,
        session_id: grant.session_id,
        redirect_uri: request.redirect_uri.as_str().to_owned(),
        scope: grant.scope,
        claims: grant.claims,
        reach: grant.reach,
        nonce: request.nonce.clone(),
        code_challenge: request.code_challenge.clone(),
        auth_time: grant.auth_time,
        amr: grant.amr,
        acr: grant.acr,
        created_at: grant.created_at,
        expires_at: grant.created_at + longest.map_or(lifetime, |longest| lifetime.min(longest)),
        consumed_at: None,
        dpop_jkt: request.dpop_jkt,
    }
}

pub(super) fn consent(session: &Session, request: &AuthorizationRequest, given: &ConsentedScope, now: Timestamp) -> Consent {
    Consent {
        user_id: session.user_id.clone(),
        client_id: request.client_id.clone(),
        scope: given.scope.clone(),
        claims: given.claims.clone(),
        agreements: vec![given.clone()],
        created_at: now,
        updated_at: now,
    }
}
