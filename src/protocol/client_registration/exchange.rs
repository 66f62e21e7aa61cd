//! What a client may exchange (RFC 8693), and who may bring what others say of people (RFC 7523).

use super::{Problems, RegistrationPolicy, audiences};
use crate::protocol::client::{ClientAuthMethod, ClientMetadata, GrantType};

pub(super) fn check(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    let exchanges = metadata.grant_types.contains(&GrantType::TokenExchange);
    if exchanges && metadata.token_endpoint_auth_method == ClientAuthMethod::None {
        problems.add("grant_types", "public_client", "must not hold token exchange for a client that can not authenticate");
    }
    let brings = metadata.grant_types.contains(&GrantType::JwtBearer);
    if brings && metadata.token_endpoint_auth_method == ClientAuthMethod::None {
        problems.add("grant_types", "public_client", "must not hold jwt-bearer for a client that can not authenticate");
    }
    if exchanges != metadata.token_exchange.is_some() {
        problems.add("token_exchange", "grant_type", "and the grant type token-exchange must stand together");
    }
    let Some(exchange) = &metadata.token_exchange else { return };
    if exchange.audiences.is_empty() {
        problems.add("token_exchange.audiences", "required", "must not be empty");
    }
    audiences("token_exchange.audiences", &exchange.audiences, problems);
    audiences("token_exchange.accepts", &exchange.accepts, problems);
    // What people do here they do themselves.
    let own =
        |audience: &String| policy.api_audience.strip_prefix(audience).is_some_and(|rest| rest.is_empty() || rest == "/api/v1");
    if exchange.audiences.iter().any(own) {
        problems.add("token_exchange.audiences", "own_api", "must not name this server itself");
    }
    // Which is the audience of everybody who logs in.
    if exchange.accepts.iter().any(own) {
        problems.add("token_exchange.accepts", "own_api", "must not name this server itself");
    }
}
