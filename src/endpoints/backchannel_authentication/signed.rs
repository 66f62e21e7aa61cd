//! Opens a signed request (OpenID Connect CIBA Core 1.0 §7.1.1).

use crate::keys::foreign;
use crate::keys::ring::Untrusted;
use crate::protocol::assertion::Once;
use crate::protocol::backchannel::{
    self, KEYS_UNAVAILABLE, MALFORMED, TYPES, UNKNOWN_KEY, WRONG_ALGORITHM, WRONG_SIGNATURE, WRONG_TYPE,
};
use crate::protocol::client::Client;
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::telemetry::findings::note;

/// What the request says, if the client signs its requests.
pub(super) async fn open(
    state: &AppState,
    now: Timestamp,
    outer: &Params,
    client: &Client,
) -> Result<Option<(Params, Once)>, OAuthError> {
    let Some(request) = backchannel::signed(outer, client)? else { return Ok(None) };
    let claims = verified(state, now, request, client).await.inspect_err(|_| foreign::note_header(request, HEADER))?;
    let issuer = &state.config.server.issuer;
    let opened = backchannel::params(&claims, &client.id, issuer, now).inspect_err(|_| {
        let claim = |name: &str| claims.get(name).map_or_else(|| "none".to_owned(), ToString::to_string);
        note("backchannel_request_client", "iss", claim("iss"));
        note("backchannel_request_audience", "presented", claim("aud"));
        note("backchannel_request_audience", "expected", issuer);
        for name in ["exp", "iat", "nbf"] {
            note("backchannel_request_times", name, claim(name));
        }
        note("backchannel_request_times", "now", now.as_seconds());
    })?;
    Ok(Some(opened))
}

async fn verified(state: &AppState, now: Timestamp, request: &str, client: &Client) -> Result<foreign::Claims, OAuthError> {
    let algorithms = client.metadata.backchannel_authentication_request_signing_alg;
    let keys = state.client_keys.of(client, request, now).await.map_err(|cause| {
        note("backchannel_request_keys", "failure", cause);
        KEYS_UNAVAILABLE
    })?;
    let expected = foreign::Expected { algorithms: algorithms.as_slice(), types: TYPES };
    keys.verify(request, expected).map_err(|untrusted| match untrusted {
        Untrusted::Malformed | Untrusted::Claims | Untrusted::Unacceptable(_) => MALFORMED,
        Untrusted::UnknownKey => UNKNOWN_KEY,
        Untrusted::Algorithm => WRONG_ALGORITHM,
        Untrusted::Type => WRONG_TYPE,
        Untrusted::Signature => WRONG_SIGNATURE,
    })
}

/// The checks of the header.
const HEADER: [&str; 3] = ["backchannel_request_algorithm", "backchannel_request_type", "backchannel_request_key"];
