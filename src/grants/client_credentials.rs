//! The client credentials grant (RFC 6749 §4.4).
//!
//! A JWT access token costs no database write and no database read: the client comes from memory, and so does the key.

use super::access_token::{self, Prepared, Terms};
use super::{Failure, TokenRequest, TokenResponse, refuse};
use crate::audit;
use crate::protocol::authorization_details;
use crate::protocol::error::ErrorCode;
use crate::protocol::resource::Target;
use crate::protocol::scope::{STANDARD, Scope};
use crate::storage;
use crate::telemetry::findings::note;
use crate::web::error::Problem;

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = request;
    if client.is_public() {
        return Err(refuse(
            ErrorCode::UnauthorizedClient,
            "client_credentials_by_public_client",
            "Only a client that can authenticate may use this grant type.",
        ));
    }
    let scope = granted(&request).await?;
    let target = target(&request, &scope).await?;
    let token = access_token::prepare(state, Terms { client, grant: None, target, confirmation }, context.now);
    if token.is_stored() || state.config.audit.tokens {
        Box::pin(store(&request, &token)).await?;
    }
    tracing::debug!(target: "ostiary::tokens", client_id = %client.id, jti = token.claims.jti.as_str(), "access token issued by client credentials");
    let (lifetime, token_type) = (token.lifetime(), token.token_type());
    let (scope, authorization_details) = (token.claims.scope.clone(), token.claims.authorization_details.clone());
    Ok(TokenResponse {
        access_token: token.finish(state).map_err(Problem::internal)?,
        issued_token_type: None,
        token_type,
        expires_in: lifetime,
        refresh_token: None,
        id_token: None,
        scope,
        authorization_details,
    })
}

/// What the token is for: what the request names, else the client's usual audience (RFC 8707 §2.2).
async fn target(request: &TokenRequest<'_>, scope: &Scope) -> Result<Target, Failure> {
    let TokenRequest { state, client, params, .. } = *request;
    let (resources, issuer) = (state.resources.current().await?, &state.config.server.issuer);
    let asked = resources
        .asked_by_service(params, client, issuer)
        .inspect_err(|_| params.values("resource").for_each(|value| note("resource", "presented", value)))?;
    let authorization_details = authorization_details::asked(params, client, (&resources, &asked), issuer)?;
    Ok(Target { authorization_details, ..resources.target(client, &asked, scope, issuer) })
}

async fn store(request: &TokenRequest<'_>, token: &Prepared) -> Result<(), Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    let event = audit::token_issued(context, client, None, &token.claims, "client_credentials");
    state
        .db
        .write(async |tx| {
            token.store(tx).await?;
            storage::audit::insert(tx, &event).await
        })
        .await?;
    Ok(())
}

/// What was asked for, or else everything the client may have that makes sense without a person.
async fn granted(request: &TokenRequest<'_>) -> Result<Scope, Failure> {
    let allowed = &request.client.metadata.scope;
    let Some(asked) = request.scope()? else {
        return Ok(allowed.filter(|value| !STANDARD.contains(&value)));
    };
    if asked.iter().any(|value| STANDARD.contains(&value)) {
        return Err(refuse(ErrorCode::InvalidScope, "scope_needs_a_person", "A scope that was asked for concerns a person."));
    }
    let resources = request.state.resources.current().await?;
    let is_known = |value: &str| request.state.knows_scope(value, request.client, &resources);
    let asked = asked.filter(is_known);
    if !asked.iter().all(|value| allowed.contains(value)) {
        note("scope", "asked_for", &asked);
        note("scope", "registered", allowed);
        return Err(refuse(ErrorCode::InvalidScope, "scope_not_allowed", "The client may not have a scope that it asked for."));
    }
    Ok(asked)
}
