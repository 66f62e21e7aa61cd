//! What is registered of clients that ask people who are elsewhere (OpenID Connect CIBA Core 1.0 §4).

use super::keys::{NOT_ASKED, may_be_asked};
use super::{Problems, RegistrationPolicy};
use crate::protocol::client::{ClientAuthMethod, ClientMetadata, DeliveryMode, GrantType};

pub(super) fn check(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    let (asks, mode) = (metadata.grant_types.contains(&GrantType::Ciba), metadata.backchannel_token_delivery_mode);
    if asks && metadata.token_endpoint_auth_method == ClientAuthMethod::None {
        problems.add("grant_types", "public_client", "must not hold ciba for a client that can not authenticate");
    }
    if asks != mode.is_some() {
        problems.add("backchannel_token_delivery_mode", "grant_type", "and the grant type ciba must stand together");
    }
    if asks && !metadata.scope.contains("openid") {
        problems.add("scope", "openid_missing", "must hold openid for the grant type ciba");
    }
    let endpoint = metadata.backchannel_client_notification_endpoint.as_deref();
    if endpoint.is_some() != (mode == Some(DeliveryMode::Ping)) {
        let message = "and backchannel_token_delivery_mode ping must stand together";
        problems.add("backchannel_client_notification_endpoint", "delivery_mode", message);
    }
    if endpoint.is_some_and(|uri| !may_be_asked(uri, policy)) {
        problems.add("backchannel_client_notification_endpoint", "url", NOT_ASKED);
    }
    if metadata.backchannel_authentication_request_signing_alg.is_some() {
        const FIELD: &str = "backchannel_authentication_request_signing_alg";
        if !asks {
            problems.add(FIELD, "grant_type", "is of no use without the grant type ciba");
        }
        if metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
            problems.add("jwks", "required", "or jwks_uri must be there for signed requests");
        }
    }
    if metadata.backchannel_user_code_parameter {
        problems.add("backchannel_user_code_parameter", "unsupported", "must be false: people log in, and have no other code");
    }
}
