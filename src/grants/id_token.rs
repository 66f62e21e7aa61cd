//! ID tokens, for the token endpoint and for the browser (OpenID Connect Core §3.1.3.3, §3.2.2.10, §3.3.2.11, §12.2).

use serde_json::{Map, Value};

use crate::outbound::envelope::Envelope;
use crate::protocol::claims;
use crate::protocol::client::Client;
use crate::protocol::id_token::{IdTokenClaims, half_hash};
use crate::protocol::jwt::TokenType;
use crate::protocol::time::{Seconds, Timestamp};
use crate::state::AppState;
use crate::storage::grants::Grant;
use crate::storage::profiles;
use crate::web::error::Problem;

/// What of an ID token has to be fetched. Do it before what the token comes of: where it has to be encrypted and there is no key to
/// do it with, nothing comes of anything.
#[derive(Debug)]
pub struct Prepared {
    person: Map<String, Value>,
    envelope: Option<Envelope>,
}

pub async fn prepare(state: &AppState, client: &Client, grant: &Grant, now: Timestamp) -> Result<Prepared, Problem> {
    let encryption = client.metadata.id_token_encryption();
    let envelope = Envelope::of(&state.client_keys, client, encryption, now).await?;
    Ok(Prepared { person: person(state, grant).await?, envelope })
}

/// The claims about the person that go into the ID token: those that the `claims` parameter asked for there. With the code
/// flow everything else comes from userinfo, so as a rule the profile isn't even read.
async fn person(state: &AppState, grant: &Grant) -> Result<Map<String, Value>, Problem> {
    let Some(request) = grant.claims.as_ref().filter(|request| !request.id_token.is_empty()) else {
        return Ok(Map::new());
    };
    let profile = profiles::load(&mut state.db.read().await?, &grant.user_id).await?;
    let (profile, updated_at) = profile.unzip();
    Ok(claims::for_id_token(request, profile.as_ref(), updated_at))
}

/// What an ID token of a grant needs besides the grant.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The access token and the code that come with it: it holds their hashes.
    pub access_token: Option<&'a str>,
    pub code: Option<&'a str>,
    /// Of the authorization request. An ID token that comes of a refresh has none (OpenID Connect Core §12.2).
    pub nonce: Option<String>,
    /// See [`prepare`].
    pub prepared: Prepared,
    pub now: Timestamp,
}

/// Signs an ID token, and encrypts it for a client that is registered so. A refreshed one keeps `sub` and `auth_time`.
pub fn sign(
    state: &AppState,
    client: &Client,
    grant: &Grant,
    Contents { access_token, code, nonce, prepared: Prepared { person, envelope }, now }: Contents<'_>,
) -> Result<String, Problem> {
    let algorithm = client.metadata.id_token_signed_response_alg;
    let claims = IdTokenClaims {
        iss: state.config.server.issuer.clone(),
        sub: state.subjects.of(client, &grant.user_id),
        aud: client.id.clone(),
        azp: Some(client.id.clone()),
        exp: now + Seconds(state.config.tokens.id_token),
        iat: now,
        auth_time: grant.auth_time,
        nonce,
        acr: Some(grant.acr.clone()),
        amr: grant.amr.clone(),
        at_hash: access_token.map(|token| half_hash(algorithm, token)),
        c_hash: code.map(|code| half_hash(algorithm, code)),
        sid: Some(state.subjects.sid(client, &grant.session_id)),
        person,
    };
    let signed = state.keys.sign(algorithm, TokenType::IdToken, &claims).map_err(Problem::internal)?;
    Envelope::around(envelope.as_ref(), signed).map_err(Problem::internal)
}

/// Whether the grant is one of OpenID Connect.
pub fn is_due(grant: &Grant) -> bool {
    grant.scope.contains("openid")
}
