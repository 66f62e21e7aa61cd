//! The authorization request, wherever it was written down: in the URL, or pushed before (RFC 9126).

use crate::keys::hash::TokenKind;
use crate::outbound::envelope::Envelope;
use crate::protocol::authorization_request::{AuthorizationRequest, ServerPolicy};
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::jwe;
use crate::protocol::params::Params;
use crate::protocol::pushed_request::{self, EXPIRED, OF_ANOTHER_CLIENT, REQUIRED, UNKNOWN, USED};
use crate::protocol::redirect_uri::RedirectUri;
use crate::protocol::request_object::REQUIRED as REQUEST_OBJECT_REQUIRED;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::pushed_requests;
use crate::telemetry::findings::note;
use crate::web::error::Problem;

const ID_TOKEN_HINT_INVALID: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "id_token_hint_invalid", "id_token_hint is not an ID token of this server");

/// What a client asks for.
#[derive(Debug)]
pub struct Asked {
    /// If they were pushed, nothing of what stands beside the reference is among them.
    pub params: Params,
    /// The reference by which they were pushed. A request object among them was opened then.
    pub pushed: Option<String>,
}

/// What the browser brought, or the request that its `request_uri` stands for. An error is a page: there is no redirection URI
/// yet.
///
/// A pushed request may be opened again while no login with it has ended: people reload pages, and browsers fetch them ahead
/// (RFC 9126 §4).
pub async fn asked(state: &AppState, now: Timestamp, params: Params, client: &Client) -> Result<Asked, Problem> {
    let Some(reference) = pushed_request::reference(&params)?.map(str::to_owned) else {
        let only_pushed = state.config.tokens.require_pushed_authorization_requests;
        if only_pushed || client.metadata.pushes_requests() {
            note("pushed_request_required", "of_every_client", only_pushed);
            return Err(REQUIRED.into());
        }
        return Ok(Asked { params, pushed: None });
    };
    let hash = state.tokens.hash(TokenKind::PushedRequest, &reference);
    let stored = pushed_requests::load(&mut state.db.read().await?, &hash).await?.ok_or(UNKNOWN)?;
    if stored.client_id != client.id {
        note("pushed_request_client", "presented_by", &client.id);
        note("pushed_request_client", "pushed_by", &stored.client_id);
        return Err(OF_ANOTHER_CLIENT.into());
    }
    if let Some(used) = stored.consumed_at {
        note("pushed_request_use", "used_seconds_ago", now.as_seconds() - used.as_seconds());
        return Err(USED.into());
    }
    if now >= stored.expires_at {
        note("pushed_request_age", "seconds", now.as_seconds() - stored.created_at.as_seconds());
        note("pushed_request_age", "lifetime", pushed_request::LIFETIME.0);
        return Err(EXPIRED.into());
    }
    if client.metadata.signs_requests() && !stored.signed {
        return Err(REQUEST_OBJECT_REQUIRED.into());
    }
    Ok(Asked { params: Params::parse_own(stored.parameters.as_bytes())?, pushed: Some(reference) })
}

/// The request, read and judged but for who is logged in. A refusal goes to the client.
pub async fn read(
    state: &AppState,
    params: &Params,
    client: &Client,
    redirect_uri: &RedirectUri,
) -> Result<Result<AuthorizationRequest, OAuthError>, Problem> {
    let policy = state.policy().await?;
    let request = match judge(state, &policy, params, client, redirect_uri) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    // Before anybody logs in for an answer that can't be given.
    let of_response = client.metadata.authorization_encryption().filter(|_| request.response_alg.is_some());
    let of_id_token = client.metadata.id_token_encryption().filter(|_| request.response_type.has_id_token());
    for encryption in [of_response, of_id_token] {
        if let Err(error) = Envelope::of(&state.client_keys, client, encryption, state.clock.now()).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(request))
}

fn judge(
    state: &AppState,
    policy: &ServerPolicy,
    params: &Params,
    client: &Client,
    redirect_uri: &RedirectUri,
) -> Result<AuthorizationRequest, OAuthError> {
    let mut request = AuthorizationRequest::parse(params, client, redirect_uri, policy)?;
    if let Some(hint) = request.id_token_hint.take() {
        // The hint may have expired; it must be ours.
        if jwe::is_shaped(hint.as_str()) {
            return Err(jwe::ENCRYPTED_HINT);
        }
        let claims = state.keys.id_token_hint(hint.as_str(), &state.config.server.issuer).map_err(|_| ID_TOKEN_HINT_INVALID)?;
        request.id_token_hint_sub = Some(claims.sub);
    }
    Ok(request)
}
